"""What is read of fleets: always of accounts that the principal may see, or by the agency's roles."""

from __future__ import annotations

from typing import Any

from django.db.models import F, QuerySet

from cleanfleet.registry import clock
from cleanfleet.registry.acceptance.models import Acceptance
from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.ledger.models import Principal
from cleanfleet.registry.rulings import law

from . import fleet, years
from .fleet import CONDITIONS, Figures
from .models import Application, Deferral, FleetYear, Share

#: The agency's roles that see fleets of all holders.
AGENCY = ("case_officer", "approver", "finance", "support", "auditor")


def position(account: Account, year: int) -> dict[str, Any]:
    """The running position of the holder's fleet: a quote for each type, by the law as known today (of a past year: on its 31 December).

    ``types`` maps A and B to counts, the mean tare as an exact sum and count, fleet target and average (g/km, shown at 0.0001), the net
    sum in 0.0001 g/km, whole grams of credit and charge by condition, cents at the year's rate, and the marks of doubtful values.
    Nothing of it is owed or held before the year is determined.
    """
    over = clock.today() > fleet.year_end(year)
    policy = fleet.reading(year) if over else law.policy(clock.today())
    found = fleet.figures(policy, account.holder, year, fleet.members(account.holder, year))
    return {
        "year": year,
        "quote": True,
        "on": str(fleet.year_end(year)),
        "known": str(policy.known),
        "settle_by": str(fleet.settled_by(policy, year)),
        "types": {vehicle_type: _shown(figures) for vehicle_type, figures in sorted(found.items())},
    }


def _shown(figures: Figures) -> dict[str, Any]:
    number = sum(figures.count.values())
    return {
        "status": figures.status,
        "reason": figures.reason,
        "vehicles": number,
        "count_new": figures.count["new"],
        "count_used": figures.count["used"],
        "tare_sum_kg": figures.tare_kg,
        "mean_tare_kg": figures.mean_tare_kg,
        "target_g_per_km": figures.target_g_per_km,
        "average_g_per_km": figures.average_g_per_km,
        "net": figures.net,
        **{f"credit_{c}_g": figures.credit[c] for c in CONDITIONS},
        **{f"charge_{c}_g": figures.charge[c] for c in CONDITIONS},
        "charge_cents": figures.charge_cents,
        "charge_other_reading_cents": figures.other_reading_cents,
        "flags": figures.flags,
    }


def statement(account: Account, year: int) -> list[dict[str, Any]]:
    """What was determined of the holder's year, version by version, and where the shares stand now; one entry for each type."""
    found = FleetYear.objects.filter(holder=account.holder, year=year).order_by("vehicle_type")
    told = []
    for one in found:
        versions = one.determinations.order_by("number").values(
            "public_id", "number", "operation_id", "operation__recorded_at", "on", "known", "law_id", "reason",
            "count_new", "count_used", "tare_kg", "target", "average", "net", "credit_new_g", "credit_used_g",
            "charge_new_g", "charge_used_g", "charge_cents", "flags",
        )  # fmt: skip
        shares = one.shares.select_related("account", "fleet_year").order_by("pk")
        told.append(
            {
                "vehicle_type": one.vehicle_type,
                "state": one.state,
                "due_on": one.due_on,
                "deferred_to": one.deferred_to,
                "determinations": list(versions),
                "shares": [years.told(share) for share in shares],
            }
        )
    return told


def net_position(account: Account) -> dict[str, Any]:
    """For the dashboard: the running year's quote in grams on this account, and what of determined years is outstanding or due."""
    year = clock.today().year
    figures = position(account, year)["types"].values()
    shares = Share.objects.filter(account=account).exclude(state="settled").select_related("fleet_year", "account")
    side = account.condition
    return {
        "year": year,
        "net_g": sum(one[f"credit_{side}_g"] - one[f"charge_{side}_g"] for one in figures),
        "open": [years.told(share) for share in shares.order_by("settle_by", "pk")],
    }


def applications(principal: Principal) -> QuerySet[Application]:
    """The agency's queue of applications that wait, the oldest first."""
    permissions.require_role(principal, *AGENCY)
    return Application.objects.filter(ended=None).select_related("holder").order_by("pk")


def deferrals(principal: Principal) -> QuerySet[Deferral]:
    """The agency's queue of deferrals that wait, the oldest first."""
    permissions.require_role(principal, *AGENCY)
    return Deferral.objects.filter(ended=None).select_related("fleet_year__holder").order_by("pk")


def to_determine(principal: Principal) -> list[tuple[str, int]]:
    """(holder, year) whose year has ended and isn't determined, the oldest year first."""
    permissions.require_role(principal, *AGENCY)
    today = clock.today()
    accepted = Acceptance.objects.filter(scheme="fleet", state="accepted", on__lt=today.replace(month=1, day=1))
    ended = set(accepted.values_list("account__holder__public_id", "on__year").distinct())
    done = set(FleetYear.objects.filter(state="determined").values_list("holder__public_id", "year"))
    return sorted(ended - done, key=lambda one: (one[1], one[0]))


def overdue(principal: Principal) -> QuerySet[Share]:
    """Shares with money due, the longest due first; without interest, of which no rule was found."""
    permissions.require_role(principal, *AGENCY)
    waiting = Share.objects.filter(payable_cents__gt=0) | Share.objects.filter(
        charge_g__gt=F("credits_g") + F("money_g"), settle_by__lt=clock.today()
    )
    return waiting.select_related("fleet_year__holder", "account").order_by("settle_by", "pk")
