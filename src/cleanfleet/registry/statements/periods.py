"""A statement's period."""

from __future__ import annotations

import datetime as dt

from cleanfleet.registry.refusals import Invalid


def checked(first: dt.date, last: dt.date) -> None:
    """Raises :class:`Invalid` for a period whose last day lies before its first."""
    if last < first:
        raise Invalid("period", f"the period's last day {last} lies before its first day {first}", field="last")
