"""The registry's one clock: instants in UTC, and the civil day of the scheme's zone that decides.

Nothing else in the registry asks the time, and no SQL does. A demo or a test sets the clock; a real registry never does.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from zoneinfo import ZoneInfo

#: The zone whose civil day decides: New Zealand's, as the scheme's policy.yaml states.
ZONE = ZoneInfo("Pacific/Auckland")


def _system() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


_source: Callable[[], dt.datetime] = _system


def now() -> dt.datetime:
    """The instant, in UTC."""
    return _source()


def day_of(instant: dt.datetime) -> dt.date:
    """The civil day of an instant in New Zealand. An instant without an offset is refused."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant!r} has no offset from UTC")
    return instant.astimezone(ZONE).date()


def today() -> dt.date:
    """The civil day in New Zealand: it dates spending, transfer and acceptance."""
    return day_of(now())


def years_later(day: dt.date, years: int) -> dt.date:
    """The same day so many years later; 28 February for 29 February where there is none.

    >>> years_later(dt.date(2024, 2, 29), 5)
    datetime.date(2029, 2, 28)
    """
    try:
        return day.replace(year=day.year + years)
    except ValueError:  # 29 February
        return day.replace(year=day.year + years, day=28)


@contextmanager
def at(instant: dt.datetime | dt.date | str) -> Iterator[None]:
    """Hold the clock at an instant, or at noon of a civil day in New Zealand; for demos, replays and tests."""
    global _source
    if isinstance(instant, str):
        instant = dt.datetime.fromisoformat(instant) if "T" in instant else dt.date.fromisoformat(instant)
    if not isinstance(instant, dt.datetime):
        instant = dt.datetime.combine(instant, dt.time(12), tzinfo=ZONE)
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=ZONE)
    held = instant.astimezone(dt.UTC)
    before, _source = _source, lambda: held
    try:
        yield
    finally:
        _source = before
