"""How long credits live and obligations stay open, read from the rules in force when it is asked."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from .lots import Lot, Obligation
from .rules import BankRules, Reading
from .words import LifeBasis, ReceivedLife, year_end, years_after


def last_day(lot: Lot, on: dt.date, known: dt.date, rules: BankRules) -> dt.date:
    """The last day on which ``lot`` can be used, by the rules that apply on ``on`` as known on ``known``.

    It is usable through that day. ``datetime.date.max`` where credits don't expire. Raises :class:`NotDetermined` where the
    life isn't known.

    >>> from cleanfleet.credits import BankRules, Dated
    >>> day = dt.date.fromisoformat
    >>> rules = BankRules(
    ...     pools=("used",),
    ...     life_years=(Dated(3), Dated(4, day("2026-01-01"), day("2025-11-30"))),
    ...     none_expires_before=(Dated(day("2028-12-31"), day("2026-01-01"), day("2025-11-30")),),
    ... )
    >>> lot = Lot(1, "A", "used", 2023, day("2023-03-10"), 40)
    >>> last_day(lot, day("2026-02-01"), day("2024-12-31"), rules)
    datetime.date(2026, 3, 10)
    >>> last_day(lot, day("2026-02-01"), day("2026-02-01"), rules)
    datetime.date(2028, 12, 31)
    """
    return life(lot, rules.at(on, known))[0]


@dataclass(frozen=True, slots=True)
class Terms:
    """What the rules of one day say of the life of one pool's, kind's and vintage's credits. ``years`` None: no end."""

    years: int | None
    basis: LifeBasis
    least: dt.date
    received: ReceivedLife
    marks: tuple[str, ...]
    received_marks: tuple[str, ...]


def terms(reading: Reading, pool: str, kind: str, vintage: int) -> Terms:
    """The terms of life by a reading, which keeps them; raises :class:`NotDetermined`."""
    found = reading.kept.get((pool, kind, vintage))
    if found is None:
        received, received_marks = reading.value("received_life", "own", pool, kind, vintage)
        if reading.rules.life_years:
            years, year_marks = reading.needed("life_years", pool, kind, vintage)
            basis, basis_marks = reading.value("life_basis", "day", pool, kind, vintage)
            least, least_marks = reading.value("none_expires_before", dt.date.min, pool, kind, vintage)
            marks = (*year_marks, *basis_marks, *least_marks)
            found = Terms(years, basis, least, received, marks, received_marks)
        else:
            found = Terms(None, "day", dt.date.min, received, (), received_marks)
        reading.kept[pool, kind, vintage] = found
    assert isinstance(found, Terms)
    return found


def life(lot: Lot, reading: Reading) -> tuple[dt.date, tuple[str, ...]]:
    """:func:`last_day` by a reading, with the marks of the provisions it came from."""
    if lot.via == "pool" and lot.received_on is not None:
        return year_end(lot.received_on.year), ()  # what isn't used goes back into the common pool
    here = terms(reading, lot.pool, lot.kind, lot.vintage)
    last, marks = dt.date.max, here.marks
    if here.years is not None:
        if here.basis == "day":
            last = years_after(lot.earned_on, here.years)
        elif here.basis == "year_end":
            last = year_end(lot.earned_on.year + here.years)
        else:
            last = year_end(lot.vintage + here.years)
        last = max(last, here.least)
    if lot.received_on is not None:
        marks += here.received_marks
        if here.received == "year_received":
            last = min(last, year_end(lot.received_on.year))
    return last, marks


def last_year(obligation: Obligation, on: dt.date, known: dt.date, rules: BankRules) -> int:
    """The last year in which ``obligation`` can still be met with credits; past its end it is past due.

    Its own year, or so many years later as the rules let it be deferred (on application: only where that was granted).

    >>> from cleanfleet.credits import BankRules, Dated
    >>> rules = BankRules(pools=("a",), deferral_years=(Dated(1, years=(2023, 2025)), Dated(None, years=(2026, None))))
    >>> last_year(Obligation(1, "A", "a", 2024, 80), dt.date(2025, 3, 31), dt.date(2025, 3, 31), rules)
    2025
    """
    reading = rules.at(on, known)
    return open_until(reading, obligation.pool, obligation.kind, obligation.year, obligation.deferred)[0]


def open_until(reading: Reading, pool: str, kind: str, year: int, deferred: bool) -> tuple[int, tuple[str, ...]]:
    """:func:`last_year` by a reading, with marks."""
    if reading.rules.deferral_on_application and not deferred:
        return year, ()
    years, marks = reading.value("deferral_years", 0, pool, kind, year)
    return year + years, marks
