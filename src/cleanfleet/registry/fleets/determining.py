"""The year's end: determining what a fleet year earned or owes, and correcting it later by the difference."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection
from typing import Annotated, Any, Literal

import pydantic
from django.conf import settings

from cleanfleet.law.policy import Policy
from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.models import Account, Holder
from cleanfleet.registry.ledger import rows
from cleanfleet.registry.ledger.operations import Private, Work
from cleanfleet.registry.refusals import Conflict, Invalid

from . import fleet, posting, settling, submitting, years
from .fleet import CONDITIONS, Figures
from .models import Counted, Determination, FleetYear, Share
from .states import CASE, FLEET_YEAR, SHARE
from .years import OnYear

Reason = Literal["wrong_data", "register_corrected", "appeal", "law_read_anew"]
Grounds = Annotated[Private, pydantic.Field(min_length=1, max_length=2000)]


class DetermineFleetYear(OnYear):
    """Determine a year that has ended, all types at once, from the vehicles accepted in it, under the law of 31 December.

    The law is read as known on 31 December, or on ``known``, a later day up to today, where a value was published after the
    year's end. A surplus becomes credits of the year's vintage, earned on 31 December; a deficit is owed at once, and what was
    submitted for it is used.
    """

    known: dt.date | None = None

    def run(self, work: Work) -> dict[str, Any]:
        account, accounts = self.find_all(work)
        held = permissions.permissions(work.by)
        FLEET_YEAR.go(FLEET_YEAR.first, "determine", held)
        self.must_have_ended(work)
        holder = account.holder
        years.not_own(work, holder)
        policy = law_of(work, self.year, self.known)
        found = fleet.figures(policy, holder, self.year, fleet.members(holder, self.year))
        if not found:
            raise Conflict("no_fleet", f"no vehicle was accepted under fleet average in {self.year}", field="year")
        types = {}
        for vehicle_type, figures in found.items():
            year = years.year_of(holder, vehicle_type, self.year)
            year.state = FLEET_YEAR.go(year.state, "determine", held)
            types[vehicle_type] = _determine(work, year, accounts, policy, figures, "year_end")
        return {"year": self.year, "known": str(policy.known), "types": types}


class RedetermineFleetYear(OnYear):
    """Determine a year anew, as the next version, where its vehicles or the law as known have changed: only the difference is posted."""

    reason: Reason
    grounds: Grounds
    known: dt.date | None = None

    def run(self, work: Work) -> dict[str, Any]:
        account, accounts = self.find_all(work)
        state = "determined" if is_determined(account.holder, self.year) else FLEET_YEAR.first
        FLEET_YEAR.go(state, "correct", permissions.permissions(work.by))
        years.not_own(work, account.holder)
        policy = law_of(work, self.year, self.known or last_known(account.holder, self.year))
        done = again(work, account.holder, accounts, self.year, fleet.TYPES, policy, self.reason)
        if not done:
            raise Conflict("nothing_changed", f"vehicles and law of {self.year} are those of the last determination")
        return {"year": self.year, "known": str(policy.known), "types": done}


def law_of(work: Work, year: int, known: dt.date | None) -> Policy:
    if known is not None and not fleet.year_end(year) <= known <= work.today:
        raise Invalid(
            "known", f"known is {known}; allowed is a day from {fleet.year_end(year)} to {work.today}", field="known"
        )
    policy = fleet.reading(year, known)
    work.law(policy)
    return policy


def is_determined(holder: Holder, year: int) -> bool:
    return FleetYear.objects.filter(holder=holder, year=year, state="determined").exists()


def last_known(holder: Holder, year: int) -> dt.date | None:
    """The day up to which the law was read when the year was last determined."""
    found = Determination.objects.filter(fleet_year__holder=holder, fleet_year__year=year).order_by("-pk").first()
    return None if found is None else found.known


#: What upper rooms hold against determining a year anew: functions of its last determination that refuse.
_CHECKS: list[Callable[[Determination], None]] = []


def may_determine_anew(check: Callable[[Determination], None]) -> None:
    """Let an upper room refuse to determine a fleet year anew: ``check(last determination)`` raises the refusal."""
    _CHECKS.append(check)


def again(
    work: Work,
    holder: Holder,
    accounts: dict[int, Account],
    number: int,
    types: Collection[str],
    policy: Policy,
    reason: str,
) -> dict[str, Any]:
    """Determine the types of a determined year anew, where anything changed."""
    found = fleet.figures(policy, holder, number, fleet.members(holder, number))
    done = {}
    for vehicle_type in types:
        figures = found.get(vehicle_type)
        existing = FleetYear.objects.filter(holder=holder, year=number, vehicle_type=vehicle_type).first()
        if figures is None and existing is None:
            continue
        figures = figures or _none(vehicle_type)
        year = existing or years.year_of(holder, vehicle_type, number)
        last = year.determinations.order_by("-number").first()
        if last is not None and (last.inputs_digest, last.law_id) == (figures.inputs_digest, policy.digest):
            continue
        if last is None and not figures.members:
            continue
        if last is not None:
            for check in _CHECKS:
                check(last)
        year.state = FLEET_YEAR.go(year.state, "correct" if last is not None else "determine", {CASE})
        done[vehicle_type] = _determine(work, year, accounts, policy, figures, reason)
    return done


def _none(vehicle_type: str) -> Figures:
    """A fleet that every vehicle has left."""
    zero = dict.fromkeys(CONDITIONS, 0)
    return Figures(vehicle_type, "determined", "", dict(zero), 0, None, None, None, 0, dict(zero), dict(zero), 0, 0, "", ())


def _determine(
    work: Work, year: FleetYear, accounts: dict[int, Account], policy: Policy, figures: Figures, reason: str
) -> dict[str, Any]:
    """The next version of a fleet year's determination, and the difference that it makes on each account (``net`` in 0.0001 g/km)."""
    fleet.chargeable(policy, figures)
    year.save()
    last = year.determinations.order_by("-number").first()
    made = Determination.objects.create(
        public_id=work.id("det"),
        fleet_year=year,
        number=1 if last is None else last.number + 1,
        operation_id=work.number,
        on=fleet.year_end(year.year),
        known=policy.known,
        law_id=policy.digest,
        reason=reason,
        count_new=figures.count["new"],
        count_used=figures.count["used"],
        tare_kg=figures.tare_kg,
        target=figures.target_g_per_km,
        average=figures.average_g_per_km,
        net=figures.net,
        credit_new_g=figures.credit["new"],
        credit_used_g=figures.credit["used"],
        charge_new_g=figures.charge["new"],
        charge_used_g=figures.charge["used"],
        charge_cents=figures.charge_cents,
        flags=figures.flags[:500],
        inputs_digest=figures.inputs_digest,
    )
    rows.insert(
        Counted._meta.db_table,
        ("determination_id", "result_id"),
        [(made.pk, member.result) for member in figures.members],
    )
    parts = []
    for condition in CONDITIONS:
        share = _share(year, accounts, figures, condition)
        if share is not None:
            parts.append(_post(work, share, figures.signed(condition)))
    return {
        "determination": made.public_id,
        "number": made.number,
        "vehicles": len(figures.members),
        "net": figures.net,
        "credit_g": figures.credit,
        "charge_g": figures.charge,
        "charge_cents": figures.charge_cents,
        "shares": parts,
    }


def _share(year: FleetYear, accounts: dict[int, Account], figures: Figures, condition: str) -> Share | None:
    """Where the condition's part lands: where it was before, else on the oldest account that accepted such vehicles."""
    found = next((s for s in year.shares.order_by("pk") if accounts[s.account_id].condition == condition), None)
    if found is not None:
        found.fleet_year, found.account = year, accounts[found.account_id]
        return found
    account = fleet.account_of(figures.members, condition)
    return None if account is None else years.share_of(year, accounts[account])


def _post(work: Work, share: Share, signed: int) -> dict[str, Any]:
    share.state = SHARE.go(share.state, "determine" if share.state == SHARE.first else "reopen", {CASE})
    done = posting.post(work, share, signed - (share.issued_g - share.charge_g))
    used = submitting.use_submission(work, share)
    if done.charged_g and work.today > share.fleet_year.due_on:
        share.settle_by = max(share.settle_by, years.days_later(work.today, settings.OPTIONS["CLEANFLEET_SETTLE_DAYS"]))
    settling.after(work, share)
    return {**years.told(share), "change": done._asdict(), "used_of_submission_g": used}
