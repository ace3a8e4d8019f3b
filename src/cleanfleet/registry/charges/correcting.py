"""Correcting an accepted vehicle, or withdrawing it: the book gets the difference, in the original year and vintage.

Decision 24: credits taken back that were spent or given away never touch who received them; the account owes them as a charge of the
vehicle's year, at that year's rate. Money charged too much becomes a refund that is due, never credits. Nothing shrinks to fit. A
correction there and back leaves every sum as it was, as far as nothing happened in between (:mod:`.meeting`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pydantic
from django.db.models import Sum

from cleanfleet.registry.acceptance import spending
from cleanfleet.registry.acceptance.operations import charge_unit
from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.models import Account, Grant
from cleanfleet.registry.ledger.models import LawSnapshot, Movement
from cleanfleet.registry.ledger.operations import Private, Work, canonical
from cleanfleet.registry.refusals import Conflict, Forbidden, Invalid, NotDetermined
from cleanfleet.registry.rulings import law
from cleanfleet.registry.vehicles import assessing
from cleanfleet.registry.vehicles.models import Claim, Result, Version
from cleanfleet.registry.vehicles.operations import OnClaim

from . import meeting
from .meeting import Standing, standing
from .models import Correction, Settlement


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
            vehicle_type=answer.vehicle_type or "",
        )
        return _correct(work, claim, now, after, self.reason)


_FIGURES = ("flags", "co2", "target", "difference", "credit_g", "charge_g", "charge_cents")


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
    permissions.require_role(work.by, "case_officer")
    if Grant.objects.filter(principal=work.by, account=claim.account, ended=None).exists():
        raise Forbidden("own_case", "nobody decides on their own account's vehicles", field="claim")


def _correct(work: Work, claim: Claim, now: Standing, after: Result | None, reason: str) -> dict[str, Any]:
    """Post the difference between what stands and what should (nothing, for a withdrawal)."""
    account, on = now.account, now.acceptance.on
    if Settlement.objects.filter(account=account, state="waiting").exists():
        raise Conflict(
            "settlement_waits", "a settlement of this account waits for its payment; correct the vehicle after it"
        )
    new_credit, new_charge = (after.credit_g, after.charge_g) if after is not None else (0, 0)
    before = charge_unit(account.condition, now.result.vehicle_type, on)
    unit = charge_unit(account.condition, after.vehicle_type, on) if after is not None else before
    if unit != before and now.total_g:
        raise NotDetermined(
            "type_changed",
            "a charge whose vehicle's type changes is corrected by withdrawing the vehicle",
            missing=["vehicle_type"],
        )
    shortfall = _credits(work, account, now, new_credit - now.result.credit_g)
    change = new_charge - now.result.charge_g
    refund = taken = 0
    if change + shortfall < 0:
        refund = meeting.relieve(work, now, unit, -change - shortfall)
    elif change + shortfall > 0:
        taken = meeting.charge(work, now, unit, change + shortfall)
    accepted = now.ways[0]
    Correction.objects.create(
        claim=claim,
        before=now.result,
        after=after,
        operation_id=work.number,
        reason=reason,
        credit_change_g=new_credit - now.result.credit_g,
        charge_change_g=change,
        refund_cents=refund - taken,
        shortfall_g=shortfall,
        offset_g=accepted.kept_offset_g,
        money_g=accepted.kept_money_g,
    )
    return {
        "claim": claim.public_id,
        "on": str(on),
        "known": str(now.result.known),
        "credit_change_g": new_credit - now.result.credit_g,
        "charge_change_g": change,
        "shortfall_g": shortfall,
        "refund_cents": refund - taken,
    }


def _credits(work: Work, account: Account, now: Standing, change: int) -> int:
    """Issue more into the original lot, or take back from it; what is no longer there is owed. Gives the change of what is owed."""
    if not change:
        return 0
    on, subject = now.acceptance.on, now.result.pk
    unit = spending.unit_of(account)
    lot = work.lot(unit, account.pk, on.year, on)
    held = work.bucket(account.pk, "held", unit)
    cancelled = work.bucket(None, "cancelled", unit)
    if change > 0:  # what was owed for an earlier correction, first; what it took back comes again from where it went
        left = change - min(change, now.shortfall_g)
        sources = []
        for kind in (*spending.UNUSED, "held"):
            again = min(left, _taken_back(now, lot, kind))
            sources.append((cancelled, held if kind == "held" else work.bucket(None, kind, unit), again))
            left -= again
        sources.append((work.bucket(None, "issued", unit), held, left))
        for source, target, grams in sources:
            if grams:
                work.move(unit, source, target, grams, lot=lot, subject=subject)
        return -min(change, now.shortfall_g)
    shortfall = -change
    for kind in ("held", *spending.UNUSED):
        # What was of no use to anybody isn't owed.
        there = meeting.free(account, unit, lot) if kind == "held" else spending.unused(account.pk, lot, kind)
        taken = min(there, shortfall)
        if taken:
            source = held if kind == "held" else work.bucket(None, kind, unit)
            work.move(unit, source, cancelled, taken, lot=lot, subject=subject)
        shortfall -= taken
    return shortfall


def _taken_back(now: Standing, lot: int, kind: str) -> int:
    """Grams of the lot that the vehicle's corrections took back from a bucket and didn't give again."""
    results = Result.objects.filter(claim=now.line.claim_id).values("pk")
    moved = Movement.objects.filter(lot_id=lot, about="result", subject__in=results)
    out = moved.filter(source__kind=kind, target__kind="cancelled").aggregate(n=Sum("amount"))["n"] or 0
    back = moved.filter(source__kind="cancelled", target__kind=kind).aggregate(n=Sum("amount"))["n"] or 0
    return int(out) - int(back)
