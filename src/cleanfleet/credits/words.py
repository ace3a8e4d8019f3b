"""Named ways of counting and rounding that rules choose between."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from typing import Literal

#: ``day``: the same day, so many years after it was earned (29 February: the 28th where there is none). ``year_end``:
#: 31 December of the year that that day lies in. ``vintage_year``: 31 December, so many years after the vintage.
LifeBasis = Literal["day", "year_end", "vintage_year"]
#: ``own``: the life it had. ``year_received``: at most to the end of the calendar year in which it was received.
ReceivedLife = Literal["own", "year_received"]
#: ``any``; ``up_to_year``: vintages up to the obligation's year, or up to the last year that it may be deferred to.
VintageRule = Literal["any", "up_to_year"]
#: ``half_up``: half a unit goes up. ``down``, ``up``: to the next whole unit below, above.
Rounding = Literal["half_up", "down", "up"]


def rounded(number: Fraction, how: Rounding) -> int:
    """``number`` as a whole number.

    >>> [rounded(Fraction(501, 2), how) for how in ("half_up", "down", "up")]
    [251, 250, 251]
    """
    if how == "half_up":
        return (2 * number.numerator + number.denominator) // (2 * number.denominator)
    if how == "down":
        return number.numerator // number.denominator
    return -(-number.numerator // number.denominator)


def years_after(day: dt.date, years: int) -> dt.date:
    """The same day, ``years`` later; 29 February becomes the 28th in a common year. Beyond the calendar: its last day.

    >>> years_after(dt.date(2024, 2, 29), 3), years_after(dt.date(2024, 2, 29), 4)
    (datetime.date(2027, 2, 28), datetime.date(2028, 2, 29))
    """
    if day.year + years > dt.MAXYEAR:
        return dt.date.max
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)


def year_end(year: int) -> dt.date:
    """31 December of ``year``; beyond the calendar its last day."""
    return dt.date(min(year, dt.MAXYEAR), 12, 31)
