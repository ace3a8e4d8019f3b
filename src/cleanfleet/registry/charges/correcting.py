"""Correcting an accepted vehicle, or withdrawing it: the book gets the difference, in the original year and vintage.

Decision 24: credits taken back that were spent or given away never touch who received them; the account owes them as a charge of the
vehicle's year. Money charged too much becomes a refund that is due, never credits. Nothing shrinks to fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pydantic
from django.db.models import Sum

from cleanfleet.registry.acceptance import spending
from cleanfleet.registry.acceptance.models import Acceptance, Line
from cleanfleet.registry.acceptance.operations import charge_unit
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.ledger import book
from cleanfleet.registry.ledger.models import LawSnapshot, Movement
from cleanfleet.registry.ledger.operations import Private, Work, canonical
from cleanfleet.registry.payments.operations import MONEY
from cleanfleet.registry.refusals import Conflict, Forbidden, Invalid, NotDetermined
from cleanfleet.registry.rulings import law
from cleanfleet.registry.vehicles import assessing
from cleanfleet.registry.vehicles.models import Claim, Result, Version
from cleanfleet.registry.vehicles.operations import OnClaim

from .models import Correction


@dataclass(frozen=True)
class Standing:
    """How an accepted vehicle stands in the book now: its last result, and how its charge is met."""

    acceptance: Acceptance
    line: Line
    result: Result
    offset_g: int
    money_g: int

    @property
    def unpaid_g(self) -> int:
        """Grams of its charge that were neither offset nor paid with it (the phase-in, an earlier correction)."""
        return self.result.charge_g - self.offset_g - self.money_g


#: What upper rooms hold against correcting a vehicle: functions of a claim that refuse.
_CHECKS: list[Callable[[Claim], None]] = []


def may_correct(check: Callable[[Claim], None]) -> None:
    """Let an upper room refuse to correct an accepted vehicle: ``check(claim)`` raises the refusal."""
    _CHECKS.append(check)


def standing(claim: Claim) -> Standing:
    """Where an accepted pay-as-you-go vehicle stands; :class:`Conflict` for any other."""
    line = (
        Line.objects.filter(claim=claim, acceptance__state="accepted")
        .select_related("acceptance__account", "result")
        .first()
    )
    if claim.state != "accepted" or line is None:
        raise Conflict("wrong_state", f"the vehicle is {claim.state}; only an accepted one can be corrected or withdrawn")
    if line.acceptance.scheme != "payg":
        raise Conflict("fleet", "a vehicle of a fleet average is corrected by its year's determination")
    for check in _CHECKS:
        check(claim)
    last = Correction.objects.filter(claim=claim).select_related("after").order_by("-pk").first()
    if last is not None and last.after is not None:
        return Standing(line.acceptance, line, last.after, last.offset_g, last.money_g)
    return Standing(line.acceptance, line, line.result, line.offset_g, line.money_g)


class CorrectVehicle(OnClaim):
    """Correct the details of an accepted vehicle: the law of its acceptance day is asked again, as it was known then.

    ``attributes`` are those that change. The claim stays accepted; a higher charge is owed, a lower one given back.
    """

    attributes: dict[str, str | int | None] = pydantic.Field(min_length=1)
    reason: Literal["wrong_details", "wrong_co2", "wrong_weight", "wrong_class"]
    grounds: Annotated[Private, pydantic.Field(min_length=1, max_length=2000)]

    def run(self, work: Work) -> dict[str, Any]:
        claim = self.find(work)
        _officer(work, claim)
        now = standing(claim)
        known = now.result.known
        policy = law.policy(known)
        allowed = assessing.columns(policy)
        for name, value in self.attributes.items():
            if name not in allowed or name == "condition":
                raise Invalid("unknown_attribute", f"attribute {name!r} can't be corrected here", field=name)
            bad = assessing.unreadable(allowed[name], value)
            if bad:
                raise Invalid("bad_attribute", bad, field=name)
        (attributes,) = assessing.read([claim.version.attributes])
        attributes.update(self.attributes)
        (answer,) = assessing.assess(policy, [attributes], now.acceptance.on, "payg")
        held = answer.held(law.confirmed())
        if held:
            raise NotDetermined(
                "not_determined", f"with these details the vehicle is {answer.status}: {held}", missing=[held]
            )
        last = Version.objects.filter(vehicle_id=claim.vehicle_id).order_by("-number").values_list("number", flat=True)[0]
        claim.version = Version.objects.create(
            vehicle_id=claim.vehicle_id,
            number=last + 1,
            attributes=canonical(attributes),
            source="agency",
            operation_id=work.number,
        )
        claim.save(update_fields=["version"])
        work.law(policy)
        after = Result.objects.create(
            claim=claim,
            version=claim.version,
            operation_id=work.number,
            on=now.acceptance.on,
            known=known,
            law=LawSnapshot.objects.get(digest=policy.digest),
            **{name: getattr(answer, name) for name in _FIGURES},
        )
        return _correct(work, claim, now, after, self.reason)


_FIGURES = ("vehicle_type", "flags", "co2", "target", "difference", "credit_g", "charge_g", "charge_cents")


class WithdrawVehicle(OnClaim):
    """Take an accepted vehicle out again, because it was exported or never registered: credit and charge are reversed."""

    reason: Literal["exported", "never_registered", "accepted_in_error"]
    grounds: Annotated[Private, pydantic.Field(min_length=1, max_length=2000)]

    def run(self, work: Work) -> dict[str, Any]:
        claim = self.find(work)
        _officer(work, claim)
        now = standing(claim)
        self.step(work, claim, "withdraw")
        return {**_correct(work, claim, now, None, self.reason), "state": claim.state}


def _officer(work: Work, claim: Claim) -> None:
    from cleanfleet.registry.accounts import permissions
    from cleanfleet.registry.accounts.models import Grant

    permissions.require_role(work.by, "case_officer")
    if Grant.objects.filter(principal=work.by, account=claim.account, ended=None).exists():
        raise Forbidden("own_case", "nobody decides on their own account's vehicles", field="claim")


def _correct(work: Work, claim: Claim, now: Standing, after: Result | None, reason: str) -> dict[str, Any]:
    """Post the difference between what stands and what should (nothing, for a withdrawal)."""
    account, on = now.acceptance.account, now.acceptance.on
    new_credit, new_charge = (after.credit_g, after.charge_g) if after is not None else (0, 0)
    shortfall = _credits(work, account, now, new_credit - now.result.credit_g)
    offset, money, refund = now.offset_g, now.money_g, 0
    before = charge_unit(account.condition, now.result.vehicle_type, on)
    unit = charge_unit(account.condition, after.vehicle_type, on) if after is not None else before
    if unit != before and now.result.charge_g:
        raise NotDetermined(
            "type_changed",
            "a charge whose vehicle's type changes is corrected by withdrawing the vehicle",
            missing=["vehicle_type"],
        )
    change = new_charge - now.result.charge_g
    if change > 0:
        work.move(
            unit, work.bucket(None, "assessed", unit), work.bucket(account.pk, "owed", unit), change, subject=now.result.pk
        )
    elif change < 0:
        offset, money, refund = _less(work, account, now, unit, -change)
    Correction.objects.create(
        claim=claim,
        before=now.result,
        after=after,
        operation_id=work.number,
        reason=reason,
        credit_change_g=new_credit - now.result.credit_g,
        charge_change_g=change,
        refund_cents=refund,
        shortfall_g=shortfall,
        offset_g=offset,
        money_g=money,
    )
    return {
        "claim": claim.public_id,
        "on": str(on),
        "known": str(now.result.known),
        "credit_change_g": new_credit - now.result.credit_g,
        "charge_change_g": change,
        "shortfall_g": shortfall,
        "refund_cents": refund,
    }


def _credits(work: Work, account: Account, now: Standing, change: int) -> int:
    """Issue more into the original lot, or take back from it; what is no longer there is owed. Gives that shortfall."""
    if not change:
        return 0
    unit, on = spending.unit_of(account), now.acceptance.on
    lot = work.lot(unit, account.pk, on.year, on)
    issued, held = work.bucket(None, "issued", unit), work.bucket(account.pk, "held", unit)
    if change > 0:
        work.move(unit, issued, held, change, lot=lot, subject=now.result.pk)
        return 0
    there = next((row.amount for row in book.lots(account.pk, "held", unit) if row.lot == lot), 0)
    taken = min(there, -change)
    if taken:
        work.move(unit, held, work.bucket(None, "cancelled", unit), taken, lot=lot, subject=now.result.pk)
    lapsed = min(-change - taken, _lapsed(account, lot))
    if lapsed:  # what expired unused was of no use to anybody, and isn't owed
        cancelled = work.bucket(None, "cancelled", unit)
        work.move(unit, work.bucket(None, "expired", unit), cancelled, lapsed, lot=lot, subject=now.result.pk)
    shortfall = -change - taken - lapsed
    if shortfall:
        owing = charge_unit(account.condition, now.result.vehicle_type, on)
        work.move(
            owing,
            work.bucket(None, "assessed", owing),
            work.bucket(account.pk, "owed", owing),
            shortfall,
            subject=now.result.pk,
        )
    return shortfall


def _lapsed(account: Account, lot: int) -> int:
    """Grams of the lot that expired on the account, less what of them was cancelled since."""
    expired = Movement.objects.filter(lot_id=lot, source__owner_id=account.pk, target__kind="expired")
    cancelled = Movement.objects.filter(lot_id=lot, source__kind="expired", target__kind="cancelled")
    gone, back = (found.aggregate(n=Sum("amount"))["n"] or 0 for found in (expired, cancelled))
    return max(0, int(gone) - int(back))


def _less(work: Work, account: Account, now: Standing, unit: str, grams: int) -> tuple[int, int, int]:
    """Take grams of a charge back: what is still owed first, then what was paid, then what was offset.

    Gives the grams that stay met by credits and by money, and the cents to be given back.
    """
    reversed_ = work.bucket(None, "reversed", unit)
    unpaid = min(grams, now.unpaid_g, book.balance(account.pk, "owed", unit))
    if unpaid:
        work.move(unit, work.bucket(account.pk, "owed", unit), reversed_, unpaid, subject=now.result.pk)
    paid = min(grams - unpaid, now.money_g)
    refund = 0
    if paid:
        refund = paid * (now.result.charge_cents // now.result.charge_g)
        work.move(unit, work.bucket(None, "met_by_money", unit), reversed_, paid, subject=now.result.pk)
        due = work.bucket(account.pk, "refund_due", MONEY)
        work.move(MONEY, work.bucket(None, "revenue", MONEY), due, refund, subject=now.result.pk)
        charged = work.bucket(None, "charged", MONEY)
        work.move(MONEY, work.bucket(None, "paid", MONEY), charged, refund, subject=now.result.pk)
    given_back = grams - unpaid - paid
    if given_back > now.offset_g:
        raise Conflict(
            "settled_together", "the charge was met by a settlement; its grams are given back by the agency's finance"
        )
    if given_back:
        work.move(unit, work.bucket(None, "met_by_credits", unit), reversed_, given_back, subject=now.result.pk)
        credit = spending.unit_of(account)
        used, held = work.bucket(None, "used", credit), work.bucket(account.pk, "held", credit)
        offset_by = _offset_by(now, given_back)
        if sum(amount for _, amount in offset_by) != given_back:
            missing = f"which lots met {given_back} g of the charge"
            raise Conflict("offset_unknown", f"the credits can't be given back; missing: {missing}", missing=[missing])
        for lot, amount in offset_by:
            work.move(credit, used, held, amount, lot=lot, subject=now.result.pk)
    return now.offset_g - given_back, now.money_g - paid, refund


def _offset_by(now: Standing, grams: int) -> list[tuple[int, int]]:
    """(lot, grams) of the credits that met the last ``grams`` of the vehicle's offset: lots serve the lines in their order."""
    lines = Line.objects.filter(acceptance=now.acceptance).order_by("pk").values_list("pk", "offset_g")
    before = 0
    for line, offset in lines:
        if line == now.line.pk:
            break
        before += offset
    first, last = before + now.offset_g - grams, before + now.offset_g
    used = Movement.objects.filter(
        subject=now.acceptance.pk,
        about="acceptance",
        lot__isnull=False,
        target__kind="used",
        source__owner_id=now.acceptance.account_id,
    )
    used = used.filter(seal_id__in=[now.acceptance.begun_id, now.acceptance.ended_id])
    found, position = [], 0
    for lot, amount in used.order_by("seal_id", "line").values_list("lot_id", "amount"):
        low, high = max(first, position), min(last, position + amount)
        if high > low and lot is not None:
            found.append((lot, high - low))
        position += amount
    return found
