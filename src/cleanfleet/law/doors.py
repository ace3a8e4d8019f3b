"""The doors of the Polars path: columns in as integers, results out as columns.

In: each cell is checked (kind, range, vocabulary) and becomes an integer; what doesn't pass is refused with ``code:column``,
what is empty is absent. Out: exact decimals, words as Enums, reasons and flags as categories.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from .blocks import Array
from .cells import Cell
from .columns import FALSE as NO
from .columns import FIRST_DAY, FLOAT_NOISE, LAST_DAY, TRUE, Column, fold
from .errors import InputError
from .values import date_number

_FIRST_DAY = FIRST_DAY.toordinal() - dt.date(1970, 1, 1).toordinal()
_LAST_DAY = LAST_DAY.toordinal() - dt.date(1970, 1, 1).toordinal()


@dataclass
class Entered:
    """The inputs of a stretch of rows: integers, absence, and refusals (``code:column`` -> which rows)."""

    rows: int
    values: dict[str, Array | int] = field(default_factory=dict)
    absent: dict[str, Array | bool] = field(default_factory=dict)
    refused: dict[str, Array] = field(default_factory=dict)

    def only(self, rows: Array) -> Entered:
        """The same for some of the rows, by their places."""

        def some(held: Any) -> Any:
            return held[rows] if isinstance(held, np.ndarray) else held

        return Entered(len(rows), {n: some(v) for n, v in self.values.items()}, {n: some(v) for n, v in self.absent.items()})


def check_types(schema: pl.Schema, columns: Sequence[Column], policy: str) -> None:
    """Refuse a frame whose columns can't be read as what they should be; raises :class:`InputError`."""
    lacking = [column.name for column in columns if column.required and column.name not in schema]
    if lacking:
        raise InputError(f"{policy} needs the column{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}")
    for column in columns:
        dtype = schema.get(column.name)
        if dtype is None or dtype == pl.Null or column.kind == "text":
            continue
        fits = {
            "choice": dtype in (pl.String, pl.Categorical, pl.Enum) or dtype.is_integer(),
            "integer": dtype.is_numeric(),
            "decimal": dtype.is_numeric(),
            "date": dtype == pl.Date or dtype == pl.Datetime or dtype == pl.String,
            "boolean": dtype in (pl.Boolean, pl.String, pl.Categorical),
        }[column.kind]
        if not fits:
            raise InputError(
                f"column {column.name} is {dtype}; it needs {column.allowed}"
                + ("; texts are read by cleanfleet.tables" if dtype == pl.String else "")
            )


def enter(frame: pl.DataFrame, inputs: dict[str, Cell], zone: str) -> Entered:
    """The policy's input columns of ``frame`` as integers; columns that aren't there are absent in every row."""
    entered = Entered(frame.height)
    for name, cell in inputs.items():
        fill = cell.data.fill
        if name not in frame.columns or frame.schema[name] == pl.Null:
            entered.values[name], entered.absent[name] = fill, True
            continue
        series = frame[name]
        column: Column = cell.data.column
        if column.is_number:
            values, absent = _numbers(series, column, entered)
        elif column.kind == "date":
            values, absent = _dates(series, column, entered, zone)
        elif column.kind == "boolean":
            values, absent = _words(
                series, column, entered, {**dict.fromkeys(TRUE, 1), **dict.fromkeys(NO, 0)}, "not_a_boolean"
            )
        else:
            spellings = {spelling: cell.words.index(word) for spelling, word in column.folded().items()}
            values, absent = _words(series, column, entered, spellings, "unknown_value")
        if absent is not False:
            values = np.where(absent, fill, values)
        entered.values[name], entered.absent[name] = values, absent
    return entered


def _refuse(entered: Entered, code: str, column: Column, where: Array) -> None:
    if where.any():
        entered.refused[f"{code}:{column.name}"] = where


def _nulls(series: pl.Series) -> Array | bool:
    return series.is_null().to_numpy() if series.null_count() else False


def _merged(a: Array | bool, b: Array | None) -> Array | bool:
    if b is None or not b.any():
        return a
    return b if a is False else np.logical_or(a, b)


