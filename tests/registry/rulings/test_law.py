"""Nobody loses grams or money by a doubtful value of the bank that the agency hasn't confirmed."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from cleanfleet.registry import clock, daily
from cleanfleet.registry.acceptance.operations import AcceptVehicles
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.permissions import system
from cleanfleet.registry.charges.correcting import WithdrawVehicle
from cleanfleet.registry.charges.settling import SettleCharges
from cleanfleet.registry.fleets.operations import SettleFleetYear
from cleanfleet.registry.ledger import book
from cleanfleet.registry.refusals import NotDetermined, Short
from cleanfleet.registry.rulings import law
from cleanfleet.registry.rulings.operations import ApproveValue, ProposeValue, RevokeValue
from cleanfleet.registry.transfers.operations import AcceptTransfer, ExpireCredits, OfferTransfer, TransferOwn
from cleanfleet.registry.vehicles.models import Claim
from registry.fleets import scenes
from registry.people import account, car, credited, do, feed, officer, person, ready_law, verify

pytestmark = pytest.mark.usefixtures("database")
DAY = "2026-04-02"


def confirm(*names: str) -> None:
    one, other = officer("case_officer"), officer("approver")
    for name in names:
        do(ProposeValue(value=name), one)
        do(ApproveValue(value=name), other)


def refused(action: Any, by: Any, *names: str) -> None:
    before = book.balances(Account.objects.order_by("pk")[0].pk)
    with pytest.raises(NotDetermined, match="hasn't confirmed: " + ", ".join(names)) as told:
        do(action, by)
    assert told.value.details["missing"] == [f"unconfirmed:{name}" for name in names]
    assert book.balances(Account.objects.order_by("pk")[0].pk) == before


def test_credits_are_used_only_by_confirmed_rules() -> None:
    ready_law("credit_life_basis", "credit_use_by_type")
    owner = person()
    to = credited(owner, 40)
    with clock.at(DAY):
        (row,) = feed(car(to, co2=150))
        accept = AcceptVehicles(account=to.public_id, vehicles=[row["claim"]], credits_g=37)
        refused(accept, owner, "credit_life_basis", "credit_use_by_type")
        assert do(AcceptVehicles(account=to.public_id, vehicles=[row["claim"]]), owner)["state"] == "waiting"  # money may
        confirm("credit_life_basis", "credit_use_by_type")
        daily.run()
    with clock.at("2026-04-03"):
        daily.run()  # the quote has run out
        assert do(accept, owner)["state"] == "accepted"


def test_a_choice_of_vintages_costs_nobody_anything_and_needs_no_confirmation() -> None:
    ready_law()
    owner = person()
    to = credited(owner, 40)
    with clock.at(DAY):
        (row,) = feed(car(to, co2=150))
        found = AcceptVehicles(account=to.public_id, vehicles=[row["claim"]], credits_g=37, vintages=[2026])
        assert do(found, owner)["state"] == "accepted"
    assert law.NOT_CHARGING == {"credit_vintage_choice"}


def test_credits_move_and_are_exchanged_only_by_confirmed_rules() -> None:
    ready_law("credit_life_basis")
    giver, taker = person(), person("Ben")
    source = credited(giver, 40, "new")
    mine, target = account(giver, "used", source.holder.public_id), account(taker, "new")
    verify(source, target)
    with clock.at(DAY):
        refused(TransferOwn(account=source.public_id, to_account=mine.number, grams=2), giver, "credit_life_basis")
        offer = OfferTransfer(account=source.public_id, to_account=target.number, grams=20)
        refused(offer, giver, "credit_life_basis")
        confirm("credit_life_basis")
        made = do(offer, giver)["offer"]
        do(RevokeValue(value="credit_life_basis"), officer("approver"))
        refused(AcceptTransfer(offer=made), taker, "credit_life_basis")
        confirm("credit_life_basis")
        assert do(AcceptTransfer(offer=made), taker)["state"] == "accepted"


def test_nothing_expires_by_a_rule_that_nobody_confirmed() -> None:
    ready_law("credit_life_basis")
    owner = person()
    to = credited(owner, 40)
    with clock.at("2030-03-31"):
        assert do(ExpireCredits(account=to.public_id), system())["expired_g"] == 0  # nothing is to expire yet
    with clock.at("2030-04-01"):
        refused(ExpireCredits(account=to.public_id), system(), "credit_life_basis")
        assert daily.run()["expired_accounts"] == 0
        other = account(owner, "used", to.holder.public_id)
        # Nor is it said that there aren't enough, where some are only left out as expired by that rule.
        refused(TransferOwn(account=to.public_id, to_account=other.number, grams=5), owner, "credit_life_basis")
        confirm("credit_life_basis")
        with pytest.raises(Short):
            do(TransferOwn(account=to.public_id, to_account=other.number, grams=5), owner)
        assert daily.run()["expired_accounts"] == 1
    assert book.balances(to.pk) == {}


def test_an_exchange_on_a_doubtful_ratio_waits_for_the_agency(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from django.conf import settings

    path = tmp_path / "ratio.yaml"
    entry = '    - {condition: new, from: "2026-01-01", value: "%s", known_from: "2025-11-30"}\n'
    path.write_text(
        "overlay: ratio\ntitle: For a test\ndefaults: {reference: {title: for a test}, confidence: L}\nvalues:\n"
        "  credit_exchange_given:\n" + entry % 1 + "  credit_exchange_received:\n" + entry % 3
    )
    ready_law()
    giver = person()
    source = credited(giver, 40, "new")
    mine = account(giver, "used", source.holder.public_id)
    monkeypatch.setitem(settings.OPTIONS, "CLEANFLEET_DEMO", True)
    monkeypatch.setitem(settings.OPTIONS, "CLEANFLEET_VALUES", (str(path),))
    with clock.at(DAY):
        give = TransferOwn(account=source.public_id, to_account=mine.number, grams=2)
        refused(give, giver, "credit_exchange_given", "credit_exchange_received")
        confirm("credit_exchange_given", "credit_exchange_received")
        assert do(give, giver)["received_grams"] == 6


def test_a_fleet_year_takes_credits_only_by_confirmed_rules() -> None:
    one = scenes.approved()
    with clock.at("2026-04-02"):
        scenes.accept(one, one.used, car(one.used, co2=152))
        scenes.give(one.used, 30, 2026)
    with clock.at("2027-02-02"):
        do(RevokeValue(value="fleet_credits_earned_on"), officer("approver"))
        with pytest.raises(NotDetermined, match="fleet_credits_earned_on"):
            scenes.determine(one)
        confirm("fleet_credits_earned_on")
        scenes.determine(one)
        do(RevokeValue(value="credit_vintages_taken"), officer("approver"))
        settle = SettleFleetYear(account=one.used.public_id, year=2026, vehicle_type="A", credits_g=20)
        do(settle, one.owner)  # of the year's own vintage, by any reading
        scenes.give(one.used, 30, 2027)
        more = SettleFleetYear(account=one.used.public_id, year=2026, vehicle_type="A", credits_g=10)
        with pytest.raises(NotDetermined, match="credit_vintages_taken"):
            do(more, one.owner)
        confirm("credit_vintages_taken")
        do(more, one.owner)


def test_owed_charges_are_met_by_credits_only_by_confirmed_rules() -> None:
    ready_law()
    owner = person()
    to = credited(owner, 40)
    other = account(owner, "used", to.holder.public_id)
    with clock.at(DAY):
        (row,) = feed(car(to, co2=100))
        do(AcceptVehicles(account=to.public_id, vehicles=[row["claim"]]), owner)
        do(TransferOwn(account=to.public_id, to_account=other.number, grams=40), owner)
        do(WithdrawVehicle(claim=Claim.objects.order_by("pk")[0].public_id, reason="exported", grounds="x"), officer())
        do(RevokeValue(value="credit_use_by_type"), officer("approver"))
        refused(SettleCharges(account=to.public_id, credits_g=12), owner, "credit_use_by_type")


def test_charges_owed_are_not_met_in_money_at_a_doubtful_rate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from django.conf import settings

    ready_law()
    owner = person()
    to = credited(owner, 40)
    other = account(owner, "used", to.holder.public_id)
    with clock.at(DAY):
        do(TransferOwn(account=to.public_id, to_account=other.number, grams=40), owner)
        do(WithdrawVehicle(claim=Claim.objects.get().public_id, reason="exported", grounds="x"), officer())
    path = tmp_path / "rate.yaml"
    entry = '{scheme: payg, condition: used, from: "2026-01-01", value: "7.00", known_from: "2025-11-30"}'
    path.write_text(
        "overlay: rate\ntitle: For a test\ndefaults: {reference: {title: for a test}, confidence: L}\nvalues:\n"
        f"  charge_rate:\n    - {entry}\n"
    )
    monkeypatch.setitem(settings.OPTIONS, "CLEANFLEET_DEMO", True)
    monkeypatch.setitem(settings.OPTIONS, "CLEANFLEET_VALUES", (str(path),))
    with clock.at(DAY):
        refused(SettleCharges(account=to.public_id), owner, "charge_rate")
        confirm("charge_rate")
        assert do(SettleCharges(account=to.public_id), owner)["money_cents"] == 40 * 700


def test_the_stamp_changes_with_law_dates_and_confirmations() -> None:
    days = [dt.date(2026, 3, 1), dt.date(2026, 3, 2), dt.date(2026, 12, 31), dt.date(2027, 1, 1)]
    found = [law.stamp(day) for day in days]
    assert found[0] == found[1]
    assert len({found[0], found[2], found[3]}) >= 2
    assert found[2] != found[3]
    assert all(len(text) <= 60 for text in found)
    ready_law()
    assert law.stamp(days[0]) != found[0]
