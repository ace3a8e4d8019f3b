"""The doors into the Polars path: columns become integers (and out of it: :mod:`.answers`).

Each cell is checked (kind, range, vocabulary) and becomes an integer; what doesn't pass is refused with ``code:column``, what
is empty is absent.
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

from .blocks import BLOCK, Array, dtype_of
from .cells import Cell
from .columns import FALSE as NO
from .columns import FIRST_DAY, FLOAT_NOISE, LAST_DAY, TRUE, Column, fold
from .errors import InputError

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


def enter(frame: pl.DataFrame, inputs: dict[str, Cell], zone: str, learned: dict[str, Words] | None = None) -> Entered:
    """The policy's input columns of ``frame`` as integers; columns that aren't there are absent in every row.

    ``learned`` keeps the words that were read, for further calls with the same inputs.
    """
    learned = {} if learned is None else learned
    entered = Entered(frame.height)
    for name, cell in inputs.items():
        fill = cell.data.fill
        if name not in frame.columns or frame.schema[name] == pl.Null:
            entered.values[name], entered.absent[name] = fill, True
            continue
        series = frame[name]
        column: Column = cell.data.column
        if column.is_number:
            values, absent = _numbers(series, column, entered, fill)
        elif column.kind == "date":
            values, absent = _dates(series, column, entered, zone, fill)
        elif column.kind == "boolean":
            spellings = {**dict.fromkeys(TRUE, 1), **dict.fromkeys(NO, 0)}
            values, absent = _words(series, column, entered, spellings, "not_a_boolean", fill, np.bool_, learned)
        else:
            spellings = {spelling: cell.words.index(word) for spelling, word in column.folded().items()}
            values, absent = _words(series, column, entered, spellings, "unknown_value", fill, dtype_of(cell), learned)
        entered.values[name], entered.absent[name] = values, absent
    return entered


def _refuse(entered: Entered, code: str, column: Column, where: Array) -> None:
    if where.any():
        entered.refused[f"{code}:{column.name}"] = where


def _nulls(series: pl.Series) -> Array | bool:
    return series.is_null().to_numpy() if series.null_count() else False


def _raw(series: pl.Series) -> tuple[Array, Array | bool]:
    """A column of numbers as it lies in memory, not to be written to, and which are absent; those hold anything."""
    array = series.to_arrow()
    bits, values = array.buffers()
    start, stop = array.offset, array.offset + len(array)
    found = np.frombuffer(values, dtype=array.type.to_pandas_dtype())[start:stop]
    if not array.null_count:
        return found, False
    there = np.unpackbits(np.frombuffer(bits, dtype=np.uint8), count=stop, bitorder="little")[start:]
    return found, (there == 0)


def _merged(a: Array | bool, b: Array | None) -> Array | bool:
    if b is None or not b.any():
        return a
    return b if a is False else np.logical_or(a, b)


def _numbers(series: pl.Series, column: Column, entered: Entered, fill: int) -> tuple[Array, Array | bool]:
    assert isinstance(column.minimum, Decimal)
    assert isinstance(column.maximum, Decimal)
    scale = 10**column.decimals
    low, high = int(column.minimum * scale), int(column.maximum * scale)
    dtype = series.dtype
    if dtype.is_float():
        return _floats(series, column, entered, fill, low, high)
    if dtype.is_decimal():
        absent = _nulls(series)
        values, outside, uneven = _decimals(series, column.decimals, low, high)
        if absent is not False:  # empty cells stand as 0 on the way, which is not judged
            outside, uneven = outside & ~absent, uneven & ~absent
        _refuse(entered, "out_of_range", column, outside)
        _refuse(entered, "not_whole" if column.decimals == 0 else "too_many_decimals", column, uneven & ~outside)
        outside = outside | uneven
    else:
        fits = series.cast(pl.Int64, strict=False)  # null where it is too large for that
        values, lost = _raw(fits)
        same = fits.null_count() == series.null_count()
        absent = lost if same else _nulls(series)
        values = values if lost is False else np.where(lost, fill // scale, values)
        least, most = -(-low // scale), high // scale
        if same and len(values) and values.min() >= least and values.max() <= most:
            values = values * scale if scale > 1 else values
            return (_filled(values, absent, fill) if fill % scale else values), absent
        outside = (values < least) | (values > most)
        if not same:
            outside = outside | lost
        if absent is not False:
            outside = outside & ~absent
        values = values * scale
        _refuse(entered, "out_of_range", column, outside)
    absent = _merged(absent, outside)
    return _filled(values, absent, fill), absent


def _filled(values: Array, absent: Array | bool, fill: int) -> Array:
    return values if absent is False else np.where(absent, fill, values)


def _floats(
    series: pl.Series, column: Column, entered: Entered, fill: int, low: int, high: int
) -> tuple[Array, Array | bool]:
    """Binary numbers, in blocks: most blocks hold only numbers that are in range and near a kept place."""
    raw, absent = _raw(series.cast(pl.Float64))
    rows, scale, noise = len(raw), 10**column.decimals, float(FLOAT_NOISE)
    values = np.empty(rows, dtype=np.int64)
    outside, uneven = np.zeros(rows, dtype=bool), np.zeros(rows, dtype=bool)
    with np.errstate(invalid="ignore", over="ignore"):
        for start in range(0, rows, BLOCK):
            part = slice(start, start + BLOCK)
            shifted = raw[part] * scale
            near = np.rint(shifted)
            gap = shifted - near
            if gap.max() < noise and gap.min() > -noise and near.min() >= low and near.max() <= high:
                values[part] = near
                continue
            unread = np.isnan(raw[part])
            if unread.any():  # not-a-number is an empty cell
                absent = np.zeros(rows, dtype=bool) if isinstance(absent, bool) else absent
                absent[part] |= unread
            far = ~(np.abs(gap) < noise)
            number = np.where(far, shifted, near)
            off = ~((number >= low) & (number <= high))
            if isinstance(absent, np.ndarray):
                off, far = off & ~absent[part], far & ~absent[part]
            outside[part], uneven[part] = off, far & ~off
            values[part] = np.where(off | far, low, near)
    _refuse(entered, "out_of_range", column, outside)
    _refuse(entered, "not_whole" if column.decimals == 0 else "too_many_decimals", column, uneven)
    absent = _merged(absent, outside | uneven)
    return _filled(values, absent, fill), absent


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


def _dates(series: pl.Series, column: Column, entered: Entered, zone: str, fill: int) -> tuple[Array, Array | bool]:
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
    days, _ = _raw(series.to_physical())
    days = days if absent is False else np.where(absent, 0, days)
    least, most = (day.toordinal() - dt.date(1970, 1, 1).toordinal() for day in (column.minimum, column.maximum))
    if len(days) and days.min() >= least and days.max() <= most:
        return _filled(_calendar()[days - _FIRST_DAY], absent, fill), absent
    outside: Array = (days < least) | (days > most)
    values = _calendar()[np.where(outside, 0, days - _FIRST_DAY)]
    if absent is not False:
        outside = outside & ~absent
    _refuse(entered, "out_of_range", column, outside)
    absent = _merged(absent, outside)
    return _filled(values, absent, fill), absent


class Words:
    """What the words of a column come to, by their codes: each word that occurs is read once, for all tables to come."""

    def __init__(self, like: pl.Series) -> None:
        self._like = like.clear()  # as long as a series is held, Polars gives its codes to no other words
        self._table: Array = np.full(0, _UNMET, dtype=np.int32)

    def of(self, series: pl.Series) -> bool:
        return bool(series.dtype == self._like.dtype)

    def read(self, series: pl.Series, absent: Array | bool, spellings: dict[str, int], fill: int) -> Array:
        """Each row's word as its code, or why it has none; ``fill`` where it is absent."""
        codes, _ = _raw(series.to_physical())
        codes = codes if absent is False else np.where(absent, 0, codes)
        found = self._taken(self._table, codes, absent, fill)
        if found.min() == _UNMET:
            new = series.filter(pl.Series(found == _UNMET)).unique()
            table = np.full(max(len(self._table), int(codes.max()) + 1), _UNMET, dtype=np.int32)
            table[: len(self._table)] = self._table
            table[new.to_physical().to_numpy()] = [_spelt(word, spellings) for word in new.to_list()]
            self._table = table  # another thread may still read the old one
            found = self._taken(table, codes, absent, fill)
        return found

    @staticmethod
    def _taken(table: Array, codes: Array, absent: Array | bool, fill: int) -> Array:
        if codes.max() >= len(table):
            found = np.full(len(codes), _UNMET, dtype=np.int32)
            known = codes < len(table)
            found[known] = table.take(codes[known])
        else:
            found = table.take(codes)
        if absent is not False:
            np.copyto(found, fill, where=absent)
        return found


