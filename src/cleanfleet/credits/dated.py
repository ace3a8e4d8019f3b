"""Dated provisions on two clocks: from when a rule applies, and from when it was known."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")
BEGIN = dt.date.min


@dataclass(frozen=True, slots=True)
class Dated(Generic[T]):
    """One dated provision.

    ``value`` None says that the provision exists, but not what it says: whatever needs it is not determined. ``withdrawn``
    takes a coming step out again. ``pools``, ``kinds`` (empty: all) and ``years`` (first and last, inclusive; None: open)
    narrow what it is for; a year is a credit's vintage or an obligation's year. Of two layers the higher one wins, whatever
    its dates: an assumption laid over the law. ``name`` is what its owner calls it, ``marks`` go along with every result.
    """

    value: T | None
    applies_from: dt.date = BEGIN
    known_from: dt.date = BEGIN
    until: dt.date | None = None
    pools: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    years: tuple[int | None, int | None] = (None, None)
    withdrawn: bool = False
    layer: int = 0
    name: str = ""
    marks: tuple[str, ...] = ()

    def covers(self, pool: str, kind: str, year: int | None) -> bool:
        """Whether it is for this pool, kind and year; a year that isn't told is covered only by a provision for all years."""
        first, last = self.years
        if self.pools and pool not in self.pools:
            return False
        if self.kinds and kind not in self.kinds:
            return False
        if year is None:
            return first is None and last is None
        return (first is None or first <= year) and (last is None or year <= last)

    @property
    def narrowness(self) -> int:
        """How many of pool, kind and year it names."""
        return bool(self.pools) + bool(self.kinds) + (self.years != (None, None))

    def place(self) -> tuple[Any, ...]:
        """What a later record must have in common with this one to take its place."""
        return (frozenset(self.pools), frozenset(self.kinds), self.years, self.applies_from)


Series = tuple[Dated[T], ...]


def always(value: T, name: str = "") -> Series[T]:
    """A provision without dates.

    >>> in_force(always(3), dt.date(2026, 1, 1), dt.date(2026, 1, 1)).value
    3
    """
    return (Dated(value, name=name),)


def in_force(
    series: Iterable[Dated[T]], on: dt.date, known: dt.date, pool: str = "", kind: str = "", year: int | None = None
) -> Dated[T] | None:
    """The provision that applies on ``on``, as the law was known on ``known``; None where there is none.

    Of each place (pools, kinds, years, applies-from) the record known last counts, and not at all where it is withdrawn.
    Then the highest layer wins, then what applies from the latest day, then what was known last, then the narrower one.
    A record written later in the series wins over one of the same day.

    >>> day = dt.date.fromisoformat
    >>> life = (Dated(3), Dated(4, day("2026-01-01"), known_from=day("2025-11-30")))
    >>> in_force(life, day("2026-06-01"), known=day("2024-12-31")).value
    3
    >>> in_force(life, day("2026-06-01"), known=day("2026-06-01")).value
    4
    """
    best: dict[tuple[Any, ...], tuple[tuple[Any, ...], Dated[T]]] = {}
    for number, one in enumerate(series):
        if one.known_from > known or not one.covers(pool, kind, year):
            continue
        place, rank = one.place(), (one.layer, one.known_from, number)
        if place not in best or rank > best[place][0]:
            best[place] = (rank, one)
    fits = [
        (one.layer, one.applies_from, one.known_from, one.narrowness, rank[2], one)
        for rank, one in best.values()
        if not one.withdrawn and one.applies_from <= on and not (one.until and one.until <= on)
    ]
    return max(fits)[5] if fits else None  # the number in the series leaves no tie
