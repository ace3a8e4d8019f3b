"""An agent's statements: a client's own, and all clients beside each other; they sum to what the account's vehicles moved."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cleanfleet.registry import clock
from cleanfleet.registry.acceptance.operations import AcceptVehicles
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.permissions import system
from cleanfleet.registry.charges.correcting import CorrectVehicle, WithdrawVehicle
from cleanfleet.registry.ledger.models import Movement
from cleanfleet.registry.payments.operations import TakeMessage
from cleanfleet.registry.refusals import Invalid
from cleanfleet.registry.statements import files
from cleanfleet.registry.statements.clients import Met, Place, clients
from cleanfleet.registry.statements.statement import statement
from registry.people import account, car, do, feed, officer, person, ready_law

pytestmark = pytest.mark.usefixtures("database")
YEAR = (dt.date(2026, 1, 1), dt.date(2026, 12, 31))
APRIL = (dt.date(2026, 4, 1), dt.date(2026, 4, 30))


@pytest.fixture
def agent(database: str) -> Account:
    """An agent's account. The target at 1,600 kg is 112.0474, so a car of 72 g earns 40 and one of 150 g is charged 37 at $6.

    March: Rata 40 earned, Tui 50 earned, nobody's 10 earned. April: Tui is charged 37, of which 30 are met by credits and 7 in
    money; Rata's car is corrected to 30. May: Tui's first car is withdrawn.
    """
    ready_law()
    owner = person("Agent")
    of = account(owner)
    with clock.at("2026-03-31"):
        rows = feed(car(of, 72, client="Rata"), car(of, 62, client="Tui", own_reference="T-1"), car(of, 102))
        claims = [row["claim"] for row in rows]
        do(AcceptVehicles(account=of.public_id, vehicles=claims), owner)
    with clock.at("2026-04-02T12:00+13:00"):
        (row,) = feed(car(of, 150, client="Tui"))
        made = do(AcceptVehicles(account=of.public_id, vehicles=[row["claim"]], credits_g=30), owner)
        paid = {"payment": made["payment"], "provider": "local", "event": "e", "outcome": "succeeded", "cents": 4200}
        do(TakeMessage.read(paid), system())
    with clock.at("2026-04-20"):
        worse = {"co2_g_per_km": "82"}
        do(CorrectVehicle(claim=claims[0], attributes=worse, reason="wrong_co2", grounds="x"), officer())
    with clock.at("2026-05-05"):
        do(WithdrawVehicle(claim=claims[1], reason="exported", grounds="x"), officer())
    return of


def test_every_client_has_its_row_and_so_have_vehicles_of_no_client(agent: Account) -> None:
    found = clients(agent, *APRIL)
    held, owed = ("held", "credit:used"), ("owed", "charge:used:A:2026")
    assert found.places == (
        Place("", *held, 10, 0, 0, 10),
        Place("Rata", *held, 40, 0, 10, 30),
        Place("Tui", *held, 50, 0, 0, 50),
        Place("Tui", *owed, 0, 37, 37, 0),
    )
    assert found.met == (Met("Tui", 1, 30, 4200),)
    assert clients(agent, *YEAR).met == (Met("", 1, 0, 0), Met("Rata", 1, 0, 0), Met("Tui", 2, 30, 4200))


@pytest.mark.parametrize("period", [YEAR, APRIL, (dt.date(2026, 5, 1), dt.date(2026, 5, 31)), (YEAR[0], YEAR[0])])
def test_the_clients_sum_to_what_the_account_s_vehicles_moved(agent: Account, period: Any) -> None:
    first, last = period
    summed: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for place in clients(agent, first, last).places:
        one = summed[place.bucket, place.unit]
        one[0] += place.opening
        one[1] += place.added - place.taken
        one[2] += place.closing
    truth: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    about = Movement.objects.filter(about="result").select_related("source", "target", "unit", "seal__operation")
    for move in about:
        day = move.seal.operation.effective_on
        for bucket, change in ((move.source, -move.amount), (move.target, move.amount)):
            if bucket.owner_id == agent.pk and day <= last:
                one = truth[bucket.kind, move.unit.code]
                one[0 if day < first else 1] += change
                one[2] += change
    assert {place: sums for place, sums in summed.items() if any(sums)} == {p: s for p, s in truth.items() if any(s)}
    whole = statement(agent, first, last)
    vehicles: dict[tuple[str, str], int] = defaultdict(int)
    for entry in whole.entries:
        if entry.vehicle:
            vehicles[entry.bucket, entry.unit] += entry.amount
    assert {p: n for p, n in vehicles.items() if n} == {p: s[1] for p, s in summed.items() if s[1]}


def test_a_client_s_own_statement_has_balances_of_its_own(agent: Account) -> None:
    tui = statement(agent, *APRIL, client="Tui")
    assert tui.opening == {("held", "credit:used"): 50}
    assert tui.closing == {("held", "credit:used"): 50}
    assert {entry.client for entry in tui.entries} == {"Tui"}
    assert [entry.balance for entry in tui.entries] == [37, 7, 0]
    for name in ("", "Rata", "Tui", "Nobody"):
        own = statement(agent, *YEAR, client=name)
        parts = [place for place in clients(agent, *YEAR).places if place.client == name]
        assert own.closing == {(place.bucket, place.unit): place.closing for place in parts if place.closing}
    later = statement(agent, dt.date(2026, 6, 1), dt.date(2026, 6, 30), client="Rata")
    assert (later.opening, later.entries) == ({("held", "credit:used"): 30}, ())


def test_the_clients_statement_is_written_as_csv_and_xlsx(agent: Account, tmp_path: Path) -> None:
    found = clients(agent, *APRIL)
    files.write(found, tmp_path / "c.csv")
    files.write(found, tmp_path / "c.xlsx")
    assert pl.read_csv(tmp_path / "c.csv").columns == list(Place._fields)
    assert pl.read_excel(tmp_path / "c.xlsx", sheet_name="Clients").height == 4
    assert pl.read_excel(tmp_path / "c.xlsx", sheet_name="Accepted").rows() == [("Tui", 1, 30, 4200)]
    with pytest.raises(Invalid, match="lies before its first day"):
        clients(agent, APRIL[1], APRIL[0])


def test_the_number_of_queries_does_not_grow_with_the_vehicles(agent: Account) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as asked:
        clients(agent, *YEAR)
    assert len(asked) == 3
