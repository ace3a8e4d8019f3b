"""All vehicles that match a filter: shown, confirmed, accepted part by part; a run that was stopped goes on."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from cleanfleet.registry import clock, replay
from cleanfleet.registry.acceptance import operations, selecting
from cleanfleet.registry.acceptance.models import Acceptance, Selected
from cleanfleet.registry.acceptance.selecting import AcceptSelected, Filter, SelectVehicles, accept_all, matching
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.permissions import system
from cleanfleet.registry.ledger import audit, book
from cleanfleet.registry.ledger.models import Operation
from cleanfleet.registry.ledger.operations import perform
from cleanfleet.registry.payments.models import Payment
from cleanfleet.registry.payments.operations import TakeMessage
from cleanfleet.registry.refusals import Conflict, Forbidden, Invalid, NotVisible
from cleanfleet.registry.vehicles.models import Claim
from cleanfleet.registry.vehicles.operations import RejectVehicle
from registry.people import account, car, credited, do, feed, officer, person, ready_law

pytestmark = pytest.mark.usefixtures("database")
DAY = "2026-04-02"


@pytest.fixture
def fleet(database: str) -> tuple[Any, Account]:
    """An account with 30 g of credits and five ready cars: 100, 150 (37 g too much), 90, 114 and 160 g/km, of two clients."""
    ready_law()
    owner = person()
    of = credited(owner, 30)
    with clock.at(DAY):
        feed(
            car(of, co2=100, client="Rata"), car(of, co2=150, client="Rata"), car(of, co2=90), car(of, co2=114),
            car(of, co2=160, client="Kowhai", own_reference="s7"),
        )  # fmt: skip
    return owner, of


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(), ["100", "150", "90", "114", "160"]),
        (Filter(result="credit"), ["100", "90"]),
        (Filter(result="charge"), ["150", "114", "160"]),
        (Filter(client="Rata"), ["100", "150"]),
        (Filter(client="Kowhai", own_reference="s7"), ["160"]),
        (Filter(entered_from=dt.date(2026, 4, 3)), []),
        (Filter(entered_to=dt.date(2026, 4, 2), entry_channel="used", result="charge"), ["150", "114", "160"]),
    ],
)
def test_a_filter_narrows(fleet: tuple[Any, Account], wanted: Filter, expected: list[str]) -> None:
    import json

    _, of = fleet
    found = selecting._ready(of, wanted).values_list("version__attributes", flat=True)
    assert [str(json.loads(text)["co2_g_per_km"]) for text in found] == expected
    assert matching(of, wanted).vehicles == len(expected)


def test_what_was_shown_is_accepted_with_one_payment(fleet: tuple[Any, Account]) -> None:
    owner, of = fleet
    with clock.at(DAY):
        shown = matching(of, Filter(client="Rata"))
        assert (shown.vehicles, shown.charge_g) == (2, 37)
        done = accept_all(of.public_id, Filter(client="Rata"), shown.digest, by=owner, key="k", credits_g=30)
        assert [row["outcome"] for row in done["rows"]] == ["waiting", "waiting"]
        (one,) = done["acceptances"]
        assert one["money_cents"] == 7 * 600
        assert accept_all(of.public_id, Filter(client="Rata"), shown.digest, by=owner, key="k", credits_g=30) == done
        assert book.balances(of.pk) == {("reserved", "credit:used"): 30}
        paid = Payment.objects.get()
        do(TakeMessage(payment=paid.public_id, provider="local", event="e", outcome="succeeded", cents=paid.cents), system())
        assert Claim.objects.filter(state="accepted", account=of, client="Rata").count() == 2
        assert Claim.objects.filter(state="ready", account=of).count() == 3
        assert audit.run() == replay.run() == []


def test_other_vehicles_than_those_shown_are_not_accepted(fleet: tuple[Any, Account]) -> None:
    owner, of = fleet
    with clock.at(DAY):
        shown = matching(of, Filter(result="credit"))
        feed(car(of, co2=80))
        with pytest.raises(Conflict, match="3 vehicles match now, and they aren't those that were shown"):
            accept_all(of.public_id, Filter(result="credit"), shown.digest, by=owner, key="k")
        assert not Operation.objects.filter(name="select_vehicles").exists()
        # Confirmed, then one more comes and one goes: the first isn't taken, the second is refused by name.
        shown = matching(of, Filter(result="credit"))
        chosen = do(SelectVehicles(account=of.public_id, filter=Filter(result="credit"), digest=shown.digest), owner)
        gone = Selected.objects.order_by("number")[0].claim
        do(RejectVehicle(claim=gone.public_id), owner)
        feed(car(of, co2=70))
        done = do(AcceptSelected(account=of.public_id, selection=chosen["selection"]), owner)
        assert [row["outcome"] for row in done["rows"]] == ["refused", "accepted", "accepted"]
        assert done["rows"][0]["vehicle"] == gone.public_id
        assert Claim.objects.filter(account=of, state="ready", preview_credit_g__gt=0).count() == 1


def test_parts_go_on_where_a_run_was_stopped(fleet: tuple[Any, Account], monkeypatch: pytest.MonkeyPatch) -> None:
    owner, of = fleet
    monkeypatch.setattr(selecting, "MOST", 1)
    with clock.at(DAY):
        wanted = Filter(result="credit")
        shown = matching(of, wanted)
        first = perform(SelectVehicles(account=of.public_id, filter=wanted, digest=shown.digest), by=owner, key="k")
        assert first.answer["parts"] == 2
        part = AcceptSelected(account=of.public_id, selection=first.answer["selection"], part=0)
        perform(part, by=owner, key="k:0", parent=first.operation)
        done = accept_all(of.public_id, wanted, shown.digest, by=owner, key="k")
        assert [row["outcome"] for row in done["rows"]] == ["accepted", "accepted"]
        assert Acceptance.objects.filter(account=of, lines__claim__entered_on=DAY).count() == 2
        assert Operation.objects.filter(parent=first.operation).count() == 2
        with pytest.raises(Invalid, match="part is 2; allowed is 0 to 1"):
            do(AcceptSelected(account=of.public_id, selection=first.answer["selection"], part=2), owner)
        charged = matching(of, Filter())
        with pytest.raises(Conflict, match="one payment covers up to 1: narrow the filter"):
            do(SelectVehicles(account=of.public_id, digest=charged.digest), owner)
        assert audit.run() == replay.run() == []


def test_credits_are_not_spread_over_parts(fleet: tuple[Any, Account], monkeypatch: pytest.MonkeyPatch) -> None:
    owner, of = fleet
    monkeypatch.setattr(selecting, "MOST", 1)
    with clock.at(DAY), pytest.raises(Invalid, match="2 acceptances are made, which need none: allowed is 0"):
        shown = matching(of, Filter(result="credit"))
        accept_all(of.public_id, Filter(result="credit"), shown.digest, by=owner, key="k", credits_g=1)


def test_who_may(fleet: tuple[Any, Account]) -> None:
    owner, of = fleet
    with clock.at(DAY):
        shown = matching(of, Filter())
        asked = SelectVehicles(account=of.public_id, digest=shown.digest)
        with pytest.raises(NotVisible):
            do(asked, person("Stranger"))
        with pytest.raises(Forbidden, match="accept_vehicles"):
            do(asked, officer())
        chosen = do(asked, owner)
        other = account(person("Other"))
        with pytest.raises(NotVisible, match="has no selection"):
            do(AcceptSelected(account=other.public_id, selection=chosen["selection"]), other.grants.get().principal)
        with pytest.raises(Conflict, match="no vehicle of account"):
            none = matching(of, Filter(client="Nobody"))
            do(SelectVehicles(account=of.public_id, filter=Filter(client="Nobody"), digest=none.digest), owner)


def test_a_filter_from_outside_is_checked() -> None:
    with pytest.raises(Invalid, match="result is 'some'"):
        Filter.read({"result": "some"})
    with pytest.raises(Invalid, match="vin"):
        Filter.read({"vin": "x"})
    assert Filter.read({"client": " Rata "}) == Filter(client="Rata")
    assert operations.MOST == 5000
