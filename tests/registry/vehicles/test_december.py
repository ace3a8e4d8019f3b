"""December 2022: a subject vehicle needs an account number, and nothing accrues. All hours are Auckland's."""

from __future__ import annotations

from typing import Any

import pytest

from cleanfleet.registry import clock, daily, replay
from cleanfleet.registry.acceptance.operations import AcceptVehicles, AutoAccept, clearance
from cleanfleet.registry.accounts.operations import SetAutoAccept
from cleanfleet.registry.accounts.permissions import system
from cleanfleet.registry.charges.correcting import CorrectVehicle, WithdrawVehicle
from cleanfleet.registry.ledger import audit, book
from cleanfleet.registry.statements.statement import statement
from cleanfleet.registry.vehicles import queries
from cleanfleet.registry.vehicles.models import Claim, Result, Vehicle
from registry.people import account, car, do, feed, officer, person, ready_law

pytestmark = pytest.mark.usefixtures("database")
#: The last second before December, the first of it; the last of the year; and those around 1 June 2023, in standard time.
NOVEMBER, DECEMBER = "2022-11-30T23:59:59+13:00", "2022-12-01T00:00:00+13:00"
LAST, JANUARY = "2022-12-31T23:59:59+13:00", "2023-01-01T00:00:00+13:00"
MAY, JUNE = "2023-05-31T23:59:59+12:00", "2023-06-01T00:00:00+12:00"


