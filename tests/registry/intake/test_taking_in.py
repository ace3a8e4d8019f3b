"""A package is taken in: balances, order of use, ordinary dealings afterwards, the audit and the replay."""

from __future__ import annotations

import datetime as dt

import pytest
from beancount import loader

from cleanfleet.registry import clock, daily, replay
from cleanfleet.registry.acceptance.operations import AcceptVehicles
from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.charges.correcting import CorrectVehicle, WithdrawVehicle
from cleanfleet.registry.charges.settling import SettleCharges
from cleanfleet.registry.fleets.models import FleetYear
from cleanfleet.registry.fleets.operations import DetermineFleetYear, RedetermineFleetYear
from cleanfleet.registry.intake import checks, hooks
from cleanfleet.registry.ledger import audit, book
from cleanfleet.registry.ledger.models import Lot
from cleanfleet.registry.payments.models import Payment
from cleanfleet.registry.payments.operations import RefundPayment, TakeMessage
from cleanfleet.registry.refusals import Conflict, NotVisible
from cleanfleet.registry.statements import journal
from cleanfleet.registry.statements import statement as statements
from cleanfleet.registry.transfers.operations import TransferOwn
from cleanfleet.registry.vehicles.models import Claim
from registry import people
from registry.intake import packages

pytestmark = pytest.mark.usefixtures("database")


def test_balances_are_the_package_s_and_the_replay_gives_them_again() -> None:
    answer = packages.take_in(packages.package(packages.rows()))
    assert answer["state"] == "taken_in"
    assert answer["sums"] == {
        "credit:used": 55, "credit:new": 62, "charge:used:A:2026": 7, "NZD:unallocated": 1500, "NZD:refund_due": 2000,
    }  # fmt: skip
    assert book.balances(packages.account("A-1").pk) == {
        ("held", "credit:used"): 30, ("owed", "charge:used:A:2026"): 7, ("unallocated", "NZD"): 1500,
    }  # fmt: skip
    assert book.balances(packages.account("B-1").pk) == {("held", "credit:new"): 62, ("refund_due", "NZD"): 2000}
    assert book.balances(packages.account("B-2").pk) == {("held", "credit:used"): 25}
    assert audit.run() == checks.run() == []
    assert replay.run() == []
    text = "\n".join(journal.lines())
    assert loader.load_string(text, dedent=False)[1] == []
    assert text.count("Equity:System:Opening  -") == 8


def test_the_other_register_s_number_finds_the_account() -> None:
    packages.take_in(packages.package(packages.rows()))
    found = packages.account("A-1")
    assert found.number.startswith("CO2-")
    assert permissions.account_for(permissions.system(), "A-1") == found
    assert permissions.account_for(packages.person("p1"), " A-1 ") == found
    assert hooks.references(found) == [("CCS", "A-1")]
    for who, text in ((people.person("Carla"), "A-1"), (permissions.system(), "A-9")):
        with pytest.raises(NotVisible, match="no account"):
            permissions.account_for(who, text)


def test_the_statement_shows_the_opening_and_what_was_before() -> None:
    packages.take_in(packages.package(packages.rows()))
    found = packages.account("A-1")
    november = statements.statement(found, dt.date(2026, 11, 1), dt.date(2026, 11, 30))
    assert november.opening == {}
    assert {(e.operation, e.bucket, e.unit, e.amount) for e in november.entries} == {
        ("approve_intake", "held", "credit:used", 30),
        ("approve_intake", "owed", "charge:used:A:2026", 7),
        ("approve_intake", "unallocated", "NZD", 1500),
    }
    assert november.before == ()
    december = statements.statement(found, dt.date(2026, 12, 1), dt.date(2026, 12, 31))
    assert december.opening == december.closing == november.closing == book.balances(found.pk)
    year = statements.statement(found, dt.date(2026, 1, 1), dt.date(2026, 12, 31))
    assert [(e.register, e.operation, e.amount, e.vintage) for e in year.before] == [
        ("CCS", "accept", 40, 2026),
        ("CCS", "offset", -10, 2026),
    ]
    assert year.earlier()["amount"].to_list() == [40, -10]
    assert year.closing == november.closing  # nothing of it is counted


def test_credits_are_used_oldest_first_and_expire_by_their_own_day() -> None:
    people.ready_law()
    packages.take_in(packages.package(packages.rows()))
    giver, taker = packages.account("B-1"), packages.account("B-2")
    owner = packages.person("p2")
    with clock.at("2026-11-03"):
        other = people.account(owner, "new", giver.holder.public_id)
    vintages = {lot.pk: lot.vintage for lot in Lot.objects.filter(owner_id=giver.pk)}
    with clock.at("2026-11-03"):
        moved = people.do(TransferOwn(account=giver.public_id, to_account=other.number, grams=20), owner)
    assert moved["received_grams"] == 20
    received = book.lots(other.pk, "held", "credit:new")
    assert sorted((vintages[row.lot], row.amount) for row in received) == [(2023, 12), (2024, 8)]
    with clock.at("2029-01-01"):
        daily.run()
    assert book.balances(taker.pk) == {("held", "credit:used"): 5}
    assert audit.run() == replay.run() == []


def test_what_is_owed_is_met_and_money_goes_back_in_the_ordinary_way() -> None:
    people.ready_law()
    packages.take_in(packages.package(packages.rows()))
    found, owner = packages.account("A-1"), packages.person("p1")
    with clock.at("2026-11-03"):
        assert people.do(SettleCharges(account=found.public_id, credits_g=5), owner)["money_cents"] == 2 * 600
        waiting = Payment.objects.get(purpose="charges")
        paid = TakeMessage(payment=waiting.public_id, provider="local", event="e1", outcome="succeeded", cents=1200)
        people.do(paid, permissions.system())
        late = Payment.objects.get(state="late")
        people.do(RefundPayment(payment=late.public_id), people.officer("finance"))
        back = TakeMessage(payment=late.public_id, provider="local", event="e2", outcome="refunded", cents=1500)
        people.do(back, permissions.system())
    assert book.balances(found.pk) == {("held", "credit:used"): 25}
    assert audit.run() == checks.run() == replay.run() == []


