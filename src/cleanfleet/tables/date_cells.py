"""Dates and truth values written as text, and the civil date of a moment."""

from __future__ import annotations

import polars as pl

from ..law.columns import FALSE, TRUE

_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_MOMENT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?$"
_OFFSET = (
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2})(:[0-9]{2}(?:\.[0-9]+)?)? ?([Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)$"
)


def read_dates(cells: pl.Series, zone: str, date_format: str | None = None) -> tuple[pl.Series, pl.Series | None]:
    """Text cells (stripped, empty ones null) as dates, and the code of each refused cell (None where all are read).

    Read are 2026-03-31; 2026-03-31 with a time, which is local to ``zone``; with a time and an offset from UTC, whose date
    is that in ``zone``; and ``date_format`` (as for ``strptime``) where given, which then comes first. All else is
    ``not_a_date``.
    """
    name = cells.name
    dates: pl.Series = pl.repeat(None, len(cells), dtype=pl.Date, eager=True)
    if date_format is not None:
        has_time = any(mark in date_format for mark in ("%H", "%I", "%T", "%R"))
        if has_time:
            dates = cells.str.to_datetime(date_format, strict=False, time_unit="us", time_zone=None).dt.date()
        else:
            dates = cells.str.to_date(date_format, strict=False)
    for read in (_days, _moments, lambda rest: _with_offset(rest, zone)):
        open_ = cells.is_not_null() & dates.is_null()
        if not open_.any():
            break
        found = read(cells if open_.all() else cells.set(~open_, None))
        dates = dates.zip_with(dates.is_not_null(), found) if dates.null_count() < len(dates) else found
    refused = cells.is_not_null() & dates.is_null()
    codes = None
    if refused.any():
        codes = pl.select(pl.when(refused).then(pl.lit("not_a_date"))).to_series()
    return dates.alias(name), codes


def _days(cells: pl.Series) -> pl.Series:
    # to_date also takes 2026-3-31, which the pattern leaves out
    dates = cells.str.to_date("%Y-%m-%d", strict=False)
    return dates.set(~cells.str.contains(_DAY), None)


def _moments(cells: pl.Series) -> pl.Series:
    shaped = cells.set(~cells.str.contains(_MOMENT), None).str.replace("[Tt ]", "T")
    shaped = shaped.zip_with(shaped.str.len_bytes() != 16, shaped + ":00")
    return shaped.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", strict=False, time_unit="us", time_zone=None).dt.date()


def _with_offset(cells: pl.Series, zone: str) -> pl.Series:
    parts = cells.str.extract_groups(_OFFSET).struct.unnest()
    day, minute, rest, offset = parts.get_columns()
    offset = offset.str.replace("^[Zz]$", "+0000").str.replace(":", "", literal=True)
    offset = offset.zip_with(offset.str.len_bytes() != 3, offset + "00")
    whole = day + "T" + minute + rest.fill_null(":00") + offset
    moments = whole.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", strict=False, time_unit="us", time_zone="UTC")
    return civil_dates(moments, zone)


def civil_dates(moments: pl.Series, zone: str) -> pl.Series:
    """The civil date of each moment: as it stands where it has no zone, otherwise in ``zone``."""
    dtype = moments.dtype
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        moments = moments.dt.convert_time_zone(zone)
    return moments.dt.date()


def read_booleans(cells: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    """Text cells (stripped, empty ones null) as true or false; the others are ``not_a_boolean``."""
    words = cells.str.to_lowercase()
    truth = words.is_in(sorted(TRUE))
    known = truth | words.is_in(sorted(FALSE))
    refused = cells.is_not_null() & ~known
    codes = None
    if refused.any():
        codes = pl.select(pl.when(refused).then(pl.lit("not_a_boolean"))).to_series()
    return truth.set(~known, None).alias(cells.name), codes
