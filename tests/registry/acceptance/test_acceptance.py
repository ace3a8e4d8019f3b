"""Accepting vehicles, with and without money."""

from __future__ import annotations

import datetime as dt

import pytest

from cleanfleet.registry import clock, daily
from cleanfleet.registry.acceptance.models import Acceptance
from cleanfleet.registry.acceptance.operations import AcceptVehicles, AutoAccept, ReleaseAcceptance, clearance
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.operations import SetAutoAccept
from cleanfleet.registry.accounts.permissions import system
from cleanfleet.registry.charges.correcting import WithdrawVehicle
from cleanfleet.registry.ledger import book
from cleanfleet.registry.ledger.operations import perform
from cleanfleet.registry.payments.models import Payment, Receipt
from cleanfleet.registry.payments.operations import RefundPayment, StartPayment, TakeMessage
from cleanfleet.registry.payments.provider import LocalProvider
from cleanfleet.registry.refusals import Conflict, Forbidden, Invalid, NotVisible, Short
from cleanfleet.registry.vehicles.models import Claim, Result
from registry import people
from registry.people import account, car, credited, do, feed, officer, person, ready_law

pytestmark = pytest.mark.usefixtures("database")
DAY = "2026-03-31"


def accept(to: Account, owner: object, *claims: str, **how: object) -> dict[str, object]:
    return do(AcceptVehicles(account=to.public_id, vehicles=list(claims), **how), owner)  # type: ignore[arg-type]


def play(provider: LocalProvider, payment: str, outcome: str, **how: object) -> dict[str, object]:
    """What a webhook does: read the message, take it in under the event's id."""
    event = provider.read(*provider.play(payment, outcome, **how))  # type: ignore[arg-type]
    return perform(TakeMessage.of("local", event), by=system(), key=f"local:{event.event}").answer


def test_a_credit_is_earned_and_the_vehicle_is_cleared() -> None:
    ready_law()
    owner = person()
    with clock.at(DAY):
        to = account(owner)
        row = car(to, co2=100)
        (entered,) = feed(row)
        assert entered["outcome"] == "ready"
        assert clearance("vin", row["vin"]) == {
            "cleared": False, "for": "registration", "reason": "the vehicle is ready for acceptance",
        }  # fmt: skip
        answer = accept(to, owner, entered["claim"])
    assert answer["credit_g"] == 12
    assert answer["state"] == "accepted"
    (lot,) = book.lots(to.pk, "held", "credit:used")
    assert (lot.vintage, lot.earned_on, lot.amount) == (2026, dt.date(2026, 3, 31), 12)
    result = Result.objects.get()
    assert (result.co2, result.target, result.difference) == (1000000, 1120474, 120474)
    assert result.law.policy == "nz-clean-vehicle-standard"
    assert clearance("vin", row["vin"]) == {"cleared": True, "for": "registration", "reason": None}
    assert clearance("vin", "7AT0CF00000999999")["cleared"] is False


def test_a_distributor_s_vehicle_is_cleared_for_its_warrant_of_fitness() -> None:
    ready_law()
    owner = person()
    with clock.at(DAY):
        to = account(owner, "new")
        row = car(to, co2=100, entry_channel="distributor_new")
        (entered,) = feed(row)
        accept(to, owner, entered["claim"])
    assert clearance("vin", row["vin"])["for"] == "wof_cof"


