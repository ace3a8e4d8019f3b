"""A bank written apart from the one under test: one dictionary of rows, loops, and the laws of two made-up schemes.

It shares nothing with ``cleanfleet.credits`` but the words for what it counts. Every function gives None where it refuses.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

ACT = dt.date(2025, 11, 30)


def anniversary(day: dt.date, years: int) -> dt.date:
    last = calendar.monthrange(day.year + years, day.month)[1]
    return dt.date(day.year + years, day.month, min(day.day, last))


class GramLaw:
    """Two pools, life by day, a later law that lengthens it, exchange one to two since 2026, deferral of 2023 to 2025."""

    pools = ("new", "used")
    carries = False

    def last(self, row: Row, on: dt.date, known: dt.date) -> dt.date:
        if known >= ACT and on >= dt.date(2026, 1, 1):
            return max(anniversary(row.earned, 4), dt.date(2028, 12, 31))
        return anniversary(row.earned, 3)

    def ratio(self, source: str, on: dt.date, known: dt.date) -> tuple[int, int] | None:
        if known < ACT or on < dt.date(2026, 1, 1):
            return None
        return (1, 2) if source == "new" else (2, 1)

    def may_transfer(self, pool: str, on: dt.date) -> bool:
        return on >= dt.date(2023, 6, 1)

    def may_go_on(self, pool: str) -> bool:
        return True

    def limit(self, pool: str, year: int, deferred: bool) -> int:
        return year + (1 if deferred and 2023 <= year <= 2025 else 0)

    def may_defer(self, year: int) -> bool:
        return 2023 <= year <= 2025

    def serves(self, pool: str) -> tuple[str, ...]:
        return (pool,)


class FactorLaw:
    """Two pools, one of which serves the other; factors at the end of each year, life by vintage year, a common pool."""

    pools = ("fuel", "electric")
    carries = True

    def last(self, row: Row, on: dt.date, known: dt.date) -> dt.date:
        last = dt.date(row.vintage + (1 if row.pool == "electric" and row.vintage <= 2019 else 3), 12, 31)
        if row.pool == "fuel" and row.received:
            last = min(last, dt.date(row.received.year, 12, 31))
        return last

    def ratio(self, source: str, on: dt.date, known: dt.date) -> None:
        return None

    def may_transfer(self, pool: str, on: dt.date) -> bool:
        return True

    def may_go_on(self, pool: str) -> bool:
        return pool != "fuel"

    def limit(self, pool: str, year: int, deferred: bool) -> int:
        return year + (1 if pool == "electric" and year == 2020 else 0)

    def may_defer(self, year: int) -> bool:
        return False

    def serves(self, pool: str) -> tuple[str, ...]:
        return ("fuel", "electric") if pool == "fuel" else ("electric",)

    def factor(self, row: Row, fact: bool) -> Fraction | None:
        if row.pool == "fuel":
            return Fraction(8, 10) if row.vintage <= 2018 else Fraction(9, 10)
        if row.vintage <= 2019:
            return Fraction(1)
        return Fraction(1, 2) if row.vintage == 2020 or fact else None


@dataclass
class Row:
    number: int
    account: str
    pool: str
    vintage: int
    earned: dt.date
    origin: int
    received: dt.date | None = None
    carried: int | None = None
    free: int = 0
    reserved: int = 0
    issued: int = 0
    expired: int = 0
    cancelled: int = 0
    discounted: int = 0


@dataclass
class Owed:
    number: int
    account: str
    pool: str
    year: int
    amount: int
    deferred: bool = False


@dataclass
class Model:
    law: Any
    rows: list[Row] = field(default_factory=list)
    owed: list[Owed] = field(default_factory=list)
    holds: list[tuple[str, str, dt.date, list[tuple[Row, int]]]] = field(default_factory=list)
    totals: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    fractions: dict[tuple[str, str, int], Fraction] = field(default_factory=dict)

    def count(self, pool: str, bucket: str, amount: int) -> None:
        self.totals[pool, bucket] += amount

    def row(
        self, account: str, pool: str, vintage: int, earned: dt.date, origin: int | None, received: Any, carried: Any
    ) -> Row:
        """The row that such credits go to: its own where issued here (origin None), otherwise told by its origin."""
        for row in self.rows:
            same = (row.account, row.pool, row.vintage, row.earned, row.received, row.carried)
            own = row.origin == row.number if origin is None else (row.origin == origin and row.number != origin)
            if own and same == (account, pool, vintage, earned, received, carried):
                return row
        number = len(self.rows)
        self.rows.append(
            Row(number, account, pool, vintage, earned, number if origin is None else origin, received, carried)
        )
        return self.rows[-1]

    def issue(self, account: str, pool: str, vintage: int, earned: dt.date, amount: int) -> bool:
        row = self.row(account, pool, vintage, earned, None, None, None)
        row.free += amount
        row.issued += amount
        self.count(pool, "issued", amount)
        return True

    def usable(
        self, account: str, pool: str, on: dt.date, known: dt.date, *, limit: int | None, vintage: int | None, moving: bool
    ) -> list[Row]:
        found = []
        for row in self.rows:
            if row.account != account or row.pool != pool or row.earned > on or self.law.last(row, on, known) < on:
                continue
            if limit is not None and row.vintage > limit:
                continue
            if vintage is not None and row.vintage != vintage:
                continue
            if moving and row.received and not self.law.may_go_on(pool):
                continue
            found.append(row)
        return sorted(found, key=lambda row: (self.law.last(row, on, known), row.earned, row.number))

    def take(
        self,
        account: str,
        pools: tuple[str, ...],
        amount: int,
        on: dt.date,
        known: dt.date,
        *,
        year: int | None = None,
        limit: int | None = None,
        vintage: int | None = None,
        moving: bool = False,
        partly: bool = False,
    ) -> list[tuple[Row, int]] | None:
        rows = [
            row for pool in pools
            for row in self.usable(account, pool, on, known, limit=limit, vintage=vintage, moving=moving)
        ]  # fmt: skip
        if year is not None and self.law.carries:
            for row in rows:
                through = row.vintage - 1 if row.carried is None else row.carried
                if row.free and row.vintage < year and through < year - 1:
                    return None
        if sum(row.free for row in rows) < amount and not partly:
            return None
        taken = []
        for row in rows:
            part = min(row.free, amount)
            amount -= part
            if part:
                taken.append((row, part))
        return taken

    def spend(self, account: str, pool: str, amount: int, on: dt.date, known: dt.date, vintage: int | None) -> bool:
        taken = self.take(account, (pool,), amount, on, known, vintage=vintage)
        for row, part in taken or ():
            row.free -= part
            self.count(pool, "used", part)
        return taken is not None

    def reserve(self, account: str, pool: str, amount: int, on: dt.date, known: dt.date, until: dt.date) -> bool:
        taken = self.take(account, (pool,), amount, on, known)
        if taken is None:
            return False
        for row, part in taken:
            row.free -= part
            row.reserved += part
        self.holds.append((account, pool, until, taken))
        return True

    def post(self, place: int, on: dt.date, known: dt.date) -> bool:
        _, pool, _, taken = self.holds[place]
        if any(self.law.last(row, on, known) < on for row, _ in taken):
            return False
        for row, part in taken:
            row.reserved -= part
            self.count(pool, "used", part)
        del self.holds[place]
        return True

    def void(self, place: int) -> bool:
        for row, part in self.holds.pop(place)[3]:
            row.reserved -= part
            row.free += part
        return True

    def time_out(self, on: dt.date) -> bool:
        for place in reversed(range(len(self.holds))):
            if self.holds[place][2] < on:
                self.void(place)
        return True

    def transfer(self, giver: str, receiver: str, pool: str, amount: int, on: dt.date, known: dt.date) -> bool:
        if giver == receiver or not self.law.may_transfer(pool, on):
            return False
        taken = self.take(giver, (pool,), amount, on, known, moving=True)
        for row, part in taken or ():
            row.free -= part
            self.row(receiver, pool, row.vintage, row.earned, row.origin, on, row.carried).free += part
        return taken is not None

    def exchange(self, account: str, source: str, amount: int, on: dt.date, known: dt.date) -> bool:
        ratio = self.law.ratio(source, on, known)
        if ratio is None or amount % ratio[0]:
            return False
        taken = self.take(account, (source,), amount, on, known)
        if taken is None:
            return False
        target = self.law.pools[1 - self.law.pools.index(source)]
        units = [row for row, part in taken for _ in range(part)]  # one by one, a set belongs to its first unit's row
        for row, part in taken:
            row.free -= part
            self.count(source, "exchanged_out", part)
        for i in range(0, len(units), ratio[0]):
            row = units[i]
            self.row(account, target, row.vintage, row.earned, row.origin, row.received, row.carried).free += ratio[1]
            self.count(target, "exchanged_in", ratio[1])
        return True

    def expire(self, on: dt.date, known: dt.date) -> bool:
        for row in self.rows:
            if row.free and self.law.last(row, on, known) < on:
                row.expired += row.free
                self.count(row.pool, "expired", row.free)
                row.free = 0
        return True

    def revive(self, on: dt.date, known: dt.date) -> bool:
        for row in self.rows:
            if row.expired and self.law.last(row, on, known) >= on:
                row.free += row.expired
                self.count(row.pool, "expired", -row.expired)
                row.expired = 0
        return True

    def owe(self, account: str, pool: str, year: int, amount: int) -> bool:
        self.owed.append(Owed(len(self.owed), account, pool, year, amount))
        self.count(pool, "incurred", amount)
        return True

    def defer(self, place: int) -> bool:
        if not self.law.may_defer(self.owed[place].year):
            return False
        self.owed[place].deferred = True
        return True

    def offset(self, place: int, amount: int, on: dt.date, known: dt.date, *, partly: bool = False) -> bool:
        owed = self.owed[place]
        if amount > owed.amount or not owed.amount:
            return False
        taken = self.take(
            owed.account, self.law.serves(owed.pool), amount, on, known, year=owed.year,
            limit=self.law.limit(owed.pool, owed.year, owed.deferred), partly=partly,
        )  # fmt: skip
        for row, part in taken or ():
            row.free -= part
            owed.amount -= part
            self.count(row.pool, "used", part)
            self.count(owed.pool, "offset", part)
        return taken is not None

    def settle(self, account: str, on: dt.date, known: dt.date) -> bool:
        for owed in sorted(self.owed, key=lambda one: (one.year, one.number)):
            if owed.account == account and owed.amount and not self.offset(owed.number, owed.amount, on, known, partly=True):
                return False
        return True

    def past_due(self, year: int) -> bool:
        for owed in self.owed:
            if self.law.limit(owed.pool, owed.year, owed.deferred) < year:
                self.count(owed.pool, "past_due", owed.amount)
                owed.amount = 0
        return True

    def reverse(self, row: Row, amount: int) -> bool:
        if amount > row.issued or row.discounted:
            return False
        row.issued -= amount
        for name in ("free", "expired"):
            part = min(amount, getattr(row, name))
            setattr(row, name, getattr(row, name) - part)
            amount -= part
            row.cancelled += part
            self.count(row.pool, "cancelled", part)
            if name == "expired":
                self.count(row.pool, "expired", -part)
        if amount:
            self.owe(row.account, row.pool, row.vintage, amount)
        return True

    def carry(self, year: int, facts: dict[str, bool]) -> bool:
        rows = [row for row in self.rows if row.vintage <= year]
        if any(
            row.free + row.reserved and (row.vintage - 1 if row.carried is None else row.carried) < year - 1 for row in rows
        ) or any(row.reserved and (row.carried or 0) < year for row in rows):
            return False
        start = dt.date(year + 1, 1, 1)
        balances: dict[tuple[str, str, int], list[Row]] = {}
        for row in rows:
            if row.free and (row.carried or 0) < year:
                balances.setdefault((row.account, row.pool, row.vintage), []).append(row)
        for key in list(self.fractions):
            mine = [row for row in self.rows if (row.account, row.pool, row.vintage) == key]
            if not any(row.free + row.reserved for row in mine):
                del self.fractions[key]
        for key, found in balances.items():
            living = []
            for row in sorted(found, key=lambda row: (self.law.last(row, start, start), row.earned, row.number)):
                factor = self.law.factor(row, facts[row.account])
                if factor is None or self.law.last(row, start, start) < start:
                    row.expired += row.free
                    self.count(row.pool, "expired", row.free)
                    row.free = 0
                    if factor is None:
                        self.fractions.pop(key, None)
                else:
                    living.append(row)
            if living:
                exact = (sum(row.free for row in living) + self.fractions.get(key, 0)) * self.law.factor(
                    living[0], facts[key[0]]
                )
                whole = int(exact + Fraction(1, 2))
                self.fractions[key] = exact - whole
                total, before, given = sum(row.free for row in living), 0, 0
                for row in living:
                    before += row.free
                    kept = whole * before // total - given
                    given += kept
                    self.count(row.pool, "discounted", row.free - kept)
                    row.discounted += row.free - kept
                    row.free = kept
        for row in rows:
            row.carried = max(row.carried or 0, year)
        return True
