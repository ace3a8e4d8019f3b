"""What is read of vehicles: always of accounts that the principal may see."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection
from typing import Any, NamedTuple

from django.db.models import Count, Q, QuerySet, Sum

from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.ledger.models import Principal, PrivateText

from .models import Claim, Dispute, Identifier
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


#: The agency's roles that see the queues.
AGENCY = ("case_officer", "approver", "support", "auditor")


class HeldVehicle(NamedTuple):
    """A vehicle that the law doesn't determine, or not on confirmed values: on which account, since when, what is missing."""

    claim: str
    account: str
    vehicle: str
    entry_channel: str
    state: str
    since: dt.date
    missing: tuple[str, ...]


class OpenDispute(NamedTuple):
    """A dispute that waits: about which vehicle, who has to answer by when, what the holder said (None where it was erased)."""

    dispute: str
    claim: str
    account: str
    vehicle: str
    reason: str
    with_whom: str
    raised_on: dt.date
    answer_by: dt.date
    overdue: bool
    explanation: str | None


def held(principal: Principal) -> QuerySet[Claim]:
    """The agency's queue: vehicles that the law as read doesn't determine, held longest first."""
    permissions.require_role(principal, *AGENCY)
    waiting = Claim.objects.filter(ended_on=None, held_since__isnull=False)
    return waiting.exclude(state="accepted").order_by("held_since", "pk")


def held_page(principal: Principal, *, missing: str = "", after: int = 0, size: int = 100) -> list[HeldVehicle]:
    """A page of that queue, all rows or those that lack ``missing``; ``after`` is how many were shown before."""
    found = held(principal)
    if missing:
        exact = Q(missing=missing) | Q(missing__startswith=f"{missing}; ") | Q(missing__endswith=f"; {missing}")
        found = found.filter(exact | Q(missing__contains=f"; {missing}; "))
    page_ = list(found.select_related("account")[after : after + size])
    named = names({claim.vehicle_id for claim in page_})
    return [
        HeldVehicle(
            claim.public_id,
            claim.account.number,
            named.get(claim.vehicle_id, ""),
            claim.entry_channel,
            claim.state,
            claim.held_since or claim.entered_on,
            tuple(claim.missing.split("; ")),
        )
        for claim in page_
    ]


def held_counts(principal: Principal) -> dict[str, int]:
    """How many held vehicles lack what: ``missing:<name>`` or ``unconfirmed:<name>`` -> vehicles, most first."""
    counts: Counter[str] = Counter()
    for text, number in held(principal).order_by().values_list("missing").annotate(n=Count("pk")):
        for code in text.split("; "):
            counts[code] += number
    return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))


def disputes(principal: Principal, on: dt.date, *, with_whom: str = "") -> list[OpenDispute]:
    """The agency's queue of open disputes, soonest to be answered first; those that wait for ``certifier``, ``register`` or
    ``agency`` alone where it is given."""
    permissions.require_role(principal, *AGENCY, permissions.SYSTEM)
    return _disputes(Dispute.objects.filter(**({"with_whom": with_whom} if with_whom else {})), on)


def disputes_of(account: Account, on: dt.date) -> list[OpenDispute]:
    """The account's open disputes, soonest to be answered first."""
    return _disputes(Dispute.objects.filter(claim__account=account), on)


def _disputes(found: QuerySet[Dispute], on: dt.date) -> list[OpenDispute]:
    waiting = list(found.filter(answered=None).select_related("claim__account").order_by("answer_by", "pk"))
    named = names({one.claim.vehicle_id for one in waiting})
    said = dict(
        PrivateText.objects.filter(operation_id__in=[one.raised_id for one in waiting], field="explanation").values_list(
            "operation_id", "text"
        )
    )
    return [
        OpenDispute(
            one.public_id,
            one.claim.public_id,
            one.claim.account.number,
            named.get(one.claim.vehicle_id, ""),
            one.reason,
            one.with_whom,
            one.raised_on,
            one.answer_by,
            one.answer_by < on,
            said.get(one.raised_id),
        )
        for one in waiting
    ]


def names(vehicles: Collection[int]) -> dict[int, str]:
    """Vehicle -> what it is called: its VIN, otherwise the register's number, otherwise the chassis number."""
    found: dict[int, str] = {}
    numbers = sorted(vehicles)
    for start in range(0, len(numbers), 5000):
        part = Identifier.objects.filter(vehicle_id__in=numbers[start : start + 5000]).order_by("kind")
        found.update(part.values_list("vehicle_id", "value"))
    return found
