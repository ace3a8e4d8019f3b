"""The doors of the portable path, as Narwhals expressions: columns in as integers, results out as columns.

The same checks as :mod:`.doors`. Nothing here casts a number that might not fit, rounds, or leaves a null behind the door.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import reduce
from typing import Any

import narwhals.stable.v2 as nw

from .cells import Cell
from .columns import ACCENTED, FLOAT_NOISE, MARKS, TRUE, Column, fold
from .columns import FALSE as NO
from .errors import InputError
from .portable_duckdb import code_of
from .values import date_number

Expr = nw.Expr
#: Blanks that Python strips, written out so that each engine's regular expressions agree on them.
_BLANKS = "\\s\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_OUTER, _INNER = f"^[{_BLANKS}]+|[{_BLANKS}]+$", f"[{_BLANKS}_\\-]+"
_EMPTY, _UNKNOWN, _FOLD = -1, -2, -3
_INT64 = (nw.Int8, nw.Int16, nw.Int32, nw.Int64, nw.UInt8, nw.UInt16, nw.UInt32)

#: Engines to whose columns no exact decimals can be given through Narwhals; their answers have Float64.
INEXACT = frozenset({"dask", "pandas", "modin", "cudf"})


@dataclass
class Door:
    """One input column on its way in: helper columns in stages (a stage may use those before it), and what they come to.

    ``refused`` tells whether the cell is refused, ``refusals`` why, as (code, where) in the order of :mod:`.doors`: they are
    asked in the few rows that are refused. ``value`` is within the column's bounds even where it is absent. ``native`` are
    helper columns in the engine's own words, made before all others.
    """

    stages: list[dict[str, Expr]]
    value: Expr
    absent: Expr
    refused: Expr
    refusals: list[tuple[str, Expr]]
    native: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Engine:
    """What the doors need to know about a frame: its kind, its columns' types, and how helper columns are called."""

    kind: str
    schema: Mapping[str, Any]
    prefix: str

    def exact(self, number: Expr, places: int, largest: int, precision: int = 1) -> Expr:
        """An integer of ``places`` decimal places, at most ``largest`` in size, as a decimal; never through a double."""
        if self.kind in INEXACT:
            scale: int = 10**places
            return number.cast(nw.Float64) / scale
        digits = max(len(str(largest)), places, 1)
        whole = nw.Decimal(19 if self.kind == "pyarrow" else digits, 0)
        unit = nw.lit(Decimal(1).scaleb(-places))
        return (number.cast(whole) * unit).cast(nw.Decimal(max(precision, digits), places))


def integer(value: int) -> Expr:
    return nw.lit(int(value), nw.Int64)


def chain(cases: list[tuple[Expr, Expr]], otherwise: Expr) -> Expr:
    """The value (never null) of the first condition that holds; flat, as Spark's compiler can't nest deeply."""
    return nw.coalesce(*(nw.when(condition).then(value) for condition, value in cases), otherwise)


# -- in


def check_types(schema: Mapping[str, Any], inputs: Sequence[Column], policy: str) -> None:
    """Refuse a frame whose columns can't be read as what they should be; raises :class:`InputError`."""
    lacking = [column.name for column in inputs if column.required and column.name not in schema]
    if lacking:
        raise InputError(f"{policy} needs the column{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}")
    for column in inputs:
        name, dtype = column.name, schema.get(column.name)
        if dtype is None or column.kind == "text":
            continue
        text = dtype in (nw.String, nw.Categorical, nw.Enum)
        fits = {
            "choice": text or dtype.is_integer(),
            "integer": dtype.is_numeric(),
            "decimal": dtype.is_numeric(),
            "date": dtype in (nw.Date, nw.Datetime, nw.String),
            "boolean": text or dtype == nw.Boolean,
        }[column.kind]
        if not fits:
            hint = "; texts are read by cleanfleet.tables" if text else ""
            raise InputError(f"column {name} is {dtype}; it needs {column.allowed}{hint}")


