"""Clearance: every state of a vehicle in every entry channel, against a file of expectations; and re-import after export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cleanfleet.registry import clock, replay
from cleanfleet.registry.acceptance.operations import AcceptVehicles, clearance
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.charges.correcting import WithdrawVehicle
from cleanfleet.registry.ledger import audit, book
from cleanfleet.registry.ledger.models import Principal
from cleanfleet.registry.refusals import Invalid
from cleanfleet.registry.vehicles.models import Claim, Vehicle
from cleanfleet.registry.vehicles.operations import DisputeVehicle, ReallocateVehicle, RejectVehicle
from cleanfleet.registry.vehicles.states import CLAIM
from registry.people import account, car, do, feed, officer, person, ready_law

pytestmark = pytest.mark.usefixtures("database")
EXPECTED: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("clearance.yaml").read_text())
DAY = "2026-03-31"
BIKE = {"vehicle_class": "LC", "tare_kg": 200}
BARE = {"vehicle_class": "MA", "tare_kg": 1600}


class Case:
    """One vehicle on its way to a state."""

    def __init__(self, channel: str) -> None:
        self.owner: Principal = person()
        self.to: Account = account(self.owner, "used" if channel == "used" else "new")
        self.row = car(self.to, co2=100, entry_channel=channel)

    def feed(self, **more: Any) -> str:
        (outcome,) = feed({**self.row, **more})
        return str(outcome.get("claim", ""))

    def accept(self, claim: str) -> str:
        do(AcceptVehicles(account=self.to.public_id, vehicles=[claim]), self.owner)
        return claim

    def withdraw(self, claim: str) -> None:
        do(WithdrawVehicle(claim=claim, reason="exported", grounds="shipped to Fiji"), officer())

    def costly(self) -> str:
        return self.feed(attributes={**self.row["attributes"], "co2_g_per_km": "150"})


WAYS: dict[str, Callable[[Case], Any]] = {
    "unknown": lambda case: None,
    "not_subject": lambda case: case.feed(attributes=BIKE),
    "entered": lambda case: case.feed(ready_on=None),
    "ready": lambda case: case.feed(),
    "held": lambda case: case.feed(attributes=BARE),
    "pending": lambda case: case.accept(case.costly()),
    "disputed": lambda case: do(DisputeVehicle(claim=case.feed(), reason="wrong_co2"), case.owner),
    "accepted": lambda case: case.accept(case.feed()),
    "rejected": lambda case: do(RejectVehicle(claim=case.feed()), case.owner),
    "reallocated": lambda case: do(
        ReallocateVehicle(claim=case.feed(), to_account=account(person("Ben"), case.to.condition).number), officer()
    ),
    "withdrawn": lambda case: case.withdraw(case.accept(case.feed())),
    "claimed_again": lambda case: (case.withdraw(case.accept(case.feed())), case.feed()),
    "accepted_again": lambda case: (case.withdraw(case.accept(case.feed())), case.accept(case.feed())),
    "excluded_while_waiting": lambda case: (case.feed(), case.feed(attributes=BIKE)),
}


def test_every_state_is_in_the_file() -> None:
    assert set(EXPECTED["states"]) == set(WAYS)
    assert set(CLAIM.shown) <= set(WAYS)


def test_every_state_in_every_channel() -> None:
    ready_law()
    for state, told in EXPECTED["states"].items():
        for channel, what in EXPECTED["channels"].items():
            with clock.at(DAY):
                case = Case(channel)
                WAYS[state](case)
                if state in CLAIM.shown and Claim.objects.filter(account=case.to).exists():
                    assert Claim.objects.get(account=case.to).state == state
                answer = clearance("vin", case.row["vin"])
            expected = {
                "cleared": told["cleared"],
                "for": None if told["for"] == "nothing" else what,
                "reason": told["reason"],
            }
            assert answer == expected, (state, channel)
    assert audit.run() == []


def test_what_can_be_no_identifier_is_refused() -> None:
    with pytest.raises(Invalid, match="allowed are 17 letters and digits"):
        clearance("vin", "short")


def test_a_vehicle_that_comes_again_after_its_export_starts_anew_and_keeps_its_history() -> None:
    ready_law()
    first, second = Case("used"), person("Ben")
    with clock.at(DAY):
        claim = first.accept(first.feed())
        assert book.balances(first.to.pk) == {("held", "credit:used"): 12}
    with clock.at("2026-06-01"):
        first.withdraw(claim)
        assert book.balances(first.to.pk) == {}
    other = account(second)
    with clock.at("2027-02-01"):  # it was registered abroad meanwhile, and is assessed by the law of its new acceptance
        (entered,) = feed({**first.row, "account": other.number, "ready_on": "2027-01-20"})
        assert entered["outcome"] == "ready"
        answer = do(AcceptVehicles(account=other.public_id, vehicles=[entered["claim"]]), second)
        assert (answer["credit_g"], answer["charge_g"]) == (4, 0)
        assert clearance("vin", first.row["vin"])["cleared"]
    assert Vehicle.objects.count() == 1
    assert list(Claim.objects.order_by("pk").values_list("state", "account__number")) == [
        ("withdrawn", first.to.number), ("accepted", other.number),
    ]  # fmt: skip
    (lot,) = book.lots(other.pk, "held", "credit:used")
    assert (lot.vintage, lot.amount) == (2027, 4)
    assert audit.run() == []
    assert replay.run() == []
