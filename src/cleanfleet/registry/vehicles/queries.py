"""What is read of vehicles: always of accounts that the principal may see."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, QuerySet, Sum

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
    """How many vehicles stand where, and what the waiting ones would earn and cost today."""
    counts = dict(Claim.objects.filter(account=account).values_list("state").annotate(n=Count("pk")))
    waiting = Claim.objects.filter(account=account, state="ready", missing="").aggregate(
        credit_g=Sum("preview_credit_g"), charge_g=Sum("preview_charge_g")
    )
    return {
        "states": {state: counts.get(state, 0) for state in CLAIM.shown},
        "held": Claim.objects.filter(account=account, ended_on=None).exclude(missing="").exclude(state="accepted").count(),
        "waiting_credit_g": waiting["credit_g"] or 0,
        "waiting_charge_g": waiting["charge_g"] or 0,
    }


def held(principal: Principal) -> QuerySet[Claim]:
    """The agency's queue: vehicles that the law as read doesn't determine, oldest first."""
    permissions.require_role(principal, "case_officer", "approver", "support", "auditor")
    return Claim.objects.filter(ended_on=None).exclude(missing="").exclude(state="accepted").order_by("entered_on", "pk")