def enter(cell: Cell, engine: Engine, zone: str) -> Door:
    """The way in of one input column that the frame has."""
    column: Column = cell.data.column
    given, dtype = nw.col(column.name), engine.schema[column.name]
    if column.is_number:
        return _integers(cell, engine) if dtype.is_integer() else _fractions(cell, engine)
    if column.kind == "date":
        return _dates(cell, engine, zone)
    if dtype == nw.Boolean:
        return Door([], given.fill_null(bool(cell.data.fill)), given.is_null(), nw.lit(value=False), [])
    if column.kind == "boolean":
        spellings = {**dict.fromkeys(TRUE, 1), **dict.fromkeys(NO, 0)}
        return _words(cell, engine, spellings, list(spellings), "not_a_boolean")
    spellings = {spelling: cell.words.index(word) for spelling, word in column.folded().items()}
    return _words(cell, engine, spellings, [*column.choices, *column.aliases], "unknown_value")


class _Stages:
    """Helper columns of one input, made stage by stage."""

    def __init__(self, name: str, engine: Engine) -> None:
        self.all: list[dict[str, Expr]] = []
        self._name = f"{engine.prefix}{name}_"

    def next(self, **exprs: Expr) -> list[Expr]:
        """One more stage; yields the columns that it makes."""
        stage = {self._name + name: expr for name, expr in exprs.items()}
        self.all.append(stage)
        return [nw.col(name) for name in stage]


def _range(column: Column) -> tuple[int, int, int]:
    """The least and the greatest integer that the column may come to, and what its unit is multiplied by."""
    assert isinstance(column.minimum, Decimal)
    assert isinstance(column.maximum, Decimal)
    scale = 10**column.decimals
    return int(column.minimum * scale), int(column.maximum * scale), scale