def test_a_charge_is_paid_in_money_and_a_receipt_says_under_which_law() -> None:
    ready_law()
    owner = person()
    provider = LocalProvider("s")
    with clock.at(DAY):
        to = account(owner)
        (one, two) = feed(car(to, co2=150), car(to, co2=120))  # 37 g and 7 g over
        answer = accept(to, owner, one["claim"], two["claim"])
        assert (answer["charge_g"], answer["money_cents"], answer["state"]) == (44, 44 * 600, "waiting")
        assert {row["outcome"] for row in answer["rows"]} == {"waiting"}
        assert book.balances(to.pk) == {}
        payment = Payment.objects.get()
        started = provider.start(payment.public_id, payment.cents)
        assert do(StartPayment(payment=payment.public_id, reference=started.reference), system())["state"] == "started"
        done = play(provider, payment.public_id, "succeeded")
    assert done["state"] == "accepted"
    assert {claim.state for claim in Claim.objects.all()} == {"accepted"}
    assert book.balances(to.pk) == {}
    receipt = Receipt.objects.get()
    assert (receipt.cents, receipt.note, receipt.name) == (26400, "no GST", "Kea Imports Ltd")
    assert "s 182" in receipt.law_reference


def test_a_charge_is_offset_by_credits_alone() -> None:
    ready_law()
    owner = person()
    to = credited(owner, 40)
    with clock.at("2026-04-02"):
        (one,) = feed(car(to, co2=150))
        answer = accept(to, owner, one["claim"], credits_g=37)
    assert (answer["state"], answer["offset_g"], answer["money_cents"], answer["payment"]) == ("accepted", 37, 0, None)
    assert book.balances(to.pk) == {("held", "credit:used"): 3}


def test_credits_and_money_together_wait_for_the_money() -> None:
    ready_law()
    owner = person()
    to = credited(owner, 30)
    provider = LocalProvider("s")
    with clock.at("2026-04-02"):
        (one,) = feed(car(to, co2=150))
        answer = accept(to, owner, one["claim"], credits_g=30)
        assert (answer["state"], answer["money_cents"]) == ("waiting", 7 * 600)
        assert book.balances(to.pk) == {("reserved", "credit:used"): 30}
        (other,) = feed(car(to, co2=150))
        with pytest.raises(Short, match="pool used: 37 needed, 0 free, 30 reserved on 2026-04-02; 37 short"):
            accept(to, owner, other["claim"], credits_g=37)
        payment = str(answer["payment"])
        provider.start(payment, 4200)
        assert play(provider, payment, "succeeded")["state"] == "accepted"
    assert book.balances(to.pk) == {}


@pytest.mark.parametrize("outcome", ["declined", "timed_out"])
def test_without_the_money_nothing_is_accepted_and_the_credits_are_free(outcome: str) -> None:
    ready_law()
    owner = person()
    to = credited(owner, 30)
    provider = LocalProvider("s")
    with clock.at("2026-04-02"):
        (one,) = feed(car(to, co2=150))
        payment = str(accept(to, owner, one["claim"], credits_g=30)["payment"])
        provider.start(payment, 4200)
        assert play(provider, payment, outcome)["state"] == "released"
        assert book.balances(to.pk) == {("held", "credit:used"): 30}
        assert Claim.objects.get(public_id=one["claim"]).state == "ready"
        assert accept(to, owner, one["claim"], credits_g=30)["state"] == "waiting"


def test_money_that_comes_too_late_is_the_holder_s_and_goes_back_once() -> None:
    ready_law()
    owner, finance = person(), officer("finance")
    provider = LocalProvider("s")
    with clock.at("2026-03-31T10:00+13:00"):
        to = account(owner)
        (one,) = feed(car(to, co2=150))
        payment = str(accept(to, owner, one["claim"])["payment"])
        provider.start(payment, 22200)
    with clock.at("2026-03-31T10:29:59+13:00"):
        assert daily.time_out() == 0
    with clock.at("2026-03-31T10:30+13:00"):
        assert daily.time_out() == 1
        assert daily.time_out() == 0
        assert play(provider, payment, "succeeded", event="e1")["state"] == "late"
        assert play(provider, payment, "succeeded", event="e1")["state"] == "late"
        assert book.balances(to.pk) == {("unallocated", "NZD"): 22200}
        assert Claim.objects.get(public_id=one["claim"]).state == "ready"
        with pytest.raises(Forbidden, match="agency:finance"):
            do(RefundPayment(payment=payment), owner)
        assert do(RefundPayment(payment=payment), finance)["state"] == "refund_due"
        with pytest.raises(Conflict, match="payment is refund_due"):
            do(RefundPayment(payment=payment), finance)
        assert play(provider, payment, "refunded")["state"] == "refunded"
    assert book.balances(to.pk) == {}


