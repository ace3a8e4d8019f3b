"""Corrections of charges that a settlement met, and of the pending balance of 2023; there and back, and in two steps."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models import Sum
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cleanfleet.registry import clock, replay
from cleanfleet.registry.acceptance.operations import AcceptVehicles
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.permissions import system
from cleanfleet.registry.charges import meeting
from cleanfleet.registry.charges.correcting import CorrectVehicle, WithdrawVehicle
from cleanfleet.registry.charges.models import Correction, Met
from cleanfleet.registry.charges.refunding import RefundOvercharge
from cleanfleet.registry.charges.settling import SettleCharges, outstanding
from cleanfleet.registry.ledger import audit, book
from cleanfleet.registry.ledger.models import Movement
from cleanfleet.registry.payments.models import Payment
from cleanfleet.registry.payments.provider import LocalProvider
from cleanfleet.registry.refusals import Conflict, Forbidden
from cleanfleet.registry.transfers.operations import ExpireCredits, TransferOwn
from cleanfleet.registry.vehicles.models import Claim
from registry.acceptance.test_acceptance import play
from registry.people import account, car, do, feed, officer, person, ready_law

pytestmark = pytest.mark.usefixtures("database", "flat")
MAY, JUNE = "2023-05-10", "2023-06-10"
#: The target of 2023 without weight adjustment, and cents for each gram of a used vehicle.
TARGET, RATE = 145, 1800


@pytest.fixture
def flat(monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo without weight adjustment, since the slopes of 2023 aren't known."""
    from django.conf import settings as django_settings

    monkeypatch.setitem(django_settings.OPTIONS, "CLEANFLEET_DEMO", True)
    monkeypatch.setitem(django_settings.OPTIONS, "CLEANFLEET_VALUES", ("no-weight-adjustment",))


def accepted(owner: Any, to: Account, over: int, credits_g: int = 0, day: str = MAY) -> str:
    """A car so many grams over the target (below 0: under), accepted and paid for."""
    with clock.at(day):
        (row,) = feed(car(to, co2=TARGET + over, ready_on="2023-05-01"))
        pay(do(AcceptVehicles(account=to.public_id, vehicles=[row["claim"]], credits_g=credits_g), owner))
    return str(row["claim"])


def pay(answer: dict[str, Any], outcome: str = "succeeded") -> None:
    if answer["payment"]:
        provider = LocalProvider("s")
        provider.start(answer["payment"], answer["money_cents"])
        play(provider, answer["payment"], outcome)


def settle(owner: Any, to: Account, credits_g: int = 0, day: str = JUNE) -> None:
    with clock.at(day):
        pay(do(SettleCharges(account=to.public_id, credits_g=credits_g), owner))


def correct(by: Any, claim: str, over: int, day: str = JUNE) -> dict[str, Any]:
    with clock.at(day):
        attributes: dict[str, str | int | None] = {"co2_g_per_km": str(TARGET + over)}
        return do(CorrectVehicle(claim=claim, attributes=attributes, reason="wrong_co2", grounds="x"), by)


def sums(to: Account) -> dict[Any, int]:
    """What the account has by bucket, and where the grams of the lots that it earned are now, lot by lot in their order."""
    found: dict[Any, int] = dict(book.balances(to.pk))
    lots = sorted(set(Movement.objects.filter(lot__owner=to.pk).values_list("lot_id", flat=True)))
    for side, sign in (("target", 1), ("source", -1)):
        for lot, kind, owner, amount in (
            Movement.objects.filter(lot_id__in=lots)
            .values_list("lot_id", f"{side}__kind", f"{side}__owner_id")
            .annotate(n=Sum("amount"))
        ):
            # What was issued and cancelled again is as if it had never been.
            place = (lots.index(lot), "issued" if kind == "cancelled" else kind, owner and owner - to.pk)
            found[place] = found.get(place, 0) + sign * amount
    return {place: amount for place, amount in found.items() if amount}


def test_a_charge_of_the_phase_in_is_corrected_before_it_is_met() -> None:
    ready_law()
    owner, agent = person(), officer()
    to = account(owner)
    claim = accepted(owner, to, 55)
    assert correct(agent, claim, 40)["refund_cents"] == 0  # nothing was paid, so nothing is given back
    assert book.balances(to.pk) == {("owed", "charge:used:A:2023"): 40}
    correct(agent, claim, 60)
    assert book.balances(to.pk) == {("owed", "charge:used:A:2023"): 60}
    settle(owner, to)
    assert Payment.objects.get().cents == 60 * RATE
    assert book.balances(to.pk) == {}
    assert audit.run() == []
    assert replay.run() == []