def _integers(cell: Cell, engine: Engine) -> Door:
    column: Column = cell.data.column
    given, dtype = nw.col(column.name), engine.schema[column.name]
    low, high, scale = _range(column)
    stages = _Stages(column.name, engine)
    ends: list[Any] = [-(-low // scale), high // scale]
    if dtype == nw.UInt64:  # PyArrow compares it with its own kind only
        ends = [nw.lit(max(end, 0), dtype) for end in ends]
    (fits,) = stages.next(fits=((given >= ends[0]) & (given <= ends[1])).fill_null(False))
    number = (given if dtype in _INT64 else nw.when(fits).then(given).otherwise(nw.lit(0, dtype))).cast(nw.Int64)
    value = nw.when(fits).then(number if scale == 1 else number * scale).otherwise(integer(cell.data.fill))
    refused = ~fits & ~given.is_null()
    return Door(stages.all, value, ~fits, refused, [("out_of_range", refused)])


def _fractions(cell: Cell, engine: Engine) -> Door:
    """Floats and decimals: the integer next to the number, if the number is in range and no further off than noise."""
    column: Column = cell.data.column
    given, dtype = nw.col(column.name), engine.schema[column.name]
    low, high, scale = _range(column)
    stages = _Stages(column.name, engine)
    (shifted,) = stages.next(shifted=given.cast(nw.Float64) * float(scale))
    # Half a unit beyond the bounds still has its nearest integer within them; not-a-number is greater than any, or nothing.
    inside = (shifted >= low - 0.5) & (shifted < high + 0.5)
    (near,) = stages.next(
        near=(nw.when(inside).then(shifted).otherwise(nw.lit(float(cell.data.fill))) + 0.5).floor().cast(nw.Int64)
    )
    blank = given.is_null()
    if dtype.is_float():
        blank = blank | given.is_nan()
        uneven = ~((shifted - near.cast(nw.Float64)).abs() < float(FLOAT_NOISE))
        outside = (shifted < float(low)) | (shifted > float(high))
    else:
        uneven, outside = _off(given, near, column, engine)
    (absent,) = stages.next(absent=uneven.fill_null(True))
    outside = outside.fill_null(False)
    refused = absent & ~blank
    many = "not_whole" if column.decimals == 0 else "too_many_decimals"
    return Door(stages.all, near, absent, refused, [("out_of_range", refused & outside), (many, refused & ~outside)])


def _off(given: Expr, near: Expr, column: Column, engine: Engine) -> tuple[Expr, Expr]:
    """Whether a decimal isn't the integer next to it (exact for columns up to 2**51), and whether it is out of range."""
    low, high, _ = _range(column)
    largest = max(abs(low), abs(high))
    least, most = (engine.exact(integer(end), column.decimals, largest) for end in (low, high))
    return given != engine.exact(near, column.decimals, largest), (given < least) | (given > most)


def _dates(cell: Cell, engine: Engine, zone: str) -> Door:
    column: Column = cell.data.column
    given, dtype = nw.col(column.name), engine.schema[column.name]
    assert isinstance(column.minimum, dt.date)
    assert isinstance(column.maximum, dt.date)
    stages = _Stages(column.name, engine)
    unread: list[Expr] = []
    if dtype == nw.String:
        (text,) = stages.next(text=_stripped(given))
        iso = text.str.contains(_ISO).fill_null(False)
        blank, text = stages.next(
            blank=text.is_null() | (text == ""), iso=nw.when(iso).then(text).otherwise(nw.lit("0001-01-00"))
        )
        year, month, day = (text.str.slice(*part).cast(nw.Int64) for part in ((0, 4), (5, 2), (8, 2)))
        (number,) = stages.next(number=year * 10000 + month * 100 + day)
        (wrong,) = stages.next(wrong=~blank & ~_is_day(number))
        unread.append(wrong)
    else:
        blank = given.is_null()
        (number,) = stages.next(number=_day_number(_local(given, dtype, column, engine, zone)))
    fits = (number >= date_number(column.minimum)) & (number <= date_number(column.maximum))
    (fits,) = stages.next(fits=reduce(lambda so_far, wrong: so_far & ~wrong, unread, fits).fill_null(False))
    value = nw.when(fits).then(number).otherwise(integer(cell.data.fill))
    refused = ~fits & ~blank
    refusals = [("not_a_date", wrong) for wrong in unread]
    refusals.append(("out_of_range", reduce(lambda so_far, wrong: so_far & ~wrong, unread, refused)))
    return Door(stages.all, value, ~fits, refused, refusals)


_ISO = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"


def _local(given: Expr, dtype: Any, column: Column, engine: Engine, zone: str) -> Expr:
    there = getattr(dtype, "time_zone", None)
    if dtype == nw.Date or there is None or there == zone:
        return given
    if engine.kind not in ("polars", "pyarrow"):
        raise InputError(f"column {column.name} holds times of the zone {there}; turn them into dates of {zone} first")
    return given.dt.convert_time_zone(zone)


def _day_number(day: Expr) -> Expr:
    year, month, date = (part.cast(nw.Int64) for part in (day.dt.year(), day.dt.month(), day.dt.day()))
    return year * 10000 + month * 100 + date


def _is_day(number: Expr) -> Expr:
    """Whether yyyymmdd names a day of the calendar."""
    year, month, day = number // 10000, number // 100 - number // 10000 * 100, number - number // 100 * 100
    fourth, century, era = (year - year // every * every == 0 for every in (4, 100, 400))
    february = nw.when(fourth & (~century | era)).then(integer(29)).otherwise(integer(28))
    thirty = (month == 4) | (month == 6) | (month == 9) | (month == 11)
    last = chain([(month == 2, february), (thirty, integer(30))], integer(31))
    return (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= last)


def _stripped(text: Expr) -> Expr:
    return text.str.replace_all(_OUTER, "")


def _words(cell: Cell, engine: Engine, spellings: Mapping[str, int], plain: list[str], code: str) -> Door:
    """Words as codes. Words written as declared are found at once; only the others are folded (:func:`.columns.fold`)."""
    column: Column = cell.data.column
    empty = _EMPTY if column.default is None else cell.data.fill
    at_once = {word: spellings[fold(word)] for word in plain}
    stages, native = _Stages(column.name, engine), {}
    if engine.kind == "duckdb":
        name = f"{engine.prefix}{column.name}_code"
        patterns = (_OUTER, _INNER, f"[{MARKS}]")
        native[name] = code_of(column.name, at_once, spellings, empty, _UNKNOWN, patterns, _accents(spellings))
        number = nw.col(name)
    else:
        given = nw.col(column.name)
        given = given if engine.schema[column.name] == nw.String else given.cast(nw.String)
        number = _spelt(given, stages, at_once, spellings, empty)
    # A code below 0 is none of the words', so that no choice by words takes it for one; a column that is never absent,
    # because it has a default, falls back on that.
    filled = number if column.default is None else nw.when(number < 0).then(integer(cell.data.fill)).otherwise(number)
    value = filled == 1 if cell.kind == "truth" else filled
    return Door(stages.all, value, number < 0, number == _UNKNOWN, [(code, number == _UNKNOWN)], native)


def _accents(spellings: Mapping[str, int]) -> dict[str, str]:
    """The accented letters that may stand for a letter of the vocabulary; a word with any other one is unknown anyway."""
    letters = set("".join(spellings))
    return {letter: accented for letter, accented in ACCENTED.items() if letter in letters}


def _spelt(given: Expr, stages: _Stages, plain: Mapping[str, int], spellings: Mapping[str, int], empty: int) -> Expr:
    nothing = nw.lit(None, nw.String)
    at_once = [(given.is_null(), integer(empty)), *((given == word, integer(number)) for word, number in plain.items())]
    (first,) = stages.next(first=chain(at_once, integer(_FOLD)))
    lower = given.str.strip_chars(" \t\r\n").str.to_lowercase()
    lower = lower.str.replace_all(" ", "_", literal=True).str.replace_all("-", "_", literal=True)
    (lower,) = stages.next(lower=nw.when(first == _FOLD).then(lower).otherwise(nothing))
    # A chain, not is_in(): of that DuckDB makes a join, which is slower and needn't keep the order of the rows.
    folded = _stripped(given).str.to_lowercase().str.replace_all(_INNER, "_").str.replace_all(f"[{MARKS}]", "")
    for letter, accented in _accents(spellings).items():
        folded = folded.str.replace_all(f"[{accented}]", letter)
    folded = chain([(lower == word, lower) for word in ("", *spellings)], folded)
    (folded,) = stages.next(folded=nw.when(first == _FOLD).then(folded).otherwise(nothing))
    cases = [(folded == "", integer(empty)), *((folded == word, integer(number)) for word, number in spellings.items())]
    (number,) = stages.next(code=nw.when(first != _FOLD).then(first).otherwise(chain(cases, integer(_UNKNOWN))))
    return number


# -- out


def texts(parts: list[Expr]) -> Expr:
    """Texts joined by '; ', nulls left out; where all are null the text is empty."""
    return nw.concat_str(*parts, separator="; ", ignore_nulls=True)


def named(where: list[tuple[str, Expr]]) -> list[Expr]:
    return [nw.when(truth).then(nw.lit(name)) for name, truth in where]


def column_of(cell: Cell, value: Expr, shown: Expr, places: int, engine: Engine) -> Expr:
    """A rule's integers (for texts: its words) as an answer column, null where not ``shown``."""
    if cell.kind == "date":
        real = _is_day(value)
        day = nw.when(real).then(value).otherwise(integer(19700101)).cast(nw.String).str.to_date("%Y%m%d")
        return nw.when(shown & real).then(day)
    if cell.kind == "number":
        factor = 10 ** max(places - cell.decimals, 0)
        value = value if factor == 1 else value * factor
        value = engine.exact(value, places, max(abs(cell.low), abs(cell.high)) * factor, 18) if places else value
    return nw.when(shown).then(value)
