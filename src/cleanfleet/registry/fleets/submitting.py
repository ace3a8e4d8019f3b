"""Submitting a year before it is determined: the credits for its deficit are reserved, follow corrections, and are used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pydantic
from django.db.models import Sum

from cleanfleet.registry.acceptance.operations import Grams, Vintage
from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.ledger.operations import Work
from cleanfleet.registry.refusals import Conflict, Invalid, NotVisible, Short

from . import fleet, posting
from .models import Settlement, Share
from .reserving import begin, end, from_reserved, plan, take
from .states import CASE, FLEET_YEAR, SPEND
from .years import OnYear, VehicleType, share_of, year_of


class SubmitFleetYear(OnYear):
    """Submit a year that has ended, for one type and account, with the credits that its charge is to be met by: they are reserved at once.

    ``credits_g`` left out means the whole charge as it stands. Submitting again takes the place of what was submitted before.
    Nothing is owed before the year is determined.
    """

    vehicle_type: VehicleType
    credits_g: Grams | None = None
    vintages: list[Vintage] = pydantic.Field(default_factory=list)

    def run(self, work: Work) -> dict[str, Any]:
        account, _ = self.find_all(work)
        held = permissions.require(work.by, account, SPEND)
        self.must_have_ended(work)
        policy = fleet.reading(self.year)
        found = fleet.figures(policy, account.holder, self.year, fleet.members(account.holder, self.year))
        if self.vehicle_type not in found:
            raise NotVisible(
                "not_found", f"there is no fleet of type {self.vehicle_type} of {self.year}", field="vehicle_type"
            )
        figures = fleet.chargeable(policy, found[self.vehicle_type])
        work.law(policy)
        year = year_of(account.holder, self.vehicle_type, self.year)
        year.state = FLEET_YEAR.go(year.state, "submit", held)
        if work.today > year.due_on:
            raise Conflict("too_late", f"the fleet year {self.year} was to be submitted by {year.due_on}", field="year")
        if fleet.account_of(figures.members, account.condition) != account.pk:
            raise Conflict(
                "other_account", f"the {account.condition} share isn't on account {account.number}", field="account"
            )
        charge = figures.charge[account.condition]
        wanted = charge if self.credits_g is None else self.credits_g
        if wanted > charge:
            raise Invalid("credits_g", f"credits_g is {wanted}; the charge comes to {charge} g", field="credits_g")
        year.save()
        share = share_of(year, account)
        submitted(work, share, release=SPEND)
        settlement = reserve(work, share, wanted, self.vintages, whole=wanted == charge) if wanted else None
        return {
            "year": self.year,
            "vehicle_type": self.vehicle_type,
            "state": year.state,
            "charge_g": charge,
            "reserved_g": wanted,
            "settlement": settlement and settlement.public_id,
        }


def reserve(work: Work, share: Share, grams: int, vintages: Sequence[int], *, whole: bool) -> Settlement:
    work.post()
    takes = plan(share, grams, work.today, vintages).takes
    settlement = begin(work, share, grams, 0, 0, "reserve", whole=whole)
    take(work, share, settlement, takes, "reserved")
    return settlement


def submitted(work: Work, share: Share, *, release: str) -> None:
    """Free what is reserved by a submission."""
    for settlement in share.settlements.filter(state="reserved"):
        from_reserved(work, share, settlement, 0)
        end(work, settlement, "release", release)


def adjust(work: Work, share: Share, charge: int) -> dict[str, int]:
    """Bring what a submission reserved in line with a charge that changed before the determination; nothing is posted.

    Where the whole charge was submitted and rose, the rise is reserved too, or nothing of it where credits don't reach.
    """
    found = list(share.settlements.filter(state="reserved").order_by("pk"))
    before = sum(one.credits_g for one in found)
    over = before - charge
    for settlement in reversed(found):
        if over > 0:
            keep = max(0, settlement.credits_g - over)
            over -= settlement.credits_g - keep
            from_reserved(work, share, settlement, keep)
            settlement.credits_g = keep
            settlement.save()
            if not keep:
                end(work, settlement, "release", CASE)
    short = 0
    if before < charge and any(one.whole for one in found):
        try:
            reserve(work, share, charge - before, (), whole=True)
        except Short:
            short = charge - before
    now = share.settlements.filter(state="reserved").aggregate(n=Sum("credits_g"))["n"] or 0
    return {"reserved_before_g": before, "reserved_g": int(now), "not_reserved_g": short}


def use_submission(work: Work, share: Share) -> int:
    """Use what was reserved for the charge that is determined now, as far as that goes; the rest is free. Gives the grams used."""
    total = 0
    for settlement in share.settlements.filter(state="reserved").order_by("pk"):
        use = min(settlement.credits_g, share.outstanding_g)
        from_reserved(work, share, settlement, use, "used")
        if use:
            posting.meet(work, share, "met_by_credits", use)
        settlement.credits_g = use
        share.credits_g += use
        total += use
        end(work, settlement, "complete" if use else "release", CASE)
    return total
