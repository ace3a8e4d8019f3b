"""Vehicles on their way to an account: every row has its outcome, and nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest

from cleanfleet.registry import clock
from cleanfleet.registry.acceptance.operations import AcceptVehicles
from cleanfleet.registry.ledger.models import Principal
from cleanfleet.registry.refusals import Conflict, Forbidden, Invalid, NotVisible
from cleanfleet.registry.vehicles import queries
from cleanfleet.registry.vehicles.models import Claim, Dispute, Identifier, Vehicle, Version
from cleanfleet.registry.vehicles.operations import (
    DecideDispute,
    DisputeVehicle,
    FeedVehicles,
    ReallocateVehicle,
    RejectVehicle,
)
from registry.people import account, car, do, feed, officer, person, ready_law, vin

pytestmark = pytest.mark.usefixtures("database")
DAY = "2026-03-31"


@pytest.fixture(autouse=True)
def _noon(database: str) -> Any:
    with clock.at(DAY):
        ready_law()
        yield


def test_rows_in_are_rows_answered_and_refused_with_a_reason() -> None:
    to, new = account(person()), account(person("Ben"), "new")
    good = car(to)
    rows = [
        good,
        car(to, vin="7AT0CF0000000000I"),
        car(to, vin=None),
        car(to, vin=good["vin"]),
        car(to, account="CO2-99999999"),
        car(to, entry_channel="parallel_new"),
        car(new, entry_channel="used"),
        car(to, attributes={"vehicle_class": "MA", "tare_kg": "1,6"}),
        car(to, attributes={"vehicle_class": "ZZ", "tare_kg": 1600}),
        car(to, attributes={"vehicle_class": "MA", "tare_kg": 16}),
        car(to, attributes={"vehicle_class": "MA", "tare_kg": 1600, "colour": "red"}),
        car(to, attributes={"vehicle_class": "MA", "tare_kg": 1600, "condition": "new"}),
        car(to, attributes={"vehicle_class": "LC", "tare_kg": 200}),
        car(to, attributes={"vehicle_class": "MA", "tare_kg": 1600}),
    ]
    found = [(row["outcome"], row.get("code") or row.get("reason") or row.get("missing")) for row in feed(*rows)]
    assert found == [
        ("ready", None),
        ("refused", "bad_identifier"),
        ("refused", "no_identifier"),
        ("refused", "repeated"),
        ("refused", "unknown_account"),
        ("refused", "wrong_account"),
        ("refused", "wrong_account"),
        ("refused", "bad_attribute"),
        ("refused", "bad_attribute"),
        ("refused", "bad_attribute"),
        ("refused", "unknown_attribute"),
        ("refused", "condition_conflict"),
        ("not_subject", "motorcycle"),
        ("held", "missing:co2_g_per_km"),
    ]
    assert Claim.objects.count() == 2
    held = queries.held(officer())
    assert [claim.missing for claim in held] == ["missing:co2_g_per_km"]
    with pytest.raises(Forbidden):
        queries.held(person("Cara"))


def test_only_a_certifier_or_the_register_makes_a_vehicle_ready() -> None:
    to = account(person())
    row = car(to)
    assert feed(row, source="fuelsaver")[0]["outcome"] == "entered"
    (again,) = feed({**row, "own_reference": "stock 7"}, source="certifier")
    assert (again["outcome"], again["state"]) == ("updated", "ready")
    claim = Claim.objects.get()
    assert (claim.own_reference, claim.version.number, str(claim.ready_on)) == ("stock 7", 2, "2026-03-01")
    assert Version.objects.count() == 2


def test_a_chassis_gets_its_vin_later_without_a_second_vehicle() -> None:
    to = account(person())
    chassis = car(to, vin=None, chassis="zvw30-1234567")
    feed(chassis)
    both = {**chassis, "vin": vin()}
    assert feed(both)[0]["outcome"] == "updated"
    assert Vehicle.objects.count() == 1
    assert sorted(Identifier.objects.values_list("kind", flat=True)) == ["chassis", "vin"]
    other = car(to)
    feed(other)
    assert feed({**other, "chassis": "ZVW30 1234567"})[0]["code"] == "identifiers_conflict"


def test_a_vehicle_is_on_one_account_at_a_time() -> None:
    one, other = account(person()), account(person("Ben"))
    row = car(one)
    (first,) = feed(row)
    assert feed({**row, "account": other.number})[0]["code"] == "claimed"
    owner = Principal.objects.get(grants__account=one, grants__verb="owner")
    do(RejectVehicle(claim=first["claim"]), owner)
    (second,) = feed({**row, "account": other.number})
    assert second["outcome"] == "ready"
    assert Vehicle.objects.count() == 1
    moved = do(ReallocateVehicle(claim=second["claim"], to_account=one.number), officer())
    assert (moved["account"], moved["state"]) == (one.number, "ready")
    assert sorted(Claim.objects.values_list("state", flat=True)) == ["ready", "reallocated", "rejected"]
    with pytest.raises(Invalid, match="is on account"):
        do(ReallocateVehicle(claim=moved["claim"], to_account=one.number), officer())
    with pytest.raises(Invalid, match="is for new vehicles"):
        do(ReallocateVehicle(claim=moved["claim"], to_account=account(person("Cara"), "new").number), officer())


def test_a_dispute_waits_for_a_correction_or_a_decision() -> None:
    owner = person()
    to = account(owner)
    row = car(to)
    (entered,) = feed(row)
    raised = do(DisputeVehicle(claim=entered["claim"], reason="wrong_co2", explanation="it is a hybrid"), owner)
    assert (raised["with"], raised["answer_by"]) == ("certifier", "2026-04-10")
    answer = do(AcceptVehicles(account=to.public_id, vehicles=[entered["claim"]]), owner)
    assert answer["rows"][0]["code"] == "wrong_state"
    assert feed({**row, "attributes": {**row["attributes"], "co2_g_per_km": "100"}})[0]["state"] == "ready"
    assert Dispute.objects.get().state == "corrected"
    do(DisputeVehicle(claim=entered["claim"], reason="not_mine"), owner)
    assert Dispute.objects.get(answered=None).with_whom == "agency"
    with pytest.raises(Forbidden):
        do(DecideDispute(claim=entered["claim"], details_stand=False, grounds="x"), owner)
    assert do(DecideDispute(claim=entered["claim"], details_stand=False, grounds="x"), officer())["state"] == "rejected"
    with pytest.raises(Conflict, match="vehicle is rejected"):
        do(DisputeVehicle(claim=entered["claim"], reason="not_mine"), owner)


def test_an_accepted_vehicle_is_no_longer_changed_by_a_feed() -> None:
    owner = person()
    to = account(owner)
    row = car(to, co2=100)
    (entered,) = feed(row)
    do(AcceptVehicles(account=to.public_id, vehicles=[entered["claim"]]), owner)
    assert feed(row)[0]["code"] == "claim_closed"
    assert queries.dashboard(to)["states"]["accepted"] == 1


def test_what_one_may_not_see_is_not_there() -> None:
    to = account(person())
    (entered,) = feed(car(to))
    with pytest.raises(NotVisible, match="no vehicle"):
        do(RejectVehicle(claim=entered["claim"]), person("Ben"))
    with pytest.raises(Forbidden, match="agency role system"):
        do(FeedVehicles.read({"source": "mvr", "vehicles": [car(to)]}), person("Cara"))


def test_the_dashboard_and_a_page_of_vehicles() -> None:
    to = account(person())
    feed(
        car(to, co2=150),
        car(to, co2=100),
        car(to, co2=90, ready_on=None),
        car(to, attributes={"vehicle_class": "MA", "tare_kg": 1}),
    )
    board = queries.dashboard(to)
    assert (board["states"]["ready"], board["states"]["entered"], board["held"]) == (2, 1, 0)
    assert (board["waiting_charge_g"], board["waiting_credit_g"]) == (37, 12)
    first = list(queries.page(to, size=2))
    assert len(first) == 2
    assert [claim.pk for claim in queries.page(to, after=first[-1].pk)] == [first[-1].pk + 1]
    assert [claim.state for claim in queries.page(to, state="entered")] == ["entered"]
