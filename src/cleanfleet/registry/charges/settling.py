"""Meeting charges that are owed: those of the phase-in of 2023, of a correction, of credits that had been spent."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pydantic
from django.db import connection
from django.db.models import F, Sum

from cleanfleet.registry.acceptance import spending
from cleanfleet.registry.acceptance.operations import Grams, Vintage, money_taken_back
from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.operations import OnAccount
from cleanfleet.registry.ledger import book
from cleanfleet.registry.ledger.models import Movement
from cleanfleet.registry.ledger.operations import Work
from cleanfleet.registry.payments import operations as payments
from cleanfleet.registry.payments.models import Payment
from cleanfleet.registry.refusals import Conflict, Invalid, NotDetermined
from cleanfleet.registry.rulings import law

from .models import Met, Part, Settlement
from .states import SETTLEMENT


def owed(account: Account) -> list[tuple[str, int]]:
    """(unit, grams) that the account owes at pay-as-you-go rates, the oldest year first; a fleet year is settled by its own room."""
    found = [
        (unit, amount)
        for (kind, unit), amount in book.balances(account.pk).items()
        if kind == "owed" and unit.count(":") == 3
    ]
    return sorted(found, key=lambda one: (one[0].rsplit(":", 1)[1], one[0]))


def rate(unit: str, on: dt.date, scheme: str = "payg") -> int:
    """Cents for each gram of a unit of charge, at the rate of its year (rates change on 1 January), as it was known then, or on
    ``on`` where that is earlier. Raises :class:`NotDetermined`, also for a doubtful rate that the agency hasn't confirmed."""
    cents, _, marks = rate_and_law(unit, on, scheme)
    law.chargeable(marks)
    return cents


def rate_and_law(unit: str, on: dt.date, scheme: str = "payg") -> tuple[int, str, list[str]]:
    """The same rate, the law that says so, and its marks: to be shown, doubtful or not."""
    _, condition, _, year = unit.split(":")[:4]
    end = dt.date(int(year), 12, 31)
    policy = law.policy(min(on, end))
    value, record = policy.value("charge_rate", on=end, scheme=scheme, condition=condition)
    if value is None or record is None:
        raise NotDetermined("not_determined", f"the rate of {year} isn't known", missing=["charge_rate"])
    cents = value * 100
    if cents != int(cents):
        raise ArithmeticError(f"a rate of {value} NZ$ for each gram is no whole number of cents")
    reference = "; ".join(f"{r.title}, {r.section}" for r in record.references)[:200]
    return int(cents), reference, law.marks_of(policy, "charge_rate", record)


#: (claim, grams, first day) of the vehicles behind what is owed in one unit, the oldest claim first.
Behind = list[tuple[int, int, dt.date]]


def outstanding(account: Account) -> dict[str, Behind]:
    """By unit, the vehicles whose charges make up what the account owes."""
    return {unit: vehicles for (_, unit), vehicles in outstanding_by_account(account).items()}


def outstanding_by_account(account: Account | None = None) -> dict[tuple[int, str], Behind]:
    """By account and unit, the vehicles whose charges make up what is owed: of one account, or of all."""
    moved: dict[tuple[int, str, int], tuple[int, dt.date]] = {}
    with connection.cursor() as cursor:
        if account is None:
            cursor.execute(_OUTSTANDING.replace("b.owner_id = %s", "b.owner_id IS NOT NULL"))
        else:
            cursor.execute(_OUTSTANDING, [account.pk, account.pk])
        for owner, unit, claim, grams, since in cursor.fetchall():
            day = since if isinstance(since, dt.date) else dt.date.fromisoformat(str(since)[:10])
            moved[owner, unit, claim] = (int(grams), day)
    met = Met.objects.filter(part__settlement__state="settled")
    if account is not None:
        met = met.filter(part__settlement__account=account)
    settled = met.values_list("part__settlement__account_id", "part__unit", "claim_id")
    for owner, unit, claim, grams in settled.annotate(n=Sum(F("offset_g") + F("money_g"))):
        there = moved.get((owner, unit, claim))
        if there is not None:
            moved[owner, unit, claim] = (there[0] - grams, there[1])
    found: dict[tuple[int, str], Behind] = {}
    for (owner, unit, claim), (grams, day) in sorted(moved.items()):
        if grams:
            found.setdefault((owner, unit), []).append((claim, grams, day))
    return found


#: What each vehicle brought into the account's owed buckets and what its acceptance and corrections took out; the first day of it.
_OUTSTANDING = """
SELECT m.owner_id, u.code, r.claim_id, sum(m.amount), min(m.on_day) FROM (
    SELECT b.owner_id, i.unit_id, i.subject, i.amount, o.effective_on AS on_day FROM ledger_movement i
    JOIN ledger_bucket b ON b.id = i.target_id JOIN ledger_operation o ON o.id = i.operation_id
    WHERE b.owner_id = %s AND b.kind = 'owed' AND i.about = 'result'
    UNION ALL
    SELECT b.owner_id, t.unit_id, t.subject, -t.amount, NULL FROM ledger_movement t
    JOIN ledger_bucket b ON b.id = t.source_id
    WHERE b.owner_id = %s AND b.kind = 'owed' AND t.about = 'result'
) m JOIN vehicles_result r ON r.id = m.subject JOIN ledger_unit u ON u.id = m.unit_id
GROUP BY m.owner_id, u.code, r.claim_id HAVING sum(m.amount) <> 0"""