def test_a_vehicle_that_waits_is_accepted_here() -> None:
    people.ready_law()
    packages.take_in(packages.package(packages.rows()))
    found, owner = packages.account("B-2"), packages.person("p2")
    claim = Claim.objects.get(account=found)
    assert (claim.state, claim.own_reference, claim.missing) == ("ready", "stock 7", "")
    with clock.at("2026-11-03"):
        answer = people.do(AcceptVehicles(account=found.public_id, vehicles=[claim.public_id]), owner)
    assert answer["rows"][0]["credit_g"] == 22
    assert replay.run() == []


def test_an_accepted_vehicle_is_withdrawn_and_what_was_spent_is_owed() -> None:
    packages.take_in(packages.package(packages.rows()))
    found, agent = packages.account("A-1"), people.officer()
    claim = Claim.objects.get(vehicle__identifiers__value="7AT0CF00000000001")
    with clock.at("2026-11-03"):
        answer = people.do(WithdrawVehicle(claim=claim.public_id, reason="exported", grounds="x"), agent)
    assert (answer["credit_change_g"], answer["shortfall_g"]) == (-40, 10)
    assert book.balances(found.pk) == {("owed", "charge:used:A:2026"): 17, ("unallocated", "NZD"): 1500}
    assert book.balances(packages.account("B-2").pk) == {("held", "credit:used"): 25}
    assert audit.run() == replay.run() == []


def correct(vin: str, co2: int) -> dict[str, object]:
    claim = Claim.objects.get(vehicle__identifiers__value=vin)
    change = CorrectVehicle(claim=claim.public_id, attributes={"co2_g_per_km": co2}, reason="wrong_co2", grounds="x")
    with clock.at("2026-11-03"):
        return people.do(change, people.officer())


def test_a_charge_is_corrected_as_far_as_the_package_tells_how_it_was_met() -> None:
    people.ready_law()
    packages.take_in(packages.package(packages.rows()))
    found = packages.account("A-1")
    answer = correct("7AT0CF00000000002", 140)
    assert (answer["charge_change_g"], answer["refund_cents"]) == (-10, 3 * 600)
    before = book.balances(found.pk)
    assert before == {("held", "credit:used"): 30, ("unallocated", "NZD"): 1500, ("refund_due", "NZD"): 1800}
    with pytest.raises(Conflict, match="which lots met 10 g of the charge") as refused:
        correct("7AT0CF00000000002", 100)
    assert refused.value.code == "offset_unknown"
    assert book.balances(found.pk) == before
    assert audit.run() == replay.run() == []


def test_a_credit_whose_lot_is_over_and_not_told_is_not_taken_back() -> None:
    given = packages.rows()
    given["vehicles"] += [
        packages.accepted("A-1", "7AT0CF00000000008", 100, "2024-05-01", credit_g=10),
        packages.accepted("A-1", "7AT0CF00000000009", 100, "2024-06-01", credit_g=10),
    ]
    given["lots"].append(
        {"account": "A-1", "pool": "used", "earned_on": "2024-06-01", "vintage": 2024, "grams": 0, "expired_g": 4}
    )
    packages.take_in(packages.package(given), "2029-02-01")
    agent = people.officer()
    one, other = (Claim.objects.get(vehicle__identifiers__value=f"7AT0CF0000000000{n}").public_id for n in (8, 9))
    with clock.at("2029-02-02"):
        with pytest.raises(Conflict, match="missing: expired_g of the lot that account A-1 earned on 2024-05-01") as refused:
            people.do(WithdrawVehicle(claim=one, reason="exported", grounds="x"), agent)
        answer = people.do(WithdrawVehicle(claim=other, reason="exported", grounds="x"), agent)
    assert refused.value.code == "lacking"
    assert answer["shortfall_g"] == 6  # 4 g of it expired unused and aren't owed
    assert Account.objects.count() == 3


def test_a_fleet_year_whose_vehicles_are_not_here_is_not_determined_anew() -> None:
    given = packages.rows()
    given["fleet_years"] = [
        {"holder": "h2", "vehicle_type": "A", "year": 2025, "known_on": "2025-12-31", "due_on": "2026-03-31", "count_new": 2,
         "count_used": 0, "tare_kg": 3200, "net": "-9.5", "credit_new_g": 0, "credit_used_g": 0, "charge_new_g": 9,
         "charge_used_g": 0, "charge_cents": 20250, "target": "112.9", "average": "117.65"},
    ]  # fmt: skip
    given["fleet_shares"] = [
        {"account": "B-1", "vehicle_type": "A", "year": 2025, "issued_g": 0, "charge_g": 9, "credits_g": 4, "money_g": 5,
         "settle_by": "2026-03-31"},
    ]  # fmt: skip
    packages.take_in(packages.package(given))
    account = packages.account("B-1").public_id
    agent = people.officer()
    with clock.at("2026-11-03"):
        for again in (
            RedetermineFleetYear(account=account, year=2025, reason="wrong_data", grounds="x"),
            DetermineFleetYear(account=account, year=2025),
        ):
            with pytest.raises(Conflict) as refused:
                people.do(again, agent)
            assert refused.value.code in ("lacking", "no_fleet")
    assert FleetYear.objects.get().determinations.count() == 1
    assert audit.run() == checks.run() == replay.run() == []
