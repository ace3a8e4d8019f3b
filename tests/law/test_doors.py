"""The whole-table door: every kind of column, every code of refusal, and the same verdicts as the door for one record."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanfleet.law import doors
from cleanfleet.law.columns import Column, Refused, column_from
from cleanfleet.law.errors import InputError
from cleanfleet.law.program import _input
from cleanfleet.law.values import date_number

ZONE = "Pacific/Auckland"
N = column_from({"name": "n", "type": "decimal", "decimals": "2", "min": "-0.5", "max": "100"}, "here")
WHOLE = column_from({"name": "n", "type": "integer", "min": "-3", "max": "200"}, "here")
C = column_from(
    {"name": "n", "type": "choice", "choices": {"north": "", "south-west": "", "3": ""}, "aliases": {"N": "north"}}, "here"
)
DAY = column_from({"name": "n", "type": "date", "min": "2020-01-01", "max": "2030-12-31"}, "here")
YES = column_from({"name": "n", "type": "boolean"}, "here")

#: A cell as it came through a door: an integer, "" where it is empty, or the code of its refusal.
Cell = int | str


def through(column: Column, cells: Any, dtype: Any = None) -> list[Cell]:
    """The cells through the whole-table door, whose answer is checked for consistency."""
    series = cells.alias("n") if isinstance(cells, pl.Series) else pl.Series("n", cells, dtype=dtype, strict=True)
    before = series.clone()
    entered = doors.enter(series.to_frame(), {"n": _input(column)}, ZONE)
    assert series.equals(before, check_dtypes=True, null_equal=True), "a door changes no column"
    rows = len(series)
    values = np.broadcast_to(entered.values["n"], rows).tolist()
    absent = np.broadcast_to(entered.absent["n"], rows).tolist()
    refused: list[list[str]] = [
        [code.removesuffix(":n") for code, where in entered.refused.items() if where[row]] for row in range(rows)
    ]
    fill = _input(column).data.fill
    found: list[Cell] = []
    for value, empty, codes in zip(values, absent, refused, strict=True):
        assert len(codes) <= 1, "one cell, one code"
        assert empty or not codes, "what is refused is absent"
        assert not empty or value == fill, "what is absent is filled"
        found.append(codes[0] if codes else "" if empty else value)
    return found


def one_by_one(column: Column, cells: list[Any]) -> list[Cell]:
    """The same cells through the door for one record."""
    found: list[Cell] = []
    for cell in cells:
        try:
            read = column.read(cell)
        except Refused as refused:
            found.append(refused.code)
            continue
        if read is None:
            found.append("")
        elif column.kind == "choice":
            found.append(list(column.choices).index(read))
        else:
            found.append(date_number(read) if isinstance(read, dt.date) else int(read))
    return found


# -- numbers

SIGNED = [pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Int128]
UNSIGNED = [pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.UInt128]
LIMITS = {
    pl.Int8: 2**7 - 1, pl.Int16: 2**15 - 1, pl.Int32: 2**31 - 1, pl.Int64: 2**63 - 1, pl.Int128: 2**127 - 1,
    pl.UInt8: 2**8 - 1, pl.UInt16: 2**16 - 1, pl.UInt32: 2**32 - 1, pl.UInt64: 2**64 - 1, pl.UInt128: 2**128 - 1,
}  # fmt: skip


@pytest.mark.parametrize("dtype", SIGNED + UNSIGNED)
def test_whole_numbers_of_every_width(dtype: Any) -> None:
    top = LIMITS[dtype]
    cells = [0, 1, 100, 101, None, top]
    if dtype in SIGNED:
        cells += [-1, -top - 1]
    bad = "out_of_range"
    assert through(N, cells, dtype) == [0, 100, 10000, bad, "", bad, *([bad, bad] if dtype in SIGNED else [])]
    high = bad if top > 200 else top
    assert through(WHOLE, cells, dtype) == [0, 1, 100, 101, "", high, *([-1, bad] if dtype in SIGNED else [])]


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 2**62, 2**53 + 1, 92233720368547758, 184467440737095517])
def test_a_huge_whole_number_does_not_wrap_into_the_range(number: int) -> None:
    assert through(N, [number, 1], pl.Int64) == ["out_of_range", 100]


def test_a_lower_end_between_two_whole_numbers_is_kept() -> None:
    """-0.5 to 100: 0 is inside, -1 is not; with 0.5 as the lower end 0 is outside."""
    above = column_from({"name": "n", "type": "decimal", "decimals": "1", "min": "0.5", "max": "99.5"}, "here")
    assert through(above, [0, 1, 99, 100], pl.Int64) == ["out_of_range", 10, 990, "out_of_range"]
    assert through(N, [-1, 0], pl.Int64) == ["out_of_range", 0]


FAR = column_from({"name": "n", "type": "decimal", "decimals": "1", "min": "5", "max": "100"}, "here")
NUMBERS = [*SIGNED, *UNSIGNED, pl.Float32, pl.Float64, pl.Decimal(38, 0), pl.Decimal(20, 3), pl.Decimal(38, 20)]


@pytest.mark.parametrize("dtype", NUMBERS)
def test_an_empty_cell_is_never_out_of_range(dtype: Any) -> None:
    """Whatever stands in for an empty cell on the way, such as 0, is not judged."""
    assert through(FAR, [None, 7, None, 0], dtype) == ["", 70, "", "out_of_range"]


NAN, INF = float("nan"), float("inf")


def test_binary_numbers() -> None:
    cells = [0.0, 12.34, 0.1 + 0.2, None, NAN, INF, -INF, 1e308, -0.5, -0.51, 100.0, 100.01, 12.345, 1e-300, -0.0]
    bad, many = "out_of_range", "too_many_decimals"
    found = [0, 1234, 30, "", "", bad, bad, bad, -50, bad, 10000, bad, many, 0, 0]
    assert through(N, cells, pl.Float64) == found == one_by_one(N, cells)


def test_binary_numbers_in_a_whole_column() -> None:
    cells = [5.0, 5.5, NAN, None, -3.0, -4.0, 1e19, INF]
    assert through(WHOLE, cells, pl.Float64) == [5, "not_whole", "", "", -3, "out_of_range", "out_of_range", "out_of_range"]
    assert through(WHOLE, cells, pl.Float32) == [5, "not_whole", "", "", -3, "out_of_range", "out_of_range", "out_of_range"]


def test_short_binary_numbers_count_only_where_they_are_exact() -> None:
    """12.34 has no place in 24 bits: the nearest lies 0.0000014 off, more than the noise that is let through."""
    assert through(N, [12.5, 12.34, 0.25, None, NAN, INF], pl.Float32) == [
        1250,
        "too_many_decimals",
        25,
        "",
        "",
        "out_of_range",
    ]


def test_the_noise_of_binary_numbers_ends_at_a_hundred_thousandth_of_the_last_place() -> None:
    noise = float(doors.FLOAT_NOISE) / 100
    cells = [12.34 + noise * 0.9, 12.34 - noise * 0.9, 12.34 + noise * 1.1, 12.34 - noise * 1.1]
    assert through(N, cells, pl.Float64) == [1234, 1234, "too_many_decimals", "too_many_decimals"] == one_by_one(N, cells)


@pytest.mark.parametrize("scale", [0, 1, 2, 3, 4, 12, 18, 30, 35])
def test_decimals_of_every_scale(scale: int) -> None:
    texts = ["0", "7", None, "-0.5", "-0.6", "100", "101", "12.3", "12.34", "12.345", "100.001", "-0.501", "0.00000000001"]
    cells = [
        None if text is None else Decimal(text)
        for text in texts
        if text is None or -Decimal(text).as_tuple().exponent <= scale
    ]
    assert through(N, cells, pl.Decimal(38, scale)) == one_by_one(N, cells)
    assert through(WHOLE, cells, pl.Decimal(38, scale)) == one_by_one(WHOLE, cells)


def test_decimals_as_arrow_and_spark_write_them() -> None:
    cells = [Decimal("99.99"), Decimal("150"), None, Decimal("0.123456789012"), Decimal("-0.000000000001")]
    found: list[Cell] = [9999, "out_of_range", "", "too_many_decimals", "too_many_decimals"]
    assert through(N, cells, pl.Decimal(38, 12)) == found
    assert through(N, cells, pl.Decimal(38, 18)) == found


def test_the_largest_decimals_do_not_wrap_into_the_range() -> None:
    top = Decimal("9" * 38)
    assert through(N, [top, top.copy_negate(), Decimal(5), None], pl.Decimal(38, 0)) == [
        "out_of_range",
        "out_of_range",
        500,
        "",
    ]
    small = column_from({"name": "n", "type": "decimal", "decimals": "4", "min": "0", "max": "0.9"}, "here")
    assert through(small, [Decimal(f"0.{'9' * 38}"), Decimal("0.9")], pl.Decimal(38, 38)) == ["out_of_range", 9000]


# -- choices

SPELT = ["north", " NORTH", "n", "South West", "SOUTH_west", "3", "nort", "", "  ", None]
READ: list[Cell] = [0, 0, 0, 1, 1, 2, "unknown_value", "", "", ""]


@pytest.mark.parametrize(
    "dtype", [pl.String, pl.Categorical, pl.Enum(SPELT[:-1]), pl.Enum(["before", *SPELT[:-1], "after"])]
)
def test_choices_by_every_spelling(dtype: Any) -> None:
    assert through(C, SPELT, dtype) == READ == one_by_one(C, SPELT)


@pytest.mark.parametrize("dtype", [pl.Int64, pl.UInt8, pl.Int128])
def test_choices_that_are_numbers(dtype: Any) -> None:
    assert through(C, [3, 4, None], dtype) == [2, "unknown_value", ""]


@pytest.mark.parametrize("size", [1, 2, 254, 255, 256, 257, 70_000])
def test_an_enum_of_any_size(size: int) -> None:
    words = ["north", *(f"word {i}" for i in range(size - 1))]
    series = pl.Series(["north", None, words[-1]], dtype=pl.Enum(words))
    assert through(C, series) == [0, "", 0 if size == 1 else "unknown_value"]


def test_categories_shared_with_other_columns_keep_their_words() -> None:
    pl.Series([f"other {i}" for i in range(300)], dtype=pl.Categorical)
    series = pl.Series(["3", None, "north", "3"], dtype=pl.Categorical)
    assert through(C, series) == [2, "", 0, 2]
    assert through(C, series.reverse().slice(1, 2)) == [0, ""]


def test_words_are_read_once_for_all_tables() -> None:
    """A later table may hold words not met yet, in other categories with the same codes, or of another type."""
    own = pl.Categorical(pl.Categories("a scale of its own"))
    tables: list[tuple[list[str | None], Any, list[Cell]]] = [
        (["3", None, "north"], pl.Categorical, [2, "", 0]),
        (["gone", "N", "3", " "], pl.Categorical, ["unknown_value", 0, 2, ""]),
        ([None, "north", "gone"], pl.Categorical, ["", 0, "unknown_value"]),
        (["north", "3"], own, [0, 2]),
        (["3", "north"], pl.Categorical, [2, 0]),
        (["north", "3"], pl.Enum(["3", "north"]), [0, 2]),
        (["north", "3"], pl.Enum(["north", "3"]), [0, 2]),
        (["3", "x"], pl.String, [2, "unknown_value"]),
        (["south west", "3"], own, [1, 2]),
    ]
    learned: dict[str, doors.Words] = {}
    for words, dtype, expected in tables:
        entered = doors.enter(pl.DataFrame({"n": pl.Series(words, dtype=dtype)}), {"n": _input(C)}, ZONE, learned)
        values, absent = np.broadcast_to(entered.values["n"], len(words)), np.broadcast_to(entered.absent["n"], len(words))
        unknown = entered.refused.get("unknown_value:n", np.zeros(len(words), dtype=bool))
        cells = zip(values.tolist(), absent.tolist(), unknown.tolist(), strict=True)
        assert ["unknown_value" if odd else "" if none else value for value, none, odd in cells] == expected


@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical, pl.Enum(["north"])])
def test_only_empty_choices(dtype: Any) -> None:
    assert through(C, [None, None], dtype) == ["", ""]
    assert through(C, [], dtype) == []


# -- dates


def test_days() -> None:
    cells = [
        dt.date(2020, 1, 1),
        dt.date(2030, 12, 31),
        dt.date(2019, 12, 31),
        dt.date(2031, 1, 1),
        None,
        dt.date(2024, 2, 29),
    ]
    found = [20200101, 20301231, "out_of_range", "out_of_range", "", 20240229]
    assert through(DAY, cells, pl.Date) == found == one_by_one(DAY, cells)


@pytest.mark.parametrize("day", [-(2**31), -719_162, -1_000_000, 2_932_896, 2**31 - 1])
def test_a_day_outside_every_calendar_is_out_of_range(day: int) -> None:
    assert through(DAY, pl.Series([day, 19_000], dtype=pl.Int32).cast(pl.Date)) == ["out_of_range", 20220108]


def test_every_day_of_the_calendar_is_itself() -> None:
    wide = column_from({"name": "n", "type": "date", "min": "1600-01-01", "max": "2500-12-31"}, "here")
    days = [dt.date(1600, 1, 1) + dt.timedelta(days) for days in range(0, 329_080, 13)] + [dt.date(2500, 12, 31)]
    assert through(wide, days, pl.Date) == [date_number(day) for day in days]


TEXT_DAYS = [
    "2024-02-29", " 2024-02-29 ", "2023-02-29", "2024-2-9", "29.2.2024", "20240229", "2024-02-29T00:00", "+2024-02-29",
    "2019-12-31", "2031-01-01", "", " ", None, "2024-13-01", "0000-01-01", "soon", "٢٠٢٤-٠٢-٢٩",
]  # fmt: skip


def test_text_days_are_read_in_one_form_only() -> None:
    bad, out = "not_a_date", "out_of_range"
    found = [20240229, 20240229, bad, bad, bad, bad, bad, bad, out, out, "", "", "", bad, bad, bad, bad]
    assert through(DAY, TEXT_DAYS, pl.String) == found == one_by_one(DAY, TEXT_DAYS)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_a_time_without_a_zone_is_the_schemes_own(unit: Any) -> None:
    cells = [dt.datetime(2024, 12, 31, 23, 59, 59), dt.datetime(2025, 1, 1), None]
    assert through(DAY, cells, pl.Datetime(unit)) == [20241231, 20250101, ""]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", ["UTC", "America/Lima", "Pacific/Auckland", "Asia/Shanghai"])
def test_an_instant_counts_by_new_zealands_midnight(unit: Any, zone: str) -> None:
    """Midnight of 1 January 2025 in Auckland is 11:00 UTC (summer time); of 1 July 12:00 UTC."""
    instants = [
        dt.datetime(2024, 12, 31, 10, 59, 59, tzinfo=dt.UTC),
        dt.datetime(2024, 12, 31, 11, 0, tzinfo=dt.UTC),
        dt.datetime(2024, 6, 30, 11, 59, 59, tzinfo=dt.UTC),
        dt.datetime(2024, 6, 30, 12, 0, tzinfo=dt.UTC),
    ]
    series = pl.Series(instants, dtype=pl.Datetime(unit, "UTC")).dt.convert_time_zone(zone)
    assert through(DAY, series) == [20241231, 20250101, 20240630, 20240701]


# -- truths


def test_truths() -> None:
    assert through(YES, [True, False, None], pl.Boolean) == [1, 0, ""]
    words = ["true", "NO", " y ", "0", "sí", "否", "perhaps", "", None]
    found = [1, 0, 1, 0, 1, 0, "not_a_boolean", "", ""]
    assert through(YES, words, pl.String) == found == one_by_one(YES, words)
    assert through(YES, words, pl.Categorical) == found


# -- whole columns


def schema(dtype: Any) -> pl.Schema:
    return pl.DataFrame({"n": pl.Series([], dtype=dtype)}).schema


@pytest.mark.parametrize("column", [N, WHOLE, C, DAY, YES])
def test_a_column_that_is_not_there_is_absent_in_every_row(column: Column) -> None:
    entered = doors.enter(pl.DataFrame({"other": [1, 2]}), {"n": _input(column)}, ZONE)
    assert entered.absent["n"] is True
    assert through(column, [None, None], pl.Null) == ["", ""]


@pytest.mark.parametrize(
    ("column", "dtype"),
    [(c, d) for c, ds in (
        (N, (pl.Int64, pl.UInt64, pl.Float64, pl.Decimal(10, 3), pl.Int128)),
        (C, (pl.String, pl.Categorical, pl.Enum(["north"]), pl.Int8)),
        (DAY, (pl.Date, pl.Datetime("us"), pl.Datetime("ns", "UTC"), pl.String)),
        (YES, (pl.Boolean, pl.String, pl.Categorical)),
    ) for d in ds],
)  # fmt: skip
def test_no_rows_and_only_empty_rows(column: Column, dtype: Any) -> None:
    assert through(column, [], dtype) == []
    assert through(column, [None, None], dtype) == ["", ""]
    doors.check_types(schema(dtype), [column], "toy")


@pytest.mark.parametrize(
    ("column", "dtype", "message"),
    [
        (
            N,
            pl.String,
            "column n is String; it needs a number with up to 2 decimals from -0.5 to 100; texts are read by",
        ),
        (WHOLE, pl.String, "column n is String; it needs a whole number from -3 to 200"),
        (WHOLE, pl.Boolean, "column n is Boolean; it needs a whole number"),
        (N, pl.Date, "column n is Date; it needs a number"),
        (N, pl.Categorical, "column n is Categorical"),
        (C, pl.Float64, "column n is Float64; it needs one of north, south-west, 3"),
        (C, pl.Boolean, "column n is Boolean; it needs one of"),
        (DAY, pl.Int64, "column n is Int64; it needs a date from 2020-01-01 to 2030-12-31"),
        (DAY, pl.Time, "column n is Time; it needs a date"),
        (YES, pl.Int64, "column n is Int64; it needs true or false"),
        (N, pl.List(pl.Int64), "column n is List"),
    ],
)
def test_a_column_of_another_type_is_refused_by_name(column: Column, dtype: Any, message: str) -> None:
    with pytest.raises(InputError) as raised:
        doors.check_types(schema(dtype), [column], "toy")
    assert message in str(raised.value)


def test_required_columns_are_named_together() -> None:
    columns = [Column("a", "text", required=True), Column("b", "boolean", required=True), Column("c", "boolean")]
    with pytest.raises(InputError, match=r"^toy needs the columns a, b$"):
        doors.check_types(pl.Schema({}), columns, "toy")
    with pytest.raises(InputError, match=r"^toy needs the column b$"):
        doors.check_types(pl.Schema({"a": pl.String}), columns, "toy")


# -- the two doors are one

LEAN = settings(max_examples=120, deadline=None)
EDGES = [0, 1, -1, 100, 101, 10000, 10001, -50, -51, 2**31, 2**53, 2**62, 2**63 - 1, -(2**63)]
INTEGERS = st.one_of(st.none(), st.sampled_from(EDGES), st.integers(-200, 300), st.integers(-(2**63), 2**63 - 1))


@LEAN
@given(st.lists(INTEGERS, max_size=12))
def test_whole_numbers_pass_both_doors_alike(cells: list[int | None]) -> None:
    for column in (N, WHOLE, FAR):
        assert through(column, cells, pl.Int64) == one_by_one(column, cells)


def far_from_the_edge_of_noise(number: float | None) -> bool:
    """Where a last binary digit decides, the two doors may differ by it."""
    if number is None or not math.isfinite(number) or abs(number) > 1e12:
        return True
    rest = [abs(Fraction(repr(number)) * scale % 1) for scale in (1, 100)]
    return all(abs(min(r, 1 - r) - Fraction(1, 100_000)) > Fraction(1, 10**9) for r in rest)


FLOATS = st.one_of(
    st.none(),
    st.floats(width=64),
    st.integers(-5000, 20000).map(lambda n: n / 100),
    st.integers(-5000, 20000).map(lambda n: n / 1000),
    st.integers(-5000, 20000).map(lambda n: n * 0.01),
    st.sampled_from([0.1 + 0.2, 100.00000001, 99.9999999999, -0.5000000001, 1e16, -1e300]),
).filter(far_from_the_edge_of_noise)


@LEAN
@given(st.lists(FLOATS, max_size=12))
def test_binary_numbers_pass_both_doors_alike(cells: list[float | None]) -> None:
    for column in (N, WHOLE, FAR):
        assert through(column, cells, pl.Float64) == one_by_one(column, cells)


@LEAN
@given(
    st.integers(0, 20), st.lists(st.one_of(st.none(), st.integers(-300, 300), st.integers(-(10**37), 10**37)), max_size=12)
)
def test_decimals_pass_both_doors_alike(scale: int, cells: list[int | None]) -> None:
    exact = [None if cell is None else Decimal(f"{cell}E-{scale}") for cell in cells]
    for column in (N, WHOLE, FAR):
        assert through(column, exact, pl.Decimal(38, scale)) == one_by_one(column, exact)


WORDS = st.one_of(
    st.none(),
    st.sampled_from([*[word for word in SPELT if word], "yes", "NO", "1", "2024-02-29", "Nórth", "SOUTH-WE\u0301ST"]),
    st.text(max_size=12),
)


@LEAN
@given(st.lists(WORDS, max_size=12))
def test_words_pass_both_doors_alike(cells: list[str | None]) -> None:
    for dtype in (pl.String, pl.Categorical):
        assert through(C, cells, dtype) == one_by_one(C, cells)
        assert through(YES, cells, dtype) == one_by_one(YES, cells)


DAYS = st.one_of(
    st.none(),
    st.dates().map(str),
    st.dates(dt.date(2019, 12, 1), dt.date(2031, 1, 31)).map(str),
    st.text("0123456789-+ T", max_size=11),
)


@LEAN
@given(st.lists(DAYS, max_size=12))
def test_text_days_pass_both_doors_alike(cells: list[str | None]) -> None:
    assert through(DAY, cells, pl.String) == one_by_one(DAY, cells)
