"""What is due when, what is owed at which rate, and who is told of it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from cleanfleet.registry import clock, daily, replay
from cleanfleet.registry.acceptance.operations import AcceptVehicles
from cleanfleet.registry.accounts import operations as accounts
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.permissions import system
from cleanfleet.registry.charges.correcting import WithdrawVehicle
from cleanfleet.registry.charges.settling import SettleCharges
from cleanfleet.registry.fleets.operations import DecideDeferral, RequestDeferral
from cleanfleet.registry.ledger import audit
from cleanfleet.registry.ledger.models import Operation
from cleanfleet.registry.notices import owed, queries
from cleanfleet.registry.notices.deadlines import deadlines
from cleanfleet.registry.notices.models import Notice
from cleanfleet.registry.notices.operations import MakeNotices, pending
from cleanfleet.registry.payments.models import Payment
from cleanfleet.registry.payments.operations import TakeMessage
from cleanfleet.registry.refusals import Forbidden
from cleanfleet.registry.transfers.operations import OfferTransfer, TransferOwn
from cleanfleet.registry.vehicles.models import Claim
from cleanfleet.registry.vehicles.operations import DecideDispute, DisputeVehicle
from registry.fleets import scenes
from registry.people import account, car, credited, do, feed, officer, person, ready_law, verify

pytestmark = pytest.mark.usefixtures("database")
DAY = "2026-04-02"


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def told(of: Account, on: str) -> list[tuple[str, str]]:
    return [(str(one.day), one.kind) for one in deadlines(of, day(on))]


def noted() -> list[tuple[str, str, str, int]]:
    return list(Notice.objects.order_by("pk").values_list("kind", "recipient", "due_on__day", "step"))


@pytest.fixture
def flat(monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo without weight adjustment, since the slopes of 2023 to 2025 aren't known."""
    from django.conf import settings

    monkeypatch.setitem(settings.OPTIONS, "CLEANFLEET_DEMO", True)
    monkeypatch.setitem(settings.OPTIONS, "CLEANFLEET_VALUES", ("no-weight-adjustment",))


def test_an_overdue_dispute_is_reminded_of_until_it_is_answered() -> None:
    ready_law()
    owner = person()
    to = account(owner)
    row = car(to)
    with clock.at("2026-03-31"):
        (entered,) = feed(row)
        dispute = do(DisputeVehicle(claim=entered["claim"], reason="wrong_co2"), owner)["dispute"]
        (one,) = deadlines(to, day("2026-03-31"))
        assert (str(one.day), one.kind, one.subject, one.reference, one.answers) == (
            "2026-04-10", "dispute_answer", dispute, row["vin"], "certifier",
        )  # fmt: skip
    made = []
    for on in ("2026-04-10", "2026-04-11", "2026-04-11", "2026-04-15", "2026-04-16", "2026-04-21"):
        with clock.at(on):
            made.append(daily.run()["notices"])
    assert made == [0, 3, 0, 0, 3, 3]
    assert noted()[:3] == [
        ("dispute_answer", "agency:case_officer", 10, 1),
        ("dispute_answer", "certifier", 10, 1),
        ("dispute_answer", "holder:accept_vehicles", 10, 1),
    ]
    assert [one.step for one in queries.of_role(officer(), "case_officer")] == [3, 2, 1]
    assert {one.recipient for one in queries.of_account(to)} == {"certifier", "holder:accept_vehicles"}
    assert [one.pk for one in queries.to_send(after=6)] == [7, 8, 9]
    with pytest.raises(Forbidden):
        queries.of_role(owner, "case_officer")
    with clock.at("2026-04-22"):
        do(DecideDispute(claim=entered["claim"], details_stand=True, grounds="x"), officer())
        assert deadlines(to, day("2026-04-22")) == []
    with clock.at("2026-05-30"):
        assert daily.run()["notices"] == 0
    assert audit.run() == []
    assert replay.run() == []


def test_a_dispute_with_the_agency_reminds_the_agency_once() -> None:
    ready_law()
    owner = person()
    to = account(owner)
    with clock.at("2026-03-31"):
        (entered,) = feed(car(to))
        do(DisputeVehicle(claim=entered["claim"], reason="not_mine"), owner)
    with clock.at("2026-04-11"):
        assert daily.run()["notices"] == 2
    assert set(Notice.objects.values_list("recipient", flat=True)) == {"agency:case_officer", "holder:accept_vehicles"}