def test_a_charge_of_the_phase_in_is_corrected_after_it_was_met_in_money() -> None:
    ready_law()
    owner, agent, finance = person(), officer(), officer("finance")
    to = account(owner)
    claim, other = accepted(owner, to, 55), accepted(owner, to, 20)
    settle(owner, to)
    assert correct(agent, claim, 40)["refund_cents"] == 15 * RATE
    assert book.balances(to.pk) == {("refund_due", "NZD"): 15 * RATE}
    assert correct(agent, claim, 45)["refund_cents"] == -5 * RATE
    with clock.at(JUNE):
        withdrawn = do(WithdrawVehicle(claim=other, reason="never_registered", grounds="x"), agent)
        assert withdrawn["refund_cents"] == 20 * RATE
        with pytest.raises(Forbidden, match="agency role finance"):
            do(RefundOvercharge(account=to.public_id, reference="bank 7"), owner)
        assert do(RefundOvercharge(account=to.public_id, reference="bank 7"), finance)["refunded_cents"] == 30 * RATE
        with pytest.raises(Conflict, match="no overcharged money"):
            do(RefundOvercharge(account=to.public_id, reference="bank 7"), finance)
    assert correct(agent, claim, 47)["charge_change_g"] == 2  # the money was given back, so it is owed again
    assert book.balances(to.pk) == {("owed", "charge:used:A:2023"): 2}
    settle(owner, to)
    assert correct(agent, claim, -10)["refund_cents"] == 47 * RATE
    assert book.balances(to.pk) == {("refund_due", "NZD"): 47 * RATE, ("held", "credit:used"): 10}
    assert audit.run() == []
    assert replay.run() == []


def test_credits_of_a_settlement_come_back_into_their_lots() -> None:
    ready_law()
    owner, agent = person(), officer()
    to = account(owner)
    accepted(owner, to, -30, day="2023-01-10")
    accepted(owner, to, -20, day="2023-02-10")
    first, second = accepted(owner, to, 25), accepted(owner, to, 35)
    settle(owner, to, credits_g=45)  # 25 g of the first vehicle and 20 g of the second, which pays 15 g
    assert list(Met.objects.order_by("pk").values_list("offset_g", "money_g")) == [(25, 0), (20, 15)]
    assert correct(agent, second, 10)["refund_cents"] == 15 * RATE
    held = {str(lot.earned_on): lot.amount for lot in book.lots(to.pk, "held", "credit:used")}
    assert held == {"2023-02-10": 15}  # 5 g were left, 10 g come back: the second vehicle's grams were of the later lot
    correct(agent, first, -5)
    held = {str(lot.earned_on): lot.amount for lot in book.lots(to.pk, "held", "credit:used")}
    assert held == {"2023-01-10": 25, "2023-02-10": 15, MAY: 5}
    assert audit.run() == []
    assert replay.run() == []


def test_what_came_back_and_was_given_away_is_owed_when_it_is_charged_again() -> None:
    ready_law()
    owner, agent = person(), officer()
    to = account(owner)
    accepted(owner, to, -40, day="2023-01-10")
    claim = accepted(owner, to, 30)
    settle(owner, to, credits_g=30)
    correct(agent, claim, 10)
    other = account(owner, "used", to.holder.public_id)
    with clock.at(JUNE):
        do(TransferOwn(account=to.public_id, to_account=other.number, grams=25), owner)
    correct(agent, claim, 30)
    assert book.balances(to.pk) == {("owed", "charge:used:A:2023"): 15}
    assert book.balances(other.pk) == {("held", "credit:used"): 25}
    correct(agent, claim, 10)
    assert book.balances(to.pk) == {("held", "credit:used"): 5}
    assert audit.run() == []


def test_what_came_back_and_lapsed_is_used_again() -> None:
    ready_law()
    owner, agent = person(), officer()
    to = account(owner)
    accepted(owner, to, -40, day="2023-01-10")
    claim = accepted(owner, to, 30)
    settle(owner, to, credits_g=30)
    correct(agent, claim, 10)
    with clock.at("2029-02-01"):
        do(ExpireCredits(account=to.public_id), system())
    assert book.balances(to.pk) == {}
    correct(agent, claim, 30, day="2029-02-02")
    assert book.balances(to.pk) == {}
    assert audit.run() == []


def test_nothing_is_corrected_while_a_settlement_waits() -> None:
    ready_law()
    owner, agent = person(), officer()
    to = account(owner)
    claim = accepted(owner, to, 55)
    with clock.at(JUNE):
        answer = do(SettleCharges(account=to.public_id), owner)
    with pytest.raises(Conflict, match="waits for its payment"):
        correct(agent, claim, 40)
    with clock.at(JUNE):
        pay(answer, "declined")
    correct(agent, claim, 40)
    assert outstanding(to)["charge:used:A:2023"][0][1] == 40
    settle(owner, to)
    assert book.balances(to.pk) == {}
    assert list(Met.objects.order_by("pk").values_list("part__settlement__state", "money_g")) == [
        ("released", 55),
        ("settled", 40),
    ]


