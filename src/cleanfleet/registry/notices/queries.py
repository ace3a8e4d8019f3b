"""What is read of notices."""

from __future__ import annotations

from django.db.models import QuerySet

from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.ledger.models import Principal

from .models import Notice


def of_account(account: Account) -> QuerySet[Notice]:
    """The notices about an account that its holder may read: those to its members, and reminders of what others owe it; the latest
    first. Who asks must be allowed to see the account."""
    return Notice.objects.filter(account=account).exclude(recipient__startswith="agency:").order_by("-pk")


def of_role(principal: Principal, role: str) -> QuerySet[Notice]:
    """The notices to a role of the agency, for those who have it; the latest first."""
    permissions.require_role(principal, role)
    return Notice.objects.filter(recipient=f"agency:{role}").select_related("account").order_by("-pk")


def to_send(after: int = 0) -> QuerySet[Notice]:
    """Notices in the order in which they were made, from the one after ``after`` on: for whoever sends them."""
    return Notice.objects.filter(pk__gt=after).select_related("account").order_by("pk")