def _numbers(series: pl.Series, column: Column, entered: Entered) -> tuple[Array, Array | bool]:
    assert isinstance(column.minimum, Decimal)
    assert isinstance(column.maximum, Decimal)
    scale = 10**column.decimals
    low, high = int(column.minimum * scale), int(column.maximum * scale)
    dtype = series.dtype
    many = "not_whole" if column.decimals == 0 else "too_many_decimals"
    if dtype.is_float():
        raw = series.cast(pl.Float64).to_numpy()
        blank = np.isnan(raw)  # empty and not-a-number alike
        absent: Array | bool = blank if blank.any() else False
        with np.errstate(invalid="ignore", over="ignore"):
            shifted = np.where(blank, 0.0, raw) * scale
            near = np.rint(shifted)
            uneven = ~(np.abs(shifted - near) < float(FLOAT_NOISE))
            number = np.where(uneven, shifted, near)
            outside = ~((number >= low) & (number <= high))
        outside, uneven = outside & ~blank, uneven & ~blank
        values = np.where(outside | uneven | blank, low, near).astype(np.int64)
    elif dtype.is_decimal():
        absent = _nulls(series)
        values, outside, uneven = _decimals(series, column.decimals, low, high)
        if absent is not False:
            outside = outside & ~absent
    else:
        absent = _nulls(series)
        fits = series.cast(pl.Int64, strict=False)  # null where it is too large for that
        whole = (fits.fill_null(0) if fits.null_count() else fits).to_numpy()
        outside = (whole < -(-low // scale)) | (whole > high // scale)
        if fits.null_count() > series.null_count():
            outside = outside | fits.is_null().to_numpy()
        values = whole * scale
        uneven = np.zeros(0, dtype=bool)
        if absent is not False:
            outside = outside & ~absent
    _refuse(entered, "out_of_range", column, outside)
    if not uneven.size:
        return values, _merged(absent, outside)
    _refuse(entered, many, column, uneven & ~outside)
    return values, _merged(absent, outside | uneven)


def _decimals(series: pl.Series, places: int, low: int, high: int) -> tuple[Array, Array, Array]:
    """Exact decimals as integers of ``places`` places; which lie outside low to high, and which have more places."""
    own = getattr(series.dtype, "scale", 0) or 0
    unit, factor = 10 ** max(own - places, 0), 10 ** max(places - own, 0)
    physical = series.to_physical()
    narrow = physical.cast(pl.Int64, strict=False)
    dtype: Any = pl.Int128
    if unit < 2**62 and narrow.null_count() == physical.null_count():
        physical, dtype = narrow, pl.Int64
    top = 2**63 - 1 if dtype == pl.Int64 else 2**127 - 1
    least, most = -(-low * unit // factor), high * unit // factor

    def constant(number: int) -> pl.Expr:
        return pl.lit(max(-top, min(top, number)), dtype=dtype)

    number = pl.col("number")
    found = (
        physical.fill_null(0)
        .to_frame("number")
        .select(
            values=(number // constant(unit)).cast(pl.Int64, strict=False).fill_null(0),
            outside=(number < constant(least)) | (number > constant(most)),
            uneven=number % constant(unit) != 0,
        )
    )
    return found["values"].to_numpy() * factor, found["outside"].to_numpy(), found["uneven"].to_numpy()


@lru_cache(maxsize=1)
def _calendar() -> Array:
    days = np.arange(_FIRST_DAY, _LAST_DAY + 1).astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    year = months.astype("datetime64[Y]").astype(np.int64) + 1970
    month = months.astype(np.int64) % 12 + 1
    day = (days - months).astype(np.int64) + 1
    return np.asarray(year * 10000 + month * 100 + day)


def _dates(series: pl.Series, column: Column, entered: Entered, zone: str) -> tuple[Array, Array | bool]:
    assert isinstance(column.minimum, dt.date)
    assert isinstance(column.maximum, dt.date)
    refused: Array | None = None
    if series.dtype == pl.String:
        stripped = series.str.strip_chars()
        stripped = stripped.set(stripped == "", None)
        spelt = stripped.str.contains(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$") & ~stripped.str.starts_with("0000")
        parsed = stripped.set(~spelt, None).str.to_date("%Y-%m-%d", strict=False)
        refused = (parsed.is_null() & stripped.is_not_null()).to_numpy()
        _refuse(entered, "not_a_date", column, refused)
        series = parsed
    elif series.dtype == pl.Datetime:
        if getattr(series.dtype, "time_zone", None):
            series = series.dt.convert_time_zone(zone)
        series = series.dt.date()
    absent = _nulls(series)
    ordinal = series.fill_null(dt.date(1970, 1, 1)).to_physical().to_numpy().astype(np.int64)
    inside = (ordinal >= _FIRST_DAY) & (ordinal <= _LAST_DAY)
    values = _calendar()[np.where(inside, ordinal - _FIRST_DAY, 0)]
    outside: Array = ~inside | (values < date_number(column.minimum)) | (values > date_number(column.maximum))
    if absent is not False:
        outside = outside & ~absent
    _refuse(entered, "out_of_range", column, outside)
    return values, _merged(absent, outside)


def _words(
    series: pl.Series, column: Column, entered: Entered, spellings: dict[str, int], code: str
) -> tuple[Array, Array | bool]:
    if series.dtype == pl.Boolean:
        return series.fill_null(False).to_numpy().astype(np.int64), _nulls(series)
    if not len(series):
        return np.zeros(0, dtype=np.int64), False
    if series.dtype in (pl.Categorical, pl.Enum):
        words = series.unique().drop_nulls()
        present = words.to_physical().to_numpy()
        blank = int(present.max(initial=0)) + 1
        table = np.full(blank + 1, _EMPTY, dtype=np.int64)
        table[present] = [_spelt(word, spellings) for word in words.to_list()]
        found = table[series.to_physical().cast(pl.UInt32).fill_null(blank).to_numpy()]
    else:
        words = series.cast(pl.String).unique()
        codes = [_spelt(word, spellings) for word in words.to_list()]
        places = series.cast(pl.String).replace_strict(words, pl.Series(codes, dtype=pl.Int64), return_dtype=pl.Int64)
        found = places.to_numpy()
    lowest = found.min() if len(found) else 0
    if lowest >= 0:
        return found, False
    unknown = found == _UNKNOWN
    _refuse(entered, code, column, unknown)
    return found, found < 0


_EMPTY, _UNKNOWN = -1, -2


def _spelt(word: str | None, spellings: dict[str, int]) -> int:
    if word is None or not word.strip():
        return _EMPTY
    return spellings.get(fold(word), _UNKNOWN)


# -- out


def decimals(values: Array, valid: Array, places: int) -> pl.Series:
    """Integers of ``places`` decimal places as an exact decimal column, null where not ``valid``."""
    pairs = np.empty((len(values), 2), dtype=np.int64)
    pairs[:, 0] = values
    pairs[:, 1] = values >> 63
    bits = None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
    array = pa.Array.from_buffers(pa.decimal128(18, places), len(values), [bits, pa.py_buffer(pairs)])
    return pl.Series(pl.from_arrow(array))


def integers(values: Array, valid: Array) -> pl.Series:
    series = pl.Series(values.astype(np.int64, copy=False))
    return series if valid.all() else series.set(pl.Series(~valid), None)


def words_out(codes: Array, valid: Array, words: Sequence[str]) -> pl.Series:
    """Codes as an Enum column over ``words``, null where not ``valid``."""
    enum = pl.Enum(words)
    lookup = pl.Series([*words, None], dtype=enum)
    return lookup.gather(np.where(valid, codes, len(words)).astype(np.uint32))


def texts_out(codes: Array, text: Any) -> pl.Series:
    """Each code as the text that ``text(code)`` makes of it, null for an empty text; a category for each text."""
    if not len(codes):
        return pl.Series([], dtype=pl.Categorical)
    top = int(codes.max())
    inverse: Array
    if top < 1 << 16:
        present = np.flatnonzero(np.bincount(codes, minlength=1))
        places = np.zeros(top + 1, dtype=np.uint32)
        places[present] = np.arange(len(present), dtype=np.uint32)
        inverse = places[codes]
    else:
        present, inverse = np.unique(codes, return_inverse=True)
    texts = [text(int(code)) or None for code in present]
    return pl.Series(texts, dtype=pl.Categorical).gather(inverse.astype(np.uint32))
