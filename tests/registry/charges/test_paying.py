"""Money that the payer's bank took back is paid again, in one payment, and can be taken back again."""

from __future__ import annotations

from typing import Any

import pytest

from cleanfleet.registry import clock, replay
from cleanfleet.registry.acceptance.operations import AcceptVehicles
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.permissions import system
from cleanfleet.registry.charges.correcting import CorrectVehicle
from cleanfleet.registry.charges.paying import PayDue
from cleanfleet.registry.charges.refunding import RefundOvercharge
from cleanfleet.registry.ledger import audit, book
from cleanfleet.registry.payments.models import Payment, Receipt
from cleanfleet.registry.payments.operations import TakeMessage
from cleanfleet.registry.refusals import Conflict, Forbidden, NotVisible
from cleanfleet.registry.transfers.operations import TransferOwn
from registry.people import account, car, credited, do, feed, officer, person, ready_law

pytestmark = pytest.mark.usefixtures("database")
DAY = "2026-04-02"
CORRECTED: dict[str, str | int | None] = {"co2_g_per_km": "140"}


def say(payment: Payment, outcome: str) -> dict[str, Any]:
    event = f"{payment.public_id}-{outcome}"
    said = TakeMessage(payment=payment.public_id, provider="local", event=event, outcome=outcome, cents=payment.cents)
    return do(said, system())


def taken_back() -> tuple[Any, Account, str, Payment]:
    """An account whose payment for one car, 37 g at NZ$ 6 above its target, was taken back by the payer's bank."""
    owner = person()
    ready_law()
    of = account(owner)
    (row,) = feed(car(of, co2=150))
    do(AcceptVehicles(account=of.public_id, vehicles=[row["claim"]]), owner)
    first = Payment.objects.get()
    say(first, "succeeded")
    assert book.balances(of.pk) == {}
    assert say(first, "reversed")["owed_cents"] == 37 * 600
    return owner, of, row["claim"], first


def test_what_was_taken_back_is_paid_again_and_frees_the_account() -> None:
    with clock.at(DAY):
        owner, of, claim, first = taken_back()
        assert book.balances(of.pk) == {("payable", "NZD"): 37 * 600}
        other = credited(owner, 5, of=of.holder.public_id)
        with pytest.raises(Conflict, match="owes 22200 cents"):
            do(TransferOwn(account=of.public_id, to_account=other.number, grams=1), owner)
        answer = do(PayDue(account=of.public_id), owner)
        assert answer["money_cents"] == 37 * 600
        with pytest.raises(Conflict, match="a payment of what is due is under way"):
            do(PayDue(account=of.public_id), owner)
        with pytest.raises(Conflict, match="a payment of what is due on the account is under way"):
            do(CorrectVehicle(claim=claim, attributes=CORRECTED, reason="wrong_co2", grounds="x"), officer())
        again = Payment.objects.exclude(pk=first.pk).get()
        say(again, "succeeded")
        assert book.balances(of.pk) == {}
        assert list(Receipt.objects.order_by("pk").values_list("cents", flat=True)) == [37 * 600, 37 * 600]
        with pytest.raises(Conflict, match="has no money due"):
            do(PayDue(account=of.public_id), owner)
        # Overcharged by 10 g: it was paid in the end, so it is given back.
        assert (
            do(CorrectVehicle(claim=claim, attributes=CORRECTED, reason="wrong_co2", grounds="x"), officer())["refund_cents"]
            == 6000
        )
        assert book.balances(of.pk) == {("refund_due", "NZD"): 6000}
        do(RefundOvercharge(account=of.public_id, reference="r"), officer("finance"))
        assert book.balances(of.pk) == {}
        assert audit.run() == []
        assert replay.run() == []


@pytest.mark.parametrize(("outcome", "left"), [("declined", 37 * 600), ("succeeded then reversed", 37 * 600)])
def test_a_debt_stands_until_the_money_is_there_and_stays(outcome: str, left: int) -> None:
    with clock.at(DAY):
        owner, of, _, first = taken_back()
        do(PayDue(account=of.public_id), owner)
        again = Payment.objects.exclude(pk=first.pk).get()
        for one in outcome.split(" then "):
            say(again, one)
        assert book.balances(of.pk) == {("payable", "NZD"): left}
        assert do(PayDue(account=of.public_id), owner)["money_cents"] == left
        assert audit.run() == []


def test_only_who_accepts_vehicles_pays() -> None:
    with clock.at(DAY):
        _, of, _, _ = taken_back()
        with pytest.raises(NotVisible):
            do(PayDue(account=of.public_id), person("Stranger"))
        with pytest.raises(Forbidden, match="accept_vehicles"):
            do(PayDue(account=of.public_id), officer())