@pytest.mark.parametrize("phase_in", [True, False])
def test_money_that_the_bank_took_back_is_owed_less_not_refunded(phase_in: bool) -> None:
    ready_law()
    owner, agent = person(), officer()
    to = account(owner)
    claim = accepted(owner, to, 55, day=MAY if phase_in else JUNE)
    if phase_in:
        settle(owner, to)
    provider = LocalProvider("s")
    provider.started[Payment.objects.get().public_id] = 55 * RATE
    with clock.at(JUNE):
        play(provider, Payment.objects.get().public_id, "reversed", event="taken back")
    assert book.balances(to.pk) == {("payable", "NZD"): 55 * RATE}
    assert correct(agent, claim, 40)["refund_cents"] == 0
    assert book.balances(to.pk) == {("payable", "NZD"): 40 * RATE}
    correct(agent, claim, 50)
    assert book.balances(to.pk) == {("payable", "NZD"): 50 * RATE}
    assert audit.run() == []


def test_a_shortfall_goes_first_when_the_credit_comes_back() -> None:
    ready_law()
    owner, agent = person(), officer()
    to = account(owner)
    claim = accepted(owner, to, -40, day=JUNE)
    other = account(owner, "used", to.holder.public_id)
    with clock.at(JUNE):
        do(TransferOwn(account=to.public_id, to_account=other.number, grams=35), owner)
    assert correct(agent, claim, -10)["shortfall_g"] == 25
    assert book.balances(to.pk) == {("owed", "charge:used:A:2023"): 25}
    assert correct(agent, claim, -30)["shortfall_g"] == -20
    assert book.balances(to.pk) == {("owed", "charge:used:A:2023"): 5}
    settle(owner, to)
    assert correct(agent, claim, -45)["refund_cents"] == 5 * RATE
    assert book.balances(to.pk) == {("refund_due", "NZD"): 5 * RATE, ("held", "credit:used"): 10}
    assert audit.run() == []
    assert replay.run() == []


HOW = st.sampled_from(["paid", "offset", "pending", "settled", "given away"])
OVER = st.integers(-60, 80)


def life(owner: Any, how: str, over: int, credits_g: int) -> tuple[Account, str]:
    """An account with 50 g of credits from January and a car of May or June, whose charge is met in one way or another."""
    to = account(owner)
    accepted(owner, to, -50, day="2023-01-10")
    part = min(credits_g, max(over, 0))
    if how in ("pending", "settled"):
        claim = accepted(owner, to, over)
        if how == "settled" and over > 0:
            settle(owner, to, part)
    else:
        claim = accepted(owner, to, over, part if how == "offset" else 0, day=JUNE)
    if how == "given away":
        other = account(owner, "used", to.holder.public_id)
        with clock.at(JUNE):
            do(TransferOwn(account=to.public_id, to_account=other.number, grams=50 + max(0, -over) - 3), owner)
    return to, claim


def checked(to: Account, claim: str) -> None:
    """What the rows say of the vehicle is what the movements say."""
    now = meeting.standing(Claim.objects.get(public_id=claim))
    owed = {c: grams for rows in outstanding(to).values() for c, grams, _ in rows}
    assert now.unpaid_g == owed.get(now.line.claim_id, 0) >= 0


@pytest.mark.parametrize("examples", [6, pytest.param(60, marks=pytest.mark.slow)])
def test_there_and_back_changes_nothing_and_two_steps_are_one(examples: int) -> None:
    ready_law()
    owner, agent = person(), officer()

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(how=HOW, over=OVER, credits_g=st.integers(0, 50), steps=st.lists(OVER, min_size=2, max_size=3))
    def corrected(how: str, over: int, credits_g: int, steps: list[int]) -> None:
        if how == "pending" and over <= 0:
            return
        by_steps, one = life(owner, how, over, credits_g)
        at_once, other = life(owner, how, over, credits_g)
        before = sums(by_steps)
        assert sums(at_once) == before
        for step in steps:
            correct(agent, one, step)
            checked(by_steps, one)
        correct(agent, other, steps[-1])
        assert sums(by_steps) == sums(at_once)
        correct(agent, one, over)
        checked(by_steps, one)
        assert sums(by_steps) == before

    corrected()
    assert audit.run() == []
    assert Correction.objects.exists()