@pytest.fixture
def flat(monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo without weight adjustment, since the slopes of 2023 aren't known."""
    from django.conf import settings

    monkeypatch.setitem(settings.OPTIONS, "CLEANFLEET_DEMO", True)
    monkeypatch.setitem(settings.OPTIONS, "CLEANFLEET_VALUES", ("no-weight-adjustment",))


def accept(to: Any, owner: Any, *claims: str) -> dict[str, Any]:
    return do(AcceptVehicles(account=to.public_id, vehicles=list(claims)), owner)


def test_until_november_ends_a_vehicle_needs_no_account() -> None:
    to = account(person())
    row = car(to, ready_on="2022-11-30")
    with clock.at(NOVEMBER):
        assert feed(row) == [{"outcome": "not_subject", "reason": "before_standard"}]
        told = clearance("vin", row["vin"])
        assert told == {"cleared": True, "for": None, "reason": "not subject: before_standard"}
    assert not Vehicle.objects.exists()
    with clock.at(DECEMBER):
        assert clearance("vin", row["vin"]) == {
            "cleared": False, "for": None, "reason": "no account has accepted this vehicle",
        }  # fmt: skip
        assert feed(row)[0]["outcome"] == "ready"


@pytest.mark.parametrize("instant", [DECEMBER, LAST])
def test_in_december_a_vehicle_clears_without_credit_or_charge(instant: str) -> None:
    owner = person()
    to = account(owner)
    with clock.at(instant):
        dirty, clean, bare = car(to, co2=300), car(to, co2=0), car(to, attributes={"vehicle_class": "MA", "tare_kg": 1200})
        found = feed(dirty, clean, bare)
        assert {row["outcome"] for row in found} == {"ready"}
        assert clearance("vin", dirty["vin"])["reason"] == "the vehicle is ready for acceptance"
        answer = accept(to, owner, *(row["claim"] for row in found))
        assert {(r["outcome"], r["credit_g"], r["charge_g"], r["reason"]) for r in answer["rows"]} == {
            ("accepted", 0, 0, "nothing_accrues")
        }
        assert (answer["money_cents"], answer["payment"]) == (0, None)
        assert {clearance("vin", row["vin"])["cleared"] for row in (dirty, clean, bare)} == {True}
    assert book.balances(to.pk) == {}
    results = set(Result.objects.values_list("co2", "target", "difference", "credit_g", "charge_g", "charge_cents"))
    assert results == {(None, None, None, 0, 0, 0)}
    first, last = (clock.day_of(clock.dt.datetime.fromisoformat(at)) for at in (DECEMBER, JUNE))
    assert (statement(to, first, last).entries, statement(to, first, last).closing) == ((), {})
    assert audit.run() == []
    assert replay.run() == []


def test_in_december_an_excluded_vehicle_is_not_subject_for_its_own_ground() -> None:
    to = account(person())
    with clock.at("2022-12-15"):
        found = feed(
            car(to, attributes={"vehicle_class": "LC", "tare_kg": 200}),
            car(to, attributes={"vehicle_class": "MA", "tare_kg": 1200, "manufactured_on": "1982-12-14"}),
            car(to, attributes={"vehicle_class": "MA", "tare_kg": 1200, "manufactured_on": "1982-12-15"}),
            car(to, attributes={"vehicle_class": "MA", "tare_kg": 16}),
        )
    assert [(row["outcome"], row.get("reason") or row.get("code")) for row in found] == [
        ("not_subject", "motorcycle"),
        ("not_subject", "over_40_years"),
        ("ready", None),
        ("refused", "bad_attribute"),
    ]


def test_nothing_is_auto_accepted_in_december() -> None:
    owner = person()
    to = account(owner)
    with clock.at(LAST):
        do(SetAutoAccept(account=to.public_id, at_or_below_target=True), owner)
        feed(car(to, co2=0))
        assert do(AutoAccept(account=to.public_id), system())["accepted"] == 0


def test_what_is_not_accepted_by_the_year_s_end_is_subject_whenever_it_arrived(flat: None) -> None:
    ready_law()
    owner = person()
    to = account(owner)
    with clock.at(LAST):
        (late, held) = feed(car(to, co2=200), car(to, attributes={"vehicle_class": "MA", "tare_kg": 1200}))
        assert daily.run()["reassessed"] == 0
        assert queries.held_counts(officer()) == {}
    with clock.at(JANUARY):
        assert daily.run()["reassessed"] == 2
        assert daily.run()["reassessed"] == 0
        assert queries.held_counts(officer()) == {"missing:co2_g_per_km": 1}
        assert Claim.objects.get(public_id=late["claim"]).preview_charge_g == 55
        answer = accept(to, owner, late["claim"], held["claim"])
        assert [row["outcome"] for row in answer["rows"]] == ["accepted", "refused"]
        assert book.balances(to.pk) == {("owed", "charge:used:A:2023"): 55}
    assert audit.run() == []


def test_phase_in_ends_with_may(flat: None) -> None:
    ready_law()
    owner = person()
    to = account(owner)
    with clock.at(MAY):
        (kept, later) = feed(car(to, co2=200), car(to, co2=200))
        assert accept(to, owner, kept["claim"])["state"] == "accepted"
    with clock.at(JUNE):
        assert accept(to, owner, later["claim"])["state"] == "waiting"
    assert book.balances(to.pk) == {("owed", "charge:used:A:2023"): 55}


def test_a_vehicle_of_december_is_corrected_and_withdrawn_without_a_movement() -> None:
    ready_law()
    owner, agent = person(), officer()
    to = account(owner)
    with clock.at("2022-12-15"):
        row = car(to, co2=300)
        (found,) = feed(row)
        accept(to, owner, found["claim"])
    with clock.at("2023-02-01"):
        corrected = do(
            CorrectVehicle(claim=found["claim"], attributes={"co2_g_per_km": "200"}, reason="wrong_co2", grounds="x"), agent
        )
        assert (corrected["credit_change_g"], corrected["charge_change_g"]) == (0, 0)
        do(WithdrawVehicle(claim=found["claim"], reason="exported", grounds="x"), agent)
        assert clearance("vin", row["vin"])["cleared"] is False
    assert book.balances(to.pk) == {}
    assert audit.run() == []
    assert replay.run() == []


def test_an_excluded_vehicle_needs_no_account_since_april_2023() -> None:
    to = account(person())
    bike = car(to, attributes={"vehicle_class": "LC", "tare_kg": 200})
    without = {**bike, "account": ""}
    with clock.at("2023-04-18T23:59:59+12:00"):
        assert feed(without)[0]["code"] == "no_account"
        assert feed(bike)[0]["outcome"] == "not_subject"
    with clock.at("2023-04-19T00:00:00+12:00"):
        assert feed(without) == [{"outcome": "not_subject", "reason": "motorcycle"}]
        assert feed({**car(to), "account": ""})[0]["code"] == "no_account"
        assert clearance("vin", bike["vin"]) == {"cleared": True, "for": None, "reason": "not subject: motorcycle"}
