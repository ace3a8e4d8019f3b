"""What one registry hands out an empty one takes in, and hands out again as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from cleanfleet.registry import clock, daily, replay
from cleanfleet.registry.accounts.models import Account, Holder, Person
from cleanfleet.registry.fleets.models import Share
from cleanfleet.registry.fleets.operations import RedetermineFleetYear, SettleFleetYear
from cleanfleet.registry.intake import checks, export, files, report
from cleanfleet.registry.intake.layout import TABLES
from cleanfleet.registry.intake.models import Origin
from cleanfleet.registry.ledger import audit, book
from cleanfleet.registry.ledger.models import Principal
from cleanfleet.registry.refusals import Conflict
from registry import databases, people
from registry.fleets import scenes as fleets
from registry.intake import packages, scenes


def test_everything_comes_back_as_it_was(database: str, tmp_path: Path) -> None:
    scenes.everything()
    with clock.at(scenes.LAST):
        first = export.export("CCS")
    assert {name: bool(rows) for name, rows in first.tables.items()} == dict.fromkeys(TABLES, True)
    balances = {export.Keys().accounts[found.pk]: book.balances(found.pk) for found in Account.objects.all()}
    files.write(first, tmp_path / "package")
    files.write(first, tmp_path / "package.xlsx")
    (tmp_path / "again").mkdir()
    with databases.fresh("postgresql" if database else "sqlite", tmp_path / "again"):
        fleets.fleet_law()
        read = files.read(tmp_path / "package")
        assert read.tables == files.read(tmp_path / "package.xlsx").tables == first.tables
        packages.take_in(read, scenes.LAST)
        with clock.at(scenes.LAST):
            second = export.export("CCS")
        assert second.tables == first.tables
        found = {o.key: Account.objects.get(public_id=o.public_id) for o in Origin.objects.filter(kind="account")}
        assert {key: book.balances(one.pk) for key, one in found.items()} == {
            key: {place: amount for place, amount in has.items() if place[0] != "met"} for key, has in balances.items()
        }
        assert audit.run() == checks.run() == []
        _goes_on()
        assert replay.run() == []


def _goes_on() -> None:
    """The fleet year that came along is settled in the ordinary way, and determined anew from its vehicles."""
    share = Share.objects.get(state="owed", account__condition="new")
    owner = Principal.objects.get(grants__account=share.account, grants__verb="owner")
    outstanding = share.outstanding_g
    assert (share.credits_g, share.money_g) == (40, 30)
    assert outstanding > 0
    with clock.at("2027-03-02"):
        account = share.account.public_id
        settle = SettleFleetYear(account=account, year=2026, vehicle_type="A", credits_g=10, money_g=outstanding - 10)
        paid = people.do(settle, owner)
        fleets.play(paid["payment"], "succeeded")
        share.refresh_from_db()
        assert share.state == "settled"
        anew = RedetermineFleetYear(account=account, year=2026, reason="wrong_data", grounds="x")
        again = people.do(anew, people.officer())
        assert {part["change"]["charged_g"] for one in again["types"].values() for part in one["shares"]} == {0}
    with clock.at("2027-04-02"):
        daily.run()
    assert audit.run() == []


def test_what_was_taken_in_goes_out_again_with_its_expired_lots_and_origins(database: str, tmp_path: Path) -> None:
    packages.take_in(packages.package(packages.rows()))
    with clock.at(packages.TODAY):
        first = export.export("CCS")
    lots = {(row.cells["account"], row.cells["earned_on"]): row.cells for row in first.tables["lots"]}
    assert lots["B-1", "2023-05-01"]["expired_g"] == "3"
    assert lots["B-2", "2024-02-29"]["origin"] == lots["B-1", "2024-02-29"]["lot"]
    assert lots["B-2", "2026-03-31"]["earned_by"] == "A-1"
    assert [row.cells["operation"] for row in first.tables["history"]] == ["accept", "offset"]
    (tmp_path / "again").mkdir()
    with databases.fresh("postgresql" if database else "sqlite", tmp_path / "again"):
        packages.take_in(first)
        with clock.at(packages.TODAY):
            assert export.export("CCS").tables == first.tables


def test_erased_names_are_handed_out_as_erased(database: str, tmp_path: Path) -> None:
    packages.take_in(packages.package(packages.rows()))
    Person.objects.all().delete()
    Holder.objects.update(name="", address="")
    with clock.at(packages.TODAY):
        made = export.export("CCS")
    assert {row.cells["email"] for row in made.tables["persons"]} == {"erased@erased"}
    (tmp_path / "again").mkdir()
    with databases.fresh("postgresql" if database else "sqlite", tmp_path / "again"), clock.at(packages.TODAY):
        found = report.dry_run(made)
        assert (found.errors, {f.code for f in found.findings}) == (0, {"held"})


def test_an_export_waits_until_nothing_is_under_way(database: str, tmp_path: Path) -> None:
    people.ready_law()
    owner = people.person()
    of = people.credited(owner, 30)
    with clock.at("2026-04-02"):
        (row,) = people.feed(people.car(of, co2=150))
        people.do(scenes.AcceptVehicles(account=of.public_id, vehicles=[row["claim"]], credits_g=30), owner)
        with pytest.raises(
            Conflict, match="1 acceptances that wait for their payment, 1 payments that wait, 1 lots with"
        ) as refused:
            export.export("CCS")
    assert refused.value.code == "under_way"


def test_files_are_never_overwritten(tmp_path: Path) -> None:
    given = packages.package(packages.rows())
    files.write(given, tmp_path / "p")
    files.write(given, tmp_path / "p.xlsx")
    for path in ("p", "p.xlsx"):
        with pytest.raises(Conflict, match="overwrites nothing"):
            files.write(given, tmp_path / path)
