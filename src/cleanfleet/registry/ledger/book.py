"""What stands in the book: balances, lots, what is missing for an operation."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import NamedTuple

from django.db.models import Sum

from .models import Balance


class Held(NamedTuple):
    """What an owner has of one lot in one bucket."""

    lot: int
    owner: int
    vintage: int
    earned_on: dt.date
    origin: int | None
    amount: int


def balance(owner: int, kind: str, unit: str) -> int:
    """The amount in an owner's bucket, all lots together."""
    found = Balance.objects.filter(bucket__owner_id=owner, bucket__kind=kind, bucket__unit__code=unit).aggregate(
        n=Sum("amount")
    )
    return int(found["n"] or 0)


def balances(owner: int) -> dict[tuple[str, str], int]:
    """(kind, unit) -> amount for all of an owner's buckets that hold something."""
    return balances_of([owner]).get(owner, {})


def balances_of(owners: Iterable[int]) -> dict[int, dict[tuple[str, str], int]]:
    """Owner -> (kind, unit) -> amount, for those of the owners that have something."""
    found: dict[int, dict[tuple[str, str], int]] = {}
    rows = (
        Balance.objects.filter(bucket__owner_id__in=list(owners), amount__gt=0)
        .values_list("bucket__owner_id", "bucket__kind", "bucket__unit__code")
        .annotate(n=Sum("amount"))
    )
    for owner, kind, unit, amount in rows:
        if owner is not None:
            found.setdefault(owner, {})[kind, unit] = int(amount)
    return found


def lots(owner: int, kind: str, unit: str) -> list[Held]:
    """What the owner has in a bucket, lot by lot."""
    found = Balance.objects.filter(
        bucket__owner_id=owner, bucket__kind=kind, bucket__unit__code=unit, lot__isnull=False, amount__gt=0
    ).values_list("lot_id", "lot__owner_id", "lot__vintage", "lot__earned_on", "lot__origin_id", "amount")
    return [Held(*row) for row in found.order_by("lot_id")]