def test_a_message_that_comes_twice_does_nothing_again() -> None:
    ready_law()
    owner = person()
    provider = LocalProvider("s")
    with clock.at(DAY):
        to = account(owner)
        (one,) = feed(car(to, co2=150))
        payment = str(accept(to, owner, one["claim"])["payment"])
        provider.start(payment, 22200)
        assert play(provider, payment, "succeeded", event="e")["state"] == "accepted"
        assert perform(
            TakeMessage(payment=payment, provider="local", event="e", outcome="succeeded", cents=22200), by=system(), key="x"
        ).answer["repeated"]
        assert play(provider, payment, "succeeded", event="another")["repeated"]
        assert play(provider, payment, "reversed")["owed_cents"] == 22200
    assert book.balances(to.pk) == {("payable", "NZD"): 22200}


def test_a_message_with_a_wrong_signature_or_amount_is_refused() -> None:
    ready_law()
    owner = person()
    provider = LocalProvider("s")
    with clock.at(DAY):
        to = account(owner)
        (one,) = feed(car(to, co2=150))
        payment = str(accept(to, owner, one["claim"])["payment"])
        body, signature = provider.play(payment, "succeeded", cents=1)
        with pytest.raises(Forbidden, match="signature"):
            LocalProvider("other").read(body, signature)
        with pytest.raises(Conflict, match=r"1 cents, payment .* is of 22200"):
            play(provider, payment, "succeeded", cents=1)
    assert Payment.objects.get().state == "created"


def test_a_waiting_acceptance_can_be_given_up() -> None:
    ready_law()
    owner = person()
    with clock.at(DAY):
        to = account(owner)
        (one,) = feed(car(to, co2=150))
        answer = accept(to, owner, one["claim"])
        given_up = do(ReleaseAcceptance(account=to.public_id, acceptance=str(answer["acceptance"])), owner)
    assert given_up["state"] == "released"
    assert Claim.objects.get().state == "ready"
    assert Payment.objects.get().state == "timed_out"


def test_each_vehicle_has_its_own_outcome() -> None:
    ready_law()
    owner, other = person(), person("Ben")
    with clock.at(DAY):
        to, theirs = account(owner), account(other)
        (good, unready, held, foreign) = feed(
            car(to, co2=100),
            car(to, ready_on=None),
            car(to, attributes={"vehicle_class": "MA", "tare_kg": 1200}),
            car(theirs),
        )
        assert held["outcome"] == "held"
        answer = accept(to, owner, *(row["claim"] for row in (good, unready, held, foreign)))
    outcomes = [(row["outcome"], row.get("code")) for row in answer["rows"]]
    assert outcomes == [
        ("accepted", None),
        ("refused", "wrong_state"),
        ("refused", "not_determined"),
        ("refused", "not_found"),
    ]
    assert "entered; to accept it must be ready" in answer["rows"][1]["message"]
    assert "missing:" in answer["rows"][2]["message"]


def test_nothing_is_charged_on_a_doubtful_value_that_nobody_confirmed() -> None:
    owner = person()
    with clock.at(DAY):
        to = account(owner)
        (row,) = feed(car(to))
        assert (row["outcome"], row["missing"]) == ("held", "unconfirmed:per_vehicle_rounding")
        answer = accept(to, owner, row["claim"])
        assert answer["rows"][0]["code"] == "not_determined"
        ready_law()
        assert accept(to, owner, row["claim"])["state"] == "waiting"


