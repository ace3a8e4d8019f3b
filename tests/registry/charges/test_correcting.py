"""Corrections and withdrawals after acceptance, and charges met later."""

from __future__ import annotations

from typing import Any

import pytest

from cleanfleet.registry import clock, replay
from cleanfleet.registry.acceptance.operations import AcceptVehicles, clearance
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.charges.correcting import CorrectVehicle, WithdrawVehicle
from cleanfleet.registry.charges.settling import SettleCharges
from cleanfleet.registry.ledger import audit, book
from cleanfleet.registry.payments.provider import LocalProvider
from cleanfleet.registry.refusals import Conflict, Forbidden, Invalid, NotDetermined
from cleanfleet.registry.transfers.operations import OfferTransfer, TransferOwn
from cleanfleet.registry.vehicles.models import Claim, Result
from registry.acceptance.test_acceptance import play
from registry.people import account, car, credited, do, feed, officer, person, ready_law, verify

pytestmark = pytest.mark.usefixtures("database")
DAY = "2026-04-02"


def correct(claim: str, by: Any, **attributes: Any) -> dict[str, Any]:
    return do(CorrectVehicle(claim=claim, attributes=attributes, reason="wrong_co2", grounds="certificate re-read"), by)


def charged(owner: Any, to: Account, co2: int, credits_g: int = 0) -> str:
    """A charge vehicle that is accepted; what isn't offset is paid."""
    provider = LocalProvider("s")
    (row,) = feed(car(to, co2=co2))
    answer = do(AcceptVehicles(account=to.public_id, vehicles=[row["claim"]], credits_g=credits_g), owner)
    if answer["payment"]:
        provider.start(answer["payment"], answer["money_cents"])
        play(provider, answer["payment"], "succeeded")
    return str(row["claim"])


def sound() -> bool:
    return audit.run() == [] and replay.run() == []


def test_a_credit_that_was_too_high_is_taken_back_from_its_lot() -> None:
    ready_law()
    owner, agent = person(), officer()
    to = credited(owner, 40)
    claim = Claim.objects.get().public_id
    with clock.at(DAY):
        answer = correct(claim, agent, co2_g_per_km="82")
    assert (answer["credit_change_g"], answer["shortfall_g"], answer["charge_change_g"]) == (-10, 0, 0)
    assert (answer["on"], answer["known"]) == ("2026-03-31", "2026-03-31")
    assert book.balances(to.pk) == {("held", "credit:used"): 30}
    assert Result.objects.count() == 2
    assert sound()


def test_a_credit_that_was_given_away_is_owed_and_the_receiver_keeps_it() -> None:
    ready_law()
    owner, agent = person(), officer()
    to = credited(owner, 40)
    claim = Claim.objects.get().public_id
    other = account(owner, "used", to.holder.public_id)
    with clock.at(DAY):
        do(TransferOwn(account=to.public_id, to_account=other.number, grams=35), owner)
        answer = do(WithdrawVehicle(claim=claim, reason="exported", grounds="shipped to Fiji"), agent)
        assert (answer["credit_change_g"], answer["shortfall_g"], answer["state"]) == (-40, 35, "withdrawn")
        assert book.balances(to.pk) == {("owed", "charge:used:A:2026"): 35}
        assert book.balances(other.pk) == {("held", "credit:used"): 35}
        stranger = account(person("Ben"))
        verify(to, stranger)
        with pytest.raises(Conflict, match="owes 35 g of charge:used:A:2026"):
            do(OfferTransfer(account=to.public_id, to_account=stranger.number, grams=1), owner)
        settled = do(SettleCharges(account=to.public_id), owner)
        assert settled["money_cents"] == 35 * 600
        provider = LocalProvider("s")
        provider.start(settled["payment"], 21000)
        assert play(provider, settled["payment"], "succeeded")["state"] == "settled"
    assert book.balances(to.pk) == {}
    assert sound()


def test_a_charge_that_was_too_low_is_owed_and_met_by_credits() -> None:
    ready_law()
    owner, agent = person(), officer()
    to = credited(owner, 40)
    with clock.at(DAY):
        claim = charged(owner, to, 150, credits_g=37)
        answer = correct(claim, agent, co2_g_per_km="152.5")
        assert answer["charge_change_g"] == 3
        with pytest.raises(Invalid, match="credits_g is 4; 3 g are owed"):
            do(SettleCharges(account=to.public_id, credits_g=4), owner)
        assert do(SettleCharges(account=to.public_id, credits_g=3), owner)["state"] == "settled"
        with pytest.raises(Conflict, match="owes no charge"):
            do(SettleCharges(account=to.public_id), owner)
    assert book.balances(to.pk) == {}
    assert sound()


def test_a_charge_that_was_too_high_gives_money_back_before_credits() -> None:
    ready_law()
    owner, agent = person(), officer()
    to = credited(owner, 30)
    with clock.at(DAY):
        claim = charged(owner, to, 150, credits_g=30)  # 30 g offset, 7 g paid
        assert correct(claim, agent, co2_g_per_km="145")["refund_cents"] == 5 * 600
        assert book.balances(to.pk) == {("refund_due", "NZD"): 3000}
        answer = correct(claim, agent, co2_g_per_km="130")
        assert (answer["charge_change_g"], answer["refund_cents"]) == (-15, 1200)
        assert book.balances(to.pk) == {("refund_due", "NZD"): 4200, ("held", "credit:used"): 13}
        do(WithdrawVehicle(claim=claim, reason="never_registered", grounds="x"), agent)
    assert book.balances(to.pk) == {("refund_due", "NZD"): 4200, ("held", "credit:used"): 30}
    assert sound()


def test_a_charge_can_become_a_credit() -> None:
    ready_law()
    owner, agent = person(), officer()
    with clock.at(DAY):
        to = account(owner)
        claim = charged(owner, to, 150)
        answer = correct(claim, agent, co2_g_per_km="100")
    assert (answer["credit_change_g"], answer["charge_change_g"], answer["refund_cents"]) == (12, -37, 22200)
    assert book.balances(to.pk) == {("refund_due", "NZD"): 22200, ("held", "credit:used"): 12}
    assert sound()


def test_who_may_not_and_what_can_not() -> None:
    ready_law()
    owner, agent = person(), officer()
    to = credited(owner, 40)
    claim = Claim.objects.get().public_id
    with clock.at(DAY):
        with pytest.raises(Forbidden, match="case_officer"):
            correct(claim, owner, co2_g_per_km="82")
        with pytest.raises(Invalid, match="tare_kg is '1,6'; allowed is a whole number"):
            correct(claim, agent, tare_kg="1,6")
        with pytest.raises(Invalid, match="can't be corrected here"):
            correct(claim, agent, condition="new")
        with pytest.raises(NotDetermined, match="missing:"):
            correct(claim, agent, co2_g_per_km=None)
        (waiting,) = feed(car(to))
        with pytest.raises(Conflict, match="only an accepted one"):
            correct(waiting["claim"], agent, co2_g_per_km="82")
        do(WithdrawVehicle(claim=claim, reason="exported", grounds="x"), agent)
        with pytest.raises(Conflict, match="withdrawn"):
            do(WithdrawVehicle(claim=claim, reason="exported", grounds="x"), agent)
        vin = Claim.objects.get(public_id=claim).vehicle.identifiers.get().value
        assert clearance("vin", vin)["cleared"] is False
        assert feed(car(to, vin=vin))[0]["outcome"] == "ready"  # it may come again, by another claim
    assert book.balances(to.pk) == {}
