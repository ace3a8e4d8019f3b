"""How one vehicle's charge was met, and how that is undone and done again when the charge changes.

A vehicle's charge (and what it owes for credits that were spent before they were taken back) was met in one or more ways: by its
acceptance, then by settlements, each by credits, money or both; the rest is unpaid. When less is charged, what is unpaid goes first, then
the latest way, in each its money before its credits. When more is charged again, that order is walked backwards, so that a
correction there and back changes nothing: credits are used again where they are still on the account (or lapsed there), money is taken
from what is due to be given back. What can't be had any more is owed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from django.db.models import Q, Sum

from cleanfleet.registry.acceptance import spending
from cleanfleet.registry.acceptance.models import Acceptance, Line
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.ledger import book
from cleanfleet.registry.ledger.models import Movement
from cleanfleet.registry.ledger.operations import Work
from cleanfleet.registry.payments.operations import MONEY
from cleanfleet.registry.refusals import Conflict
from cleanfleet.registry.vehicles.models import Claim, Result

from . import paying
from .models import Correction, Met

#: What cents given back to an account are about, once they were paid out.
PAID_OUT = "overcharge"


@dataclass
class Way:
    """One way in which part of a vehicle's charge was met: grams by credits and by money at first, and what of them still stands.

    ``before`` is how many grams of the whole acceptance's (or settlement's) credits went to others first: lots serve in order.
    ``reversed`` says that the payer's bank took the money back, so that it is due and nothing of it can be given back.
    """

    about: str
    subject: int
    operations: tuple[int, ...]
    before: int
    offset_g: int
    money_g: int
    kept_offset_g: int
    kept_money_g: int
    cents_per_g: int
    reversed: bool = False
    met: Met | None = None


@dataclass
class Standing:
    """How an accepted vehicle stands in the book now: its last result, what it owes for spent credits, how all of that is met."""

    acceptance: Acceptance
    line: Line
    result: Result
    shortfall_g: int
    ways: list[Way] = field(default_factory=list)

    @property
    def account(self) -> Account:
        return self.acceptance.account

    @property
    def total_g(self) -> int:
        """Grams charged for the vehicle, whatever for."""
        return self.result.charge_g + self.shortfall_g

    @property
    def unpaid_g(self) -> int:
        """Grams of them that nothing has met."""
        return self.total_g - sum(way.kept_offset_g + way.kept_money_g for way in self.ways)


#: What upper rooms hold against correcting a vehicle: functions of a claim that refuse.
_CHECKS: list[Callable[[Claim], None]] = []


def may_correct(check: Callable[[Claim], None]) -> None:
    """Let an upper room refuse to correct an accepted vehicle: ``check(claim)`` raises the refusal."""
    _CHECKS.append(check)


def standing(claim: Claim) -> Standing:
    """Where an accepted pay-as-you-go vehicle stands; :class:`Conflict` for any other."""
    line = (
        Line.objects.filter(claim=claim, acceptance__state="accepted")
        .select_related("acceptance__account", "acceptance__payment", "result")
        .first()
    )
    if claim.state != "accepted" or line is None:
        raise Conflict("wrong_state", f"the vehicle is {claim.state}; only an accepted one can be corrected or withdrawn")
    if line.acceptance.scheme != "payg":
        raise Conflict("fleet", "a vehicle of a fleet average is corrected by its year's determination")
    if paying.waits(line.acceptance.account):
        raise Conflict("payment_waits", "a payment of what is due on the account is under way; correct the vehicle after it")
    for check in _CHECKS:
        check(claim)
    last = Correction.objects.filter(claim=claim).select_related("after").order_by("-pk").first()
    short = Correction.objects.filter(claim=claim).aggregate(n=Sum("shortfall_g"))["n"] or 0
    result = last.after if last is not None and last.after is not None else line.result
    found = Standing(line.acceptance, line, result, int(short))
    acceptance = line.acceptance
    paid = line.money_g if acceptance.money_cents else 0  # in the phase-in it was accepted unpaid
    found.ways.append(
        Way(
            "acceptance",
            acceptance.pk,
            (acceptance.begun_id, acceptance.ended_id or acceptance.begun_id),
            int(acceptance.lines.filter(pk__lt=line.pk).aggregate(n=Sum("offset_g"))["n"] or 0),
            line.offset_g,
            paid,
            line.offset_g if last is None else last.offset_g,
            paid if last is None else last.money_g,
            line.money_cents // line.money_g if line.money_g else 0,
            acceptance.payment is not None and acceptance.payment.state == "reversed",
        )
    )
    mets = Met.objects.filter(claim=claim, part__settlement__state="settled").select_related("part__settlement__payment")
    found.ways += [_settled(met) for met in mets.order_by("pk")]
    return found


def _settled(met: Met) -> Way:
    part, settlement = met.part, met.part.settlement
    earlier = settlement.parts.filter(pk__lt=part.pk).aggregate(n=Sum("offset_g"))["n"] or 0
    others = part.met.filter(pk__lt=met.pk).aggregate(n=Sum("offset_g"))["n"] or 0
    return Way(
        "settlement",
        settlement.pk,
        (settlement.begun_id, settlement.ended_id or settlement.begun_id),
        int(earlier + others),
        met.offset_g,
        met.money_g,
        met.offset_g - met.returned_offset_g,
        met.money_g - met.returned_money_g,
        part.rate_cents,
        settlement.payment is not None and settlement.payment.state == "reversed",
        met,
    )


def relieve(work: Work, now: Standing, unit: str, grams: int) -> int:
    """Charge the vehicle so many grams less; gives the cents to be given back."""
    account, subject = now.account, now.result.pk
    reversed_ = work.bucket(None, "reversed", unit)
    left = grams
    unpaid = min(left, now.unpaid_g)
    if unpaid:
        work.move(unit, work.bucket(account.pk, "owed", unit), reversed_, unpaid, subject=subject)
        left -= unpaid
    refund = 0
    for way in reversed(now.ways):
        money = min(left, way.kept_money_g)
        if money:
            work.move(unit, work.bucket(None, "met_by_money", unit), reversed_, money, subject=subject)
            refund += _give_money(work, now, way, money * way.cents_per_g)
            way.kept_money_g -= money
            left -= money
        credit = min(left, way.kept_offset_g)
        if credit:
            work.move(unit, work.bucket(None, "met_by_credits", unit), reversed_, credit, subject=subject)
            pool = spending.unit_of(account)
            used, held = work.bucket(None, "used", pool), work.bucket(account.pk, "held", pool)
            lots = _lots(now, way, way.kept_offset_g - credit, way.kept_offset_g)
            if sum(amount for _, amount in lots) != credit:
                missing = f"which lots met {credit} g of the charge"
                raise Conflict("offset_unknown", f"the credits can't be given back; missing: {missing}", missing=[missing])
            for lot, amount in lots:
                work.move(pool, used, held, amount, lot=lot, subject=subject)
            way.kept_offset_g -= credit
            left -= credit
        _keep(way)
    if left:
        raise ArithmeticError(f"vehicle {subject}: {left} g of {grams} can't be relieved")
    return refund


def charge(work: Work, now: Standing, unit: str, grams: int) -> int:
    """Charge the vehicle so many grams more: met again as far as it was before, the rest owed; gives the cents taken from what
    was to be given back."""
    account, subject = now.account, now.result.pk
    reversed_ = work.bucket(None, "reversed", unit)
    left, taken = grams, 0
    for way in now.ways:
        for lot, amount in _lots(
            now, way, way.kept_offset_g, way.kept_offset_g + min(left, way.offset_g - way.kept_offset_g)
        ):
            used = _use_again(work, now, lot, amount)
            if used:
                work.move(unit, reversed_, work.bucket(None, "met_by_credits", unit), used, subject=subject)
                way.kept_offset_g += used
                left -= used
            if used < amount:
                break
        money = min(left, way.money_g - way.kept_money_g)
        if money and not way.reversed:
            work.post()
            money = min(money, to_give_back(account) // way.cents_per_g)
        if money:
            work.move(unit, reversed_, work.bucket(None, "met_by_money", unit), money, subject=subject)
            taken += _take_money(work, now, way, money * way.cents_per_g)
            way.kept_money_g += money
            left -= money
        _keep(way)
    if left:
        work.move(unit, work.bucket(None, "assessed", unit), work.bucket(account.pk, "owed", unit), left, subject=subject)
    return taken


def to_give_back(account: Account) -> int:
    """Cents that corrections of single vehicles found overcharged and that weren't given back yet."""
    bucket = {"kind": "refund_due", "owner_id": account.pk, "unit__code": MONEY}
    moved = Movement.objects.filter(about__in=("result", PAID_OUT))
    given = moved.filter(**{f"target__{name}": value for name, value in bucket.items()}).aggregate(n=Sum("amount"))["n"]
    gone = moved.filter(**{f"source__{name}": value for name, value in bucket.items()}).aggregate(n=Sum("amount"))["n"]
    return int(given or 0) - int(gone or 0)