def test_too_many_credits_and_unknown_accounts_are_refused() -> None:
    ready_law()
    owner = person()
    with clock.at(DAY):
        to = account(owner)
        (row,) = feed(car(to, co2=150))
        with pytest.raises(Invalid, match="credits_g is 38; the charges come to 37 g"):
            accept(to, owner, row["claim"], credits_g=38)
        with pytest.raises(NotVisible):
            accept(to, person("Ben"), row["claim"])
        with pytest.raises(Invalid, match="names one vehicle twice"):
            accept(to, owner, row["claim"], row["claim"])


def test_by_itself_only_what_lies_at_or_below_target_on_the_unrounded_difference() -> None:
    ready_law()
    owner = person()
    with clock.at(DAY):
        to = account(owner)
        rows = feed(car(to, co2="112.0474"), car(to, co2="112.0475"), car(to, co2="111.5"), car(to, co2=150))
        with pytest.raises(Conflict, match="accepts no vehicle by itself"):
            do(AutoAccept(account=to.public_id), system())
        with pytest.raises(Invalid, match="payment is part of"):
            do(SetAutoAccept(account=to.public_id, at_or_below_target=True, above_target=True), owner)
        do(SetAutoAccept(account=to.public_id, at_or_below_target=True), owner)
        assert daily.auto_accept() == 2
        assert daily.auto_accept() == 0
        states = [Claim.objects.get(public_id=row["claim"]).state for row in rows]
        assert states == ["accepted", "ready", "accepted", "ready"]
        # An excess under one gram is no charge, but is accepted by hand only; it needs no payment.
        answer = accept(to, owner, rows[1]["claim"])
        assert (answer["state"], answer["charge_g"], answer["money_cents"]) == ("accepted", 0, 0)
    assert Acceptance.objects.filter(automatic=True).count() == 1


def test_in_the_phase_in_a_charge_is_kept_unpaid_and_nothing_is_offset(settings_demo: None) -> None:
    ready_law()
    owner = person()
    with clock.at("2023-05-31"):
        to = account(owner)
        (one,) = feed(car(to, co2=200, ready_on="2023-05-30"))
        with pytest.raises(Conflict, match="can't be offset before 1 June 2023"):
            accept(to, owner, one["claim"], credits_g=1)
        answer = accept(to, owner, one["claim"])
    assert (answer["state"], answer["payment"]) == ("accepted", None)
    assert book.balances(to.pk) == {("owed", "charge:used:A:2023"): 55}
    with clock.at("2023-06-01"):
        (two,) = feed(car(to, co2=200, ready_on="2023-05-30"))
        assert accept(to, owner, two["claim"])["state"] == "waiting"
        # Taken back before it was paid it is owed no more, and no money is given back.
        gone = do(WithdrawVehicle(claim=one["claim"], reason="exported", grounds="x"), officer())
        assert (gone["charge_change_g"], gone["refund_cents"]) == (-55, 0)
    assert book.balances(to.pk) == {}


@pytest.fixture
def settings_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo without weight adjustment, since the slopes of 2023 aren't known."""
    from django.conf import settings

    monkeypatch.setitem(settings.OPTIONS, "CLEANFLEET_DEMO", True)
    monkeypatch.setitem(settings.OPTIONS, "CLEANFLEET_VALUES", ("no-weight-adjustment",))


def test_a_suspended_account_accepts_nothing() -> None:
    from cleanfleet.registry.accounts.operations import SuspendAccount

    ready_law()
    owner = person()
    with clock.at(DAY):
        to = account(owner)
        (row,) = feed(car(to))
        do(SuspendAccount(account=to.public_id, until=dt.date(2027, 1, 1), reason="convicted", grounds="x"), officer())
        with pytest.raises(Conflict, match="is suspended"):
            accept(to, owner, row["claim"])
        assert feed(car(to))[0]["code"] == "account_not_open"
    assert people.account(owner).state == "open"
