"""Statements add up; the journal passes a stranger's check; a backup comes back whole."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from beancount import loader

from cleanfleet.registry import backup, clock
from cleanfleet.registry.acceptance.operations import AcceptVehicles
from cleanfleet.registry.charges.correcting import WithdrawVehicle
from cleanfleet.registry.ledger import audit, book
from cleanfleet.registry.ledger.models import Operation
from cleanfleet.registry.refusals import Conflict, Invalid
from cleanfleet.registry.statements import files, journal
from cleanfleet.registry.statements.statement import statement
from cleanfleet.registry.transfers.operations import AcceptTransfer, OfferTransfer
from cleanfleet.registry.vehicles.models import Claim
from registry import databases
from registry.charges.test_correcting import charged
from registry.people import account, car, credited, do, feed, officer, person, ready_law, verify

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def story(database: str) -> tuple[int, int]:
    """A credit, a charge met by both, a transfer with exchange, a withdrawal; gives both accounts."""
    ready_law()
    owner, taker, agent = person(), person("Ben"), officer()
    new = credited(owner, 60, "new")
    first = Claim.objects.get().public_id
    used = account(taker, "used")
    verify(new, used)
    with clock.at("2026-04-02"):
        charged(owner, new, 150, credits_g=20)
    with clock.at("2026-04-10"):
        made = do(OfferTransfer(account=new.public_id, to_account=used.number, grams=10), owner)
        do(AcceptTransfer(offer=made["offer"]), taker)
    with clock.at("2026-05-01"):
        do(WithdrawVehicle(claim=first, reason="exported", grounds="x"), agent)
    return new.pk, used.pk


def test_a_statement_adds_up_from_opening_to_closing(story: tuple[int, int]) -> None:
    from cleanfleet.registry.accounts.models import Account

    new = Account.objects.get(pk=story[0])
    april = statement(new, dt.date(2026, 4, 1), dt.date(2026, 4, 30))
    assert april.opening == {("held", "credit:new"): 60}
    assert april.closing == {("held", "credit:new"): 30}
    balances = april.balances()
    summed = april.frame().group_by("bucket", "unit").agg(pl.col("amount").sum())
    both = balances.join(summed, on=["bucket", "unit"], how="full", coalesce=True).fill_null(0)
    assert (both["opening"] + both["amount"] == both["closing"]).all()
    whole = statement(new, dt.date(2026, 1, 1), dt.date(2026, 12, 31))
    assert whole.opening == {}
    assert whole.closing == book.balances(new.pk) == {("owed", "charge:new:A:2026"): 30}
    vehicle = next(entry.vehicle for entry in whole.entries if entry.unit == "credit:new")
    assert vehicle.startswith("7AT0CF")
    later = statement(new, dt.date(2026, 6, 1), dt.date(2026, 6, 30))
    assert (later.opening, later.entries, later.closing) == (whole.closing, (), whole.closing)
    with pytest.raises(Invalid, match="lies before its first day"):
        statement(new, dt.date(2026, 6, 1), dt.date(2026, 5, 30))


def test_a_statement_is_written_as_csv_and_xlsx(story: tuple[int, int], tmp_path: Path) -> None:
    from cleanfleet.registry.accounts.models import Account

    found = statement(Account.objects.get(pk=story[0]), dt.date(2026, 1, 1), dt.date(2026, 12, 31))
    files.write(found, tmp_path / "s.csv")
    files.write(found, tmp_path / "s.xlsx")
    assert pl.read_csv(tmp_path / "s.csv").height == len(found.entries)
    assert pl.read_excel(tmp_path / "s.xlsx", sheet_name="Balances").rows() == [("owed", "charge:new:A:2026", 0, 30, 30)]
    with pytest.raises(Invalid, match=r"allowed are .csv and .xlsx"):
        files.write(found, tmp_path / "s.pdf")


def test_the_journal_passes_bean_check(story: tuple[int, int]) -> None:
    text = "\n".join(journal.lines())
    entries, errors, _ = loader.load_string(text, dedent=False)
    assert errors == []
    assert sum(type(entry).__name__ == "Balance" for entry in entries) >= 4
    wrong = text.replace("balance Assets", "balance Assets", 1).replace(" 20 CREDIT-USED", " 21 CREDIT-USED")
    assert loader.load_string(wrong, dedent=False)[1] != []


def test_a_backup_comes_back_whole_and_overwrites_nothing(story: tuple[int, int], database: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    told = backup.backup(copy)
    assert told["operations"] == Operation.objects.count()
    with pytest.raises(Conflict, match="overwrites nothing"):
        backup.backup(copy)
    with pytest.raises(Conflict, match="overwrites nothing"):
        backup.restore(copy)
    place = tmp_path / "again"
    place.mkdir()
    if database:
        name = database.rpartition("/")[2] + "_again"
        databases.admin(f"CREATE DATABASE {name}")
        databases.use(f"{database}_again", place)
    else:
        databases.use("", place)
    try:
        assert backup.restore(copy) == told
        assert book.balances(story[0]) == {("owed", "charge:new:A:2026"): 30}
        assert audit.run() == []
    finally:
        databases.use(database, tmp_path)
        if database:
            databases.admin(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_vehicle_with_chassis_and_vin_is_called_by_its_vin() -> None:
    ready_law()
    owner = person()
    with clock.at("2026-04-02"):
        to = account(owner)
        row = car(to, co2=100)
        (entered,) = feed({**row, "chassis": "ZVW30-1234567"})
        do(AcceptVehicles(account=to.public_id, vehicles=[entered["claim"]]), owner)
        found = statement(to, dt.date(2026, 4, 1), dt.date(2026, 4, 30))
    assert [entry.vehicle for entry in found.entries] == [row["vin"]]
