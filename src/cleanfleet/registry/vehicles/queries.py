"""What is read of vehicles: always of accounts that the principal may see."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Q, QuerySet, Sum

from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.ledger.models import Principal

from .models import Claim
from .states import CLAIM


def page(account: Account, *, state: str | None = None, after: int = 0, size: int = 50) -> QuerySet[Claim]:
    """A page of an account's vehicles by their number, without counting them all; ``after`` is the last one's id."""
    found = Claim.objects.filter(account=account, pk__gt=after)
    return (found.filter(state=state) if state else found).order_by("pk")[:size]


def dashboard(account: Account) -> dict[str, Any]:
    """How many vehicles stand where, and what the waiting ones would earn and cost today. One pass over the account's vehicles."""
    determined = Q(missing="")
    found = {
        row["state"]: row
        for row in Claim.objects.filter(account=account)
        .values("state")
        .annotate(
            n=Count("pk"),
            held=Count("pk", filter=~determined & Q(ended_on=None)),
            credit_g=Sum("preview_credit_g", filter=determined),
            charge_g=Sum("preview_charge_g", filter=determined),
        )
    }
    return {
        "states": {state: found[state]["n"] if state in found else 0 for state in CLAIM.shown},
        "held": sum(row["held"] for state, row in found.items() if state != "accepted"),
        "waiting_credit_g": found["ready"]["credit_g"] or 0 if "ready" in found else 0,
        "waiting_charge_g": found["ready"]["charge_g"] or 0 if "ready" in found else 0,
    }


def held(principal: Principal) -> QuerySet[Claim]:
    """The agency's queue: vehicles that the law as read doesn't determine, oldest first."""
    permissions.require_role(principal, "case_officer", "approver", "support", "auditor")
    return Claim.objects.filter(ended_on=None).exclude(missing="").exclude(state="accepted").order_by("entered_on", "pk")
