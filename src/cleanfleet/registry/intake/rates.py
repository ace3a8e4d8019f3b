"""The law's rate of a unit of charge, whichever room asks for it."""

from __future__ import annotations

import datetime as dt

from cleanfleet.registry.charges import settling
from cleanfleet.registry.fleets.fleet import cents_per_gram, reading


def rate_of(unit: str, today: dt.date) -> int:
    """Cents for each gram of ``charge:used:A:2025`` or ``charge:new:B:2025:fleet``. Raises :class:`NotDetermined`."""
    _, condition, _, year, *fleet = unit.split(":")
    if fleet:
        return cents_per_gram(reading(int(year), today), int(year), condition)[0]
    return settling.rate(unit, today)