def test_all_deadlines_of_an_account_in_order() -> None:
    ready_law()
    owner, other = person(), person("Ben")
    to = credited(owner, 40, "used")  # earned on 31 March 2026: the law of 2025 lets it live until 31 March 2030
    target = account(other)
    verify(to, target)
    with clock.at(DAY):
        (row, entered) = feed(car(to, co2=150), car(to))
        offer = do(OfferTransfer(account=to.public_id, to_account=target.number, grams=10), owner)["offer"]
        do(AcceptVehicles(account=to.public_id, vehicles=[row["claim"]], credits_g=5), owner)
        do(DisputeVehicle(claim=entered["claim"], reason="wrong_co2"), owner)
        do(
            accounts.SuspendAccount(account=to.public_id, until=day("2027-01-01"), reason="convicted", grounds="x"),
            officer(),
        )
    assert told(to, DAY) == [
        ("2026-04-02", "quote_ends"),
        ("2026-04-12", "dispute_answer"),
        ("2026-04-16", "offer_lapses"),
        ("2027-01-01", "suspension_ends"),
        ("2030-03-31", "credits_expire"),
    ]
    assert [(one.kind, one.subject, one.reference, one.grams) for one in deadlines(target, day(DAY))] == [
        ("offer_lapses", offer, to.number, 10)
    ]
    found = {one.kind: one for one in deadlines(to, day(DAY))}
    assert found["credits_expire"].grams == 40  # reserved ones, too
    assert found["quote_ends"].cents == 32 * 600
    closing = account(person("Cara"))
    with clock.at(DAY):
        do(accounts.GiveNotice(account=closing.public_id, answer_by=day("2026-05-01")), officer())
    assert told(closing, DAY) == [("2026-05-01", "closing_answer")]


def test_credits_of_a_day_are_told_ninety_days_before_and_once() -> None:
    ready_law()
    owner = person()
    to = credited(owner, 40)
    with clock.at("2026-03-31"):
        (row,) = feed(car(to, co2=100))
        do(AcceptVehicles(account=to.public_id, vehicles=[row["claim"]]), owner)
    with clock.at("2029-12-30"):
        assert daily.run()["notices"] == 0
    for on, number in (("2029-12-31", 1), ("2030-01-01", 0), ("2030-03-31", 0), ("2030-04-01", 0)):
        with clock.at(on):
            assert daily.run()["notices"] == number
    notice = Notice.objects.get()
    assert (notice.kind, notice.recipient, str(notice.due_on), notice.grams, notice.step) == (
        "credits_expire", "holder:transfer_credits", "2030-03-31", 52, 0,
    )  # fmt: skip


def test_the_pending_balance_of_2023_is_due_on_1_june_at_that_year_s_rate(flat: None) -> None:
    ready_law()
    owner = person()
    to = account(owner)
    with clock.at("2023-02-10"):
        (row,) = feed(car(to, co2=200, ready_on="2023-02-01"))
        do(AcceptVehicles(account=to.public_id, vehicles=[row["claim"]]), owner)
    (charge,) = owed.charges(to, day("2023-02-10"))
    assert (charge.scheme, charge.condition, charge.vehicle_type, charge.year) == ("payg", "used", "A", 2023)
    assert (charge.grams, charge.rate_cents, charge.cents, str(charge.due_on)) == (55, 1800, 55 * 1800, "2023-06-01")
    assert "s 182" in charge.reference
    assert told(to, "2023-02-10") == [("2023-06-01", "charge_due")]
    steps = []
    for on in ("2023-05-24", "2023-05-25", "2023-06-01", "2023-06-02", "2023-07-01", "2023-07-02"):
        with clock.at(on):
            daily.run()
        steps.append(list(Notice.objects.order_by("pk").values_list("step", flat=True)))
    assert steps == [[], [0], [0], [0, 1], [0, 1], [0, 1, 2]]
    with clock.at("2023-07-03"):
        payment = do(SettleCharges(account=to.public_id), owner)
        assert [kind for _, kind in told(to, "2023-07-03")] == ["charge_due", "quote_ends"]
        message = TakeMessage(
            payment=payment["payment"], provider="local", event="e", outcome="succeeded", cents=payment["money_cents"]
        )
        do(message, system())
    assert owed.charges(to, day("2023-07-03")) == []
    assert audit.run() == []


def test_charges_of_several_years_each_at_its_own_rate(flat: None) -> None:
    ready_law()
    owner, agent = person(), officer()
    to = account(owner)
    other = account(owner, "used", to.holder.public_id)
    claims = []
    for on, co2 in (("2024-06-01", 100), ("2025-06-02", 100), ("2026-06-03", 100)):
        with clock.at(on):
            (row,) = feed(car(to, co2=co2, ready_on=on))
            claims.append(row["claim"])
            do(AcceptVehicles(account=to.public_id, vehicles=claims[-1:]), owner)
    with clock.at("2026-06-04"):
        do(TransferOwn(account=to.public_id, to_account=other.number, grams=33 + 12 + 8), owner)
        for claim in claims:
            do(WithdrawVehicle(claim=claim, reason="exported", grounds="x"), agent)
        found = owed.charges(to, day("2026-06-04"))
    assert [(c.year, c.grams, c.rate_cents, c.cents, str(c.due_on)) for c in found] == [
        (2024, 33, 1800, 33 * 1800, "2026-06-04"),
        (2025, 12, 2700, 12 * 2700, "2026-06-04"),
        (2026, 8, 600, 8 * 600, "2026-06-04"),
    ]
    assert [c.account for c in owed.of_all(day("2026-06-04"))] == [to.pk] * 3
    with clock.at("2026-06-04"):
        assert do(SettleCharges(account=to.public_id), owner)["money_cents"] == sum(c.cents or 0 for c in found)


