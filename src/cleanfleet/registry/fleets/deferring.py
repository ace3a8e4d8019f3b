"""Deferring what a fleet year owes to the next year (s 179): on application, for one type, decided by the agency."""

from __future__ import annotations

from typing import Annotated, Any

import pydantic

from cleanfleet import credits as bank
from cleanfleet.registry.acceptance import spending
from cleanfleet.registry.ledger.operations import Action, Private, Work
from cleanfleet.registry.refusals import Conflict, Forbidden, NotVisible
from cleanfleet.registry.rulings import law

from . import fleet, years
from .models import Deferral, FleetYear, Share
from .states import DEFERRAL, OWNER, SHARE
from .years import OnYear, VehicleType


def deferred_to(work: Work, year: FleetYear) -> int:
    """The last year in which a fleet year's charge may be met, by the law of today.

    Raises :class:`NotDetermined` for a year whose deferral the law as read doesn't tell, :class:`Forbidden` where there is none.
    """
    policy = law.policy(work.today)
    work.law(policy)
    obligation = bank.Obligation(year.pk, "", "new", year.year, 0, kind=year.vehicle_type, deferred=True)
    try:
        last = bank.last_year(obligation, work.today, policy.known, law.bank(work.today))
    except bank.CreditError as error:
        raise spending.refusal(error) from error
    if last == year.year:
        raise Forbidden("not_permitted", f"a charge of {year.year} can't be deferred")
    return last


def _owing(year: FleetYear) -> list[Share]:
    return [share for share in year.shares.select_related("account").order_by("pk") if share.outstanding_g]


class RequestDeferral(OnYear):
    """Apply to meet what a determined fleet year owes in the next year, for one type; until the last day for settling it."""

    vehicle_type: VehicleType

    def run(self, work: Work) -> dict[str, Any]:
        account, _ = self.find_all(work)
        if OWNER not in years.permitted(work, account.holder):
            raise Forbidden("forbidden", "only the owner of one of the holder's accounts applies for a deferral")
        year = FleetYear.objects.filter(
            holder=account.holder, year=self.year, vehicle_type=self.vehicle_type, state="determined"
        ).first()
        if year is None:
            raise Conflict("not_determined_yet", f"the fleet year {self.year} of type {self.vehicle_type} isn't determined")
        if year.deferred_to is not None or year.deferrals.filter(ended=None).exists():
            raise Conflict(
                "twice", f"the deferral of {self.year}, type {self.vehicle_type}, is applied for or granted already"
            )
        owing = _owing(year)
        if not owing:
            raise Conflict("nothing_owed", "nothing is owed that could be deferred")
        if any(work.today > share.settle_by for share in owing):
            raise Conflict("too_late", f"the last day to apply was {max(share.settle_by for share in owing)}")
        last = deferred_to(work, year)
        made = Deferral.objects.create(
            public_id=work.id("dfr"),
            fleet_year=year,
            to_year=last,
            state=DEFERRAL.first,
            requested_on=work.today,
            begun_id=work.number,
        )
        return {"deferral": made.public_id, "state": made.state, "to_year": last}


class _OnDeferral(Action):
    """What operations on a deferral share."""

    deferral: str

    def find(self, work: Work) -> Deferral:
        found = Deferral.objects.filter(public_id=self.deferral).select_related("fleet_year__holder").first()
        held = years.permitted(work, found.fleet_year.holder) if found else set()
        if found is None or not any(p == OWNER or p.startswith("agency:") for p in held):
            raise NotVisible("not_found", f"there is no deferral {self.deferral!r} that you may see", field="deferral")
        years.lock_all(work, found.fleet_year.holder)
        return Deferral.objects.select_related("fleet_year__holder").get(pk=found.pk)

    def end(self, work: Work, found: Deferral, action: str) -> None:
        found.state = DEFERRAL.go(found.state, action, years.permitted(work, found.fleet_year.holder))
        found.ended_id = work.number
        found.save()


class DecideDeferral(_OnDeferral):
    """The agency's decision on a deferral. Granted, the grams keep their own year's rate and may be met by credits of the next year too."""

    granted: bool
    grounds: Annotated[Private, pydantic.Field(min_length=1, max_length=2000)]

    def run(self, work: Work) -> dict[str, Any]:
        found = self.find(work)
        year = found.fleet_year
        years.not_own(work, year.holder)
        self.end(work, found, "grant" if self.granted else "decline")
        shares = _owing(year)
        if self.granted:
            if deferred_to(work, year) != found.to_year:
                raise Conflict("law_changed", "the law as known today doesn't allow this deferral any more")
            year.deferred_to = found.to_year
            year.due_on = fleet.settled_by(fleet.reading(found.to_year), found.to_year)
            year.save()
            for share in shares:
                share.state = SHARE.go(share.state, "defer", years.permitted(work, year.holder))
                share.settle_by = year.due_on
                share.save()
        return {
            "deferral": found.public_id,
            "state": found.state,
            "to_year": found.to_year,
            "due_on": str(year.due_on),
            "deferred_g": sum(share.outstanding_g for share in shares) if self.granted else 0,
        }


class WithdrawDeferral(_OnDeferral):
    """Take an application for deferral back before it is decided."""

    def run(self, work: Work) -> dict[str, Any]:
        found = self.find(work)
        self.end(work, found, "withdraw")
        return {"deferral": found.public_id, "state": found.state}