class SettleCharges(OnAccount):
    """Meet all charges that the account owes: ``credits_g`` grams by credits, the rest in money at each year's own rate.

    The oldest year is met first. With money it waits for the payment, and the credits are reserved until then.
    """

    credits_g: Grams = 0
    vintages: list[Vintage] = pydantic.Field(default_factory=list)
    provider: str = "local"

    def run(self, work: Work) -> dict[str, Any]:
        account = self.find(work)
        permissions.require(work.by, account, "accept_vehicles")
        due = law.day("payment_at_acceptance_starts_on", work.today)
        if work.today < due:
            raise Conflict("phase_in", f"charges of the phase-in are met from {due}")
        if Settlement.objects.filter(account=account, state="waiting").exists():
            raise Conflict("waiting", "a settlement of this account waits for its payment")
        units = owed(account)
        total = sum(amount for _, amount in units)
        if not total:
            raise Conflict("nothing_owed", f"account {account.number} owes no charge")
        if self.credits_g > total:
            raise Invalid("credits_g", f"credits_g is {self.credits_g}; {total} g are owed", field="credits_g")
        takes = spending.plan(account, self.credits_g, work.today, vintages=self.vintages).takes if self.credits_g else ()
        parts, left = [], self.credits_g
        for unit, amount in units:
            offset = min(left, amount)
            left -= offset
            parts.append(Part(unit=unit, offset_g=offset, money_g=amount - offset, rate_cents=rate(unit, work.today)))
        money = sum(part.money_g * part.rate_cents for part in parts)
        settlement = Settlement.objects.create(
            public_id=work.id("set"),
            account=account,
            state="waiting" if money else "settled",
            on=work.today,
            offset_g=self.credits_g,
            money_cents=money,
            begun_id=work.number,
            ended_id=None if money else work.number,
        )
        for part in parts:
            part.settlement = settlement
            part.save()
        _attribute(account, parts)
        work.law(law.policy(work.today))
        if money:
            spending.take(work, account, takes, "held", "reserved", subject=settlement.pk, about="settlement")
            settlement.payment = payments.create(work, account, money, "charges", settlement.pk, self.provider)
            settlement.save(update_fields=["payment"])
        else:
            spending.take(work, account, takes, "held", "used", subject=settlement.pk, about="settlement")
            _meet(work, settlement)
        return _told(settlement)


def _attribute(account: Account, parts: list[Part]) -> None:
    """Note which vehicles' charges the parts meet: credits go to the oldest first, the rest is money."""
    vehicles = outstanding(account)
    rows = []
    for part in parts:
        offset, money = part.offset_g, part.money_g
        for claim, grams, _ in vehicles.get(part.unit, ()):
            by_credits = min(offset, grams)
            by_money = min(money, grams - by_credits)
            offset, money = offset - by_credits, money - by_money
            rows.append(Met(part=part, claim_id=claim, offset_g=by_credits, money_g=by_money))
    Met.objects.bulk_create(rows, batch_size=500)


def _meet(work: Work, settlement: Settlement) -> None:
    for part in settlement.parts.order_by("pk"):
        start = work.bucket(settlement.account_id, "owed", part.unit)
        for kind, amount in (("met_by_credits", part.offset_g), ("met_by_money", part.money_g)):
            if amount:
                work.move(
                    part.unit, start, work.bucket(None, kind, part.unit), amount, subject=settlement.pk, about="settlement"
                )


def _move_reserved(work: Work, settlement: Settlement, target: str) -> None:
    unit = spending.unit_of(settlement.account)
    start = work.bucket(settlement.account_id, "reserved", unit)
    to = work.bucket(None if target == "used" else settlement.account_id, target, unit)
    reserved = Movement.objects.filter(
        seal_id=settlement.begun_id, target__kind="reserved", subject=settlement.pk, about="settlement"
    )
    for lot, amount in list(reserved.order_by("line").values_list("lot_id", "amount")):
        work.move(unit, start, to, amount, lot=lot, subject=settlement.pk, about="settlement")


def _told(settlement: Settlement) -> dict[str, Any]:
    payment = settlement.payment
    return {
        "settlement": settlement.public_id,
        "state": settlement.state,
        "offset_g": settlement.offset_g,
        "money_cents": settlement.money_cents,
        "payment": None if payment is None else payment.public_id,
    }


@payments.handles("charges", "succeed")
def _paid(work: Work, payment: Payment) -> dict[str, Any]:
    settlement = Settlement.objects.select_related("account__holder").get(pk=payment.subject)
    settlement.state = SETTLEMENT.go(settlement.state, "complete", {"system"})
    settlement.ended_id = work.number
    settlement.save(update_fields=["state", "ended"])
    _move_reserved(work, settlement, "used")
    payments.receive(work, payment)
    _meet(work, settlement)
    receipt = payments.issue_receipt(work, payment, payments.PART_13)
    return {**_told(settlement), "receipt": receipt.number}


@payments.handles("charges", "decline")
@payments.handles("charges", "time_out")
def _not_paid(work: Work, payment: Payment) -> dict[str, Any]:
    settlement = Settlement.objects.select_related("account").get(pk=payment.subject)
    if settlement.state == "waiting":
        settlement.state = SETTLEMENT.go(settlement.state, "release", {"system"})
        settlement.ended_id = work.number
        settlement.save(update_fields=["state", "ended"])
        _move_reserved(work, settlement, "held")
    return _told(settlement)


payments.handles("charges", "reverse")(money_taken_back)