def free(account: Account, unit: str, lot: int) -> int:
    """Grams of the lot that the account holds and hasn't reserved."""
    return next((row.amount for row in book.lots(account.pk, "held", unit) if row.lot == lot), 0)


def _use_again(work: Work, now: Standing, lot: int, amount: int) -> int:
    """Use so many grams of a lot again, as far as they are held or lapsed on the account; gives the grams."""
    pool = spending.unit_of(now.account)
    work.post()
    left = amount
    for kind in ("held", *spending.UNUSED):
        there = free(now.account, pool, lot) if kind == "held" else spending.unused(now.account.pk, lot, kind)
        grams = min(left, there)
        if grams:
            source = work.bucket(now.account.pk if kind == "held" else None, kind, pool)
            work.move(pool, source, work.bucket(None, "used", pool), grams, lot=lot, subject=now.result.pk)
        left -= grams
    return amount - left


def _give_money(work: Work, now: Standing, way: Way, cents: int) -> int:
    """Money was charged too much: it is due to be given back; money that its payer's bank took back is no longer due."""
    owner, subject = now.account.pk, now.result.pk
    charged = work.bucket(None, "charged", MONEY)
    if way.reversed:  # as far as it wasn't paid again
        work.post()
        unpaid = min(cents, paying.due(now.account))
        if unpaid:
            work.move(MONEY, work.bucket(owner, "payable", MONEY), charged, unpaid, subject=subject)
        cents -= unpaid
        if not cents:
            return 0
    work.move(MONEY, work.bucket(None, "revenue", MONEY), work.bucket(owner, "refund_due", MONEY), cents, subject=subject)
    work.move(MONEY, work.bucket(None, "paid", MONEY), charged, cents, subject=subject)
    return cents