def test_a_rate_that_the_law_does_not_tell_is_named_and_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    from cleanfleet.law.policy import Policy

    ready_law()
    to = credited(person(), 40)
    other = account(person("Ben"))
    with clock.at(DAY):
        owner = accounts.principal_of(Operation.objects.filter(name="open_account").order_by("pk")[0].principal.public_id)
        mine = account(owner, "used", to.holder.public_id)
        do(TransferOwn(account=to.public_id, to_account=mine.number, grams=40), owner)
        do(WithdrawVehicle(claim=Claim.objects.get().public_id, reason="exported", grounds="x"), officer())
        value = Policy.value

        def unknown(self: Policy, name: str, **where: Any) -> Any:
            return (None, None) if name == "charge_rate" else value(self, name, **where)

        monkeypatch.setattr(Policy, "value", unknown)
        (charge,) = owed.charges(to, day(DAY))
    assert (charge.grams, charge.rate_cents, charge.cents, charge.missing) == (40, None, None, "charge_rate")
    assert owed.charges(other, day(DAY)) == []


def test_money_that_a_bank_took_back_is_due_since_that_day() -> None:
    ready_law()
    owner = person()
    with clock.at("2026-04-02T12:00+13:00"):
        to = account(owner)
        (row,) = feed(car(to, co2=150))
        do(AcceptVehicles(account=to.public_id, vehicles=[row["claim"]]), owner)
        payment = Payment.objects.get()
        for event, outcome in (("e", "succeeded"), ("f", "reversed")):
            if outcome == "reversed":
                with clock.at("2026-04-20"):
                    do(
                        TakeMessage(payment=payment.public_id, provider="local", event=event, outcome=outcome, cents=1),
                        system(),
                    )
            else:
                sent = TakeMessage(
                    payment=payment.public_id, provider="local", event=event, outcome=outcome, cents=payment.cents
                )
                do(sent, system())
    (charge,) = owed.charges(to, day("2026-05-01"))
    assert (charge.grams, charge.cents, str(charge.due_on)) == (0, 37 * 600, "2026-04-20")
    with clock.at("2026-05-01"):
        assert daily.run()["notices"] == 1
    with clock.at("2026-05-02"):
        assert daily.run()["notices"] == 0


def test_a_fleet_year_and_its_deferral(flat: None) -> None:
    one = scenes.approved(2025)
    with clock.at("2025-06-01"):
        scenes.accept(one, one.used, car(one.used, co2=150, ready_on="2025-05-01"))
    with clock.at("2026-02-02"):
        scenes.determine(one, 2025)
    (charge,) = owed.charges(one.used, day("2026-02-02"))
    assert (charge.scheme, charge.grams, charge.rate_cents, str(charge.due_on)) == ("fleet", 37, 3375, "2026-03-31")
    assert charge.cents == 37 * 3375
    assert "s 177" in charge.reference
    assert told(one.used, "2026-02-02") == [("2026-03-31", "fleet_year_due")]
    with clock.at("2026-03-24"):
        assert daily.run()["notices"] == 1
        made = do(RequestDeferral(account=one.used.public_id, year=2025, vehicle_type="A"), one.owner)["deferral"]
        do(DecideDeferral(deferral=made, granted=True, grounds="x"), one.approver)
    assert told(one.used, "2026-03-24") == [("2027-03-31", "deferral_due")]
    with clock.at("2027-04-01"):
        daily.run()  # it falls due: what is owed is money now
        assert [(c.grams, c.cents) for c in owed.charges(one.used, day("2027-04-01"))] == [(0, 37 * 3375)]
        assert set(Notice.objects.filter(step=1).values_list("kind", "recipient")) == {
            ("fleet_year_due", "holder:transfer_credits"),
            ("fleet_year_due", "agency:finance"),
        }
    assert audit.run() == []


def test_only_the_system_makes_notices_and_they_stay_as_they_are() -> None:
    from django.db import DatabaseError

    ready_law()
    owner = person()
    to = account(owner)
    with clock.at("2026-03-31"):
        (entered,) = feed(car(to))
        do(DisputeVehicle(claim=entered["claim"], reason="not_mine"), owner)
        assert pending(day("2026-03-31")) == []
    with clock.at("2026-04-11"):
        with pytest.raises(Forbidden, match="agency role system"):
            do(MakeNotices(), owner)
        assert do(MakeNotices(), system()) == {"made": 2, "kinds": {"dispute_answer": 2}}
        assert do(MakeNotices(), system()) == {"made": 0, "kinds": {}}
    with pytest.raises(DatabaseError, match="only added to"):
        Notice.objects.update(step=7)


def test_a_whole_register_s_deadlines_in_few_statements() -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    ready_law()
    owner = person()
    tos = [account(owner) for _ in range(4)]
    with clock.at("2026-03-31"):
        for to in tos:
            for row in feed(*(car(to) for _ in range(3))):
                do(DisputeVehicle(claim=row["claim"], reason="wrong_co2"), owner)
    with CaptureQueriesContext(connection) as few:
        assert len(pending(day("2026-04-11"))) == 36
    assert len(few) < 25
