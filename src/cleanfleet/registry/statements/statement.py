"""An account's statement for a period: opening balances, every movement, closing balances."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import polars as pl
from django.db.models import F, Q, Sum

from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.ledger.models import Movement
from cleanfleet.registry.vehicles.models import Identifier, Result

from .clients import of_clients
from .periods import checked


class Entry(NamedTuple):
    """One change of one of the account's buckets. ``amount`` is signed; grams CO2/km, or cents for NZD."""

    date: dt.date
    recorded_at: dt.datetime
    operation: str
    unit: str
    bucket: str
    vintage: int | None
    amount: int
    balance: int
    vehicle: str
    client: str
    reference: str


class Before(NamedTuple):
    """An entry of another register from before the account was taken in; it is no movement of this book. ``amount`` is signed."""

    register: str
    date: dt.date
    operation: str
    unit: str
    bucket: str
    vintage: int | None
    amount: int
    vehicle: str
    reference: str


#: What upper rooms know of an account from before it was here: functions of (account, first day, last day).
_BEFORE: list[Callable[[Account, dt.date, dt.date], list[Before]]] = []


def comes_before(find: Callable[[Account, dt.date, dt.date], list[Before]]) -> None:
    """Let an upper room tell of a period what another register had of the account."""
    _BEFORE.append(find)


@dataclass(frozen=True)
class Statement:
    """A statement: balances by (bucket, unit) before the first day and after the last, and what lies between.

    ``before`` are the period's entries of another register, where the account came from one; no balance counts them.
    """

    number: str
    name: str
    first: dt.date
    last: dt.date
    opening: dict[tuple[str, str], int]
    entries: tuple[Entry, ...]
    closing: dict[tuple[str, str], int]
    before: tuple[Before, ...] = ()

    def earlier(self) -> pl.DataFrame:
        """Another register's entries as a table."""
        schema = dict.fromkeys(Before._fields, pl.String) | {"date": pl.Date, "vintage": pl.Int64, "amount": pl.Int64}
        return pl.DataFrame([list(entry) for entry in self.before], schema=schema, orient="row")

    def frame(self) -> pl.DataFrame:
        """The entries as a table: cents as decimal dollars where the unit is NZD."""
        columns: dict[str, Any] = {
            "date": [e.date for e in self.entries],
            "operation": [e.operation for e in self.entries],
            "unit": [e.unit for e in self.entries],
            "bucket": [e.bucket for e in self.entries],
            "vintage": [e.vintage for e in self.entries],
            "amount": [e.amount for e in self.entries],
            "balance": [e.balance for e in self.entries],
            "vehicle": [e.vehicle for e in self.entries],
            "client": [e.client for e in self.entries],
            "reference": [e.reference for e in self.entries],
        }
        texts = {"operation", "unit", "bucket", "vehicle", "client", "reference"}
        schema = {name: pl.String if name in texts else pl.Date if name == "date" else pl.Int64 for name in columns}
        return pl.DataFrame(columns, schema=schema)

    def sheets(self) -> dict[str, pl.DataFrame]:
        """The tables of a workbook."""
        found = {"Balances": self.balances(), "Entries": self.frame()}
        return found | {"Before": self.earlier()} if self.before else found

    def balances(self) -> pl.DataFrame:
        """Opening and closing balance of each bucket, and the sum of its changes."""
        places = sorted(self.opening.keys() | self.closing.keys())
        rows = [
            (bucket, unit, self.opening.get((bucket, unit), 0), self.closing.get((bucket, unit), 0))
            for bucket, unit in places
        ]
        frame = pl.DataFrame(rows, schema=["bucket", "unit", "opening", "closing"], orient="row")
        return frame.with_columns(change=pl.col("closing") - pl.col("opening")) if rows else frame


def statement(account: Account, first: dt.date, last: dt.date, *, client: str | None = None) -> Statement:
    """The account's statement from ``first`` through ``last``; with ``client`` that client's vehicles alone ('' for those of no client).

    A client's statement has what moved because of the vehicles themselves (:mod:`.clients`), with balances of its own.

    Who asks must be allowed to see the account: callers come with an account from
    :func:`cleanfleet.registry.accounts.permissions.account_for`.
    """
    checked(first, last)
    every = Movement.objects.all() if client is None else of_clients(Movement.objects.all(), client)
    running: dict[tuple[str, str], int] = defaultdict(int)
    mine = Q(source__owner_id=account.pk) | Q(target__owner_id=account.pk)
    for side, sign in (("source", -1), ("target", 1)):
        before = every.filter(**{f"{side}__owner_id": account.pk, "seal__operation__effective_on__lt": first})
        for kind, unit, amount in (
            before.values_list(f"{side}__kind", "unit__code")
            .annotate(n=Sum("amount"))
            .values_list(f"{side}__kind", "unit__code", "n")
        ):
            running[kind, unit] += sign * int(amount)
    opening = {place: amount for place, amount in running.items() if amount}
    moved = (
        every.filter(mine, seal__operation__effective_on__range=(first, last))
        .order_by("seal__operation__effective_on", "seal__position", "line")
        .values_list(
            "seal__operation__effective_on",
            "seal__operation__recorded_at",
            "seal__operation__name",
            "unit__code",
            "lot__vintage",
            "amount",
            "subject",
            "about",
            *(F(f"{side}__{what}") for side in ("source", "target") for what in ("owner_id", "kind")),
        )
    )
    rows = list(moved)
    told = _vehicles({row[6] for row in rows if row[7] == "result"})
    entries = []
    for date, at, name, unit, vintage, amount, subject, about, source, source_kind, target, target_kind in rows:
        vehicle, of_client, reference = told.get(subject, ("", "", "")) if about == "result" else ("", "", "")
        for owner, kind, change in ((source, source_kind, -amount), (target, target_kind, amount)):
            if owner != account.pk:
                continue
            running[kind, unit] += change
            balance = running[kind, unit]
            entries.append(Entry(date, at, name, unit, kind, vintage, change, balance, vehicle, of_client, reference))
    closing = {place: amount for place, amount in running.items() if amount}
    earlier = () if client else tuple(entry for find in _BEFORE for entry in find(account, first, last))
    return Statement(account.number, account.name, first, last, opening, tuple(entries), closing, earlier)


def _vehicles(results: set[int]) -> dict[int, tuple[str, str, str]]:
    """Result -> (VIN or chassis number, client, own reference) of the vehicles behind movements."""
    found: dict[int, tuple[str, str, str]] = {}
    numbers = sorted(results)
    for start in range(0, len(numbers), 5000):
        part = list(
            Result.objects.filter(pk__in=numbers[start : start + 5000]).values_list(
                "pk", "claim__vehicle_id", "claim__client", "claim__own_reference"
            )
        )
        names = dict(
            Identifier.objects.filter(vehicle_id__in={vehicle for _, vehicle, _, _ in part})
            .order_by("kind")
            .values_list("vehicle_id", "value")
        )
        found.update({pk: (names.get(vehicle, ""), client, reference) for pk, vehicle, client, reference in part})
    return found