def _words(
    series: pl.Series,
    column: Column,
    entered: Entered,
    spellings: dict[str, int],
    code: str,
    fill: int,
    dtype: Any,
    learned: dict[str, Words],
) -> tuple[Array, Array | bool]:
    """Words as codes, ``fill`` where there is none."""
    if not len(series):
        return np.zeros(0, dtype=dtype), False
    absent = _nulls(series)
    if series.dtype == pl.Boolean:
        return (series.fill_null(bool(fill)) if absent is not False else series).to_numpy(), absent
    if series.dtype in (pl.Categorical, pl.Enum):
        words = learned.get(column.name)
        if words is None or not words.of(series):
            words = learned[column.name] = Words(series)
    else:
        series = _categories(series.cast(pl.String))
        words = Words(series)
    found = words.read(series, absent, spellings, fill)
    if found.min() < 0:
        _refuse(entered, code, column, found == _UNKNOWN)
        wordless = found < 0
        np.copyto(found, fill, where=wordless)
        absent = _merged(absent, wordless)
    return found.astype(dtype), absent


def _categories(series: pl.Series) -> pl.Series:
    """A text column as an Enum of the words that occur in it, so that each is read once."""
    return series.cast(pl.Enum(series.unique().drop_nulls()))


_EMPTY, _UNKNOWN, _UNMET = -1, -2, -3


def _spelt(word: str | None, spellings: dict[str, int]) -> int:
    if word is None or not word.strip():
        return _EMPTY
    return spellings.get(fold(word), _UNKNOWN)