def _take_money(work: Work, now: Standing, way: Way, cents: int) -> int:
    """The other way round."""
    owner, subject = now.account.pk, now.result.pk
    charged = work.bucket(None, "charged", MONEY)
    if way.reversed:
        work.move(MONEY, charged, work.bucket(owner, "payable", MONEY), cents, subject=subject)
        return 0
    work.move(MONEY, work.bucket(owner, "refund_due", MONEY), work.bucket(None, "revenue", MONEY), cents, subject=subject)
    work.move(MONEY, charged, work.bucket(None, "paid", MONEY), cents, subject=subject)
    return cents


def _keep(way: Way) -> None:
    """Note on a settlement's part what of it stands; of an acceptance's line the correction notes it."""
    if way.met is not None:
        way.met.returned_offset_g = way.offset_g - way.kept_offset_g
        way.met.returned_money_g = way.money_g - way.kept_money_g
        way.met.save(update_fields=["returned_offset_g", "returned_money_g"])


def _lots(now: Standing, way: Way, first: int, last: int) -> list[tuple[int, int]]:
    """(lot, grams) behind the vehicle's grams ``first`` to ``last`` of the credits in this way: lots serve in their order."""
    if first >= last:
        return []
    used = Movement.objects.filter(
        Q(seal_id__in=way.operations),
        subject=way.subject,
        about=way.about,
        lot__isnull=False,
        target__kind="used",
        source__owner_id=now.account.pk,
    ).order_by("seal_id", "line")
    low, high = way.before + first, way.before + last
    found, position = [], 0
    for lot, amount in used.values_list("lot_id", "amount"):
        part = min(high, position + amount) - max(low, position)
        if part > 0 and lot is not None:
            found.append((lot, part))
        position += amount
    return found
