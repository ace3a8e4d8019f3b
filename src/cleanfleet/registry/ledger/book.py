"""What stands in the book: balances, lots, what is missing for an operation."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import NamedTuple

from . import rows


class Held(NamedTuple):
    """What an owner has of one lot in one bucket."""

    lot: int
    owner: int
    vintage: int
    earned_on: dt.date
    origin: int | None
    amount: int
    kind: str


_BALANCES = """SELECT b.owner_id, b.kind, u.code, sum(n.amount) FROM ledger_bucket b
JOIN ledger_balance n ON n.bucket_id = b.id JOIN ledger_unit u ON u.id = b.unit_id
WHERE b.owner_id IN ({owners}) AND n.amount > 0 GROUP BY b.owner_id, b.kind, u.code"""

_LOTS = """SELECT l.id, l.owner_id, l.vintage, l.earned_on, l.origin_id, n.amount, b.kind FROM ledger_bucket b
JOIN ledger_balance n ON n.bucket_id = b.id JOIN ledger_lot l ON l.id = n.lot_id JOIN ledger_unit u ON u.id = b.unit_id
WHERE b.owner_id = %s AND u.code = %s AND b.kind IN ({kinds}) AND n.amount > 0 ORDER BY l.id"""


def balance(owner: int, kind: str, unit: str) -> int:
    """The amount in an owner's bucket, all lots together."""
    return balances(owner).get((kind, unit), 0)


def balances(owner: int) -> dict[tuple[str, str], int]:
    """(kind, unit) -> amount for all of an owner's buckets that hold something."""
    return balances_of([owner]).get(owner, {})


def balances_of(owners: Iterable[int]) -> dict[int, dict[tuple[str, str], int]]:
    """Owner -> (kind, unit) -> amount, for those of the owners that have something."""
    wanted = list(owners)
    found: dict[int, dict[tuple[str, str], int]] = {}
    for start in range(0, len(wanted), 5000):
        part = wanted[start : start + 5000]
        for owner, kind, unit, amount in rows.select(_BALANCES.format(owners=rows.marks(part)), part):
            found.setdefault(owner, {})[kind, unit] = int(amount)
    return found


def lots(owner: int, kinds: str | tuple[str, ...], unit: str) -> list[Held]:
    """What the owner has in a bucket (or in several), lot by lot."""
    wanted = (kinds,) if isinstance(kinds, str) else kinds
    found = rows.select(_LOTS.format(kinds=rows.marks(wanted)), [owner, unit, *wanted])
    return [
        Held(lot, of, vintage, _date(earned), origin, amount, kind)
        for lot, of, vintage, earned, origin, amount, kind in found
    ]


def _date(value: dt.date | str) -> dt.date:
    """A date as SQLite or PostgreSQL gives it."""
    return dt.date.fromisoformat(value) if isinstance(value, str) else value
