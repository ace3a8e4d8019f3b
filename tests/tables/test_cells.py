"""Numbers, dates and truth values in text form: what is read, exactly, and what is refused and why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanfleet import tables
from cleanfleet.law.columns import Column
from cleanfleet.law.errors import InputError
from cleanfleet.tables import Layout
from cleanfleet.tables.date_cells import read_booleans, read_dates
from cleanfleet.tables.number_cells import NUMBER, Mark, decide_mark, read_numbers

from .conftest import COLUMNS, read_all, whole

Put = Callable[[str, str | bytes], Path]

WIDE = [Column("x", "decimal", decimals=4, minimum=Decimal("-1e30"), maximum=Decimal("1e30")), Column("make", "text")]


def numbers(cells: list[str | None], mark: Mark) -> list[Decimal | str | None]:
    """Each cell's value, or the code of its refusal."""
    values, codes = read_numbers(pl.Series(cells, dtype=pl.String), mark)
    assert values.dtype == NUMBER
    given = [None] * len(cells) if codes is None else codes.to_list()
    return [value if code is None else code for value, code in zip(values.to_list(), given, strict=True)]


@pytest.mark.parametrize(
    ("cell", "point", "comma"),
    [
        ("1482", "1482", "1482"),
        ("+5", "5", "5"),
        ("-0.5", "-0.5", "mixed_decimal_marks"),
        ("12.5", "12.5", "mixed_decimal_marks"),
        ("12,5", "mixed_decimal_marks", "12.5"),
        (".5", "0.5", "mixed_decimal_marks"),
        (",5", "mixed_decimal_marks", "0.5"),
        ("5.", "5", "mixed_decimal_marks"),
        ("1,234", "not_a_number", "1.234"),
        ("1.234", "1.234", "not_a_number"),
        ("0,234", "mixed_decimal_marks", "0.234"),
        ("1234,567", "mixed_decimal_marks", "1234.567"),
        ("1.234,5", "not_a_number", "not_a_number"),
        ("1,234.5", "not_a_number", "not_a_number"),
        ("1,234,567", "not_a_number", "not_a_number"),
        ("1.2e2", "120", "mixed_decimal_marks"),
        ("1,2e2", "mixed_decimal_marks", "120"),
        ("1E+3", "1000", "1000"),
        ("6x10^11", "600000000000", "600000000000"),
        ("6 × 10¹¹", "600000000000", "600000000000"),
        ("6*10**11", "600000000000", "600000000000"),
        ("6·10^-2", "0.06", "0.06"),
        ("6×10⁻²", "0.06", "0.06"),
        ("6,5x10^2", "not_a_number", "650"),
        ("6.5x10^2", "650", "not_a_number"),
        ("6x1011", "lost_exponent", "lost_exponent"),
        ("6×10 11", "lost_exponent", "lost_exponent"),
        ("6x10", "not_a_number", "not_a_number"),
        ("x10^11", "not_a_number", "not_a_number"),
        ("6x10^11 1/kWh", "not_a_number", "not_a_number"),
        ("15e-1", "1.5", "1.5"),
        ("0e-99", "0", "0"),
        ("1e-12", "0.000000000001", "0.000000000001"),
        ("1e-13", "too_many_decimals", "too_many_decimals"),
        ("10e-13", "0.000000000001", "0.000000000001"),
        ("1e25", "1e25", "1e25"),
        ("1e26", "out_of_range", "out_of_range"),
        ("1e999", "out_of_range", "out_of_range"),
        ("1e-999", "too_many_decimals", "too_many_decimals"),
        ("1e1000", "not_a_number", "not_a_number"),
        ("99999999999999999999999999", "99999999999999999999999999", "99999999999999999999999999"),
        ("100000000000000000000000000", "out_of_range", "out_of_range"),
        ("abc", "not_a_number", "not_a_number"),
        ("1 482", "not_a_number", "not_a_number"),
        ("--1", "not_a_number", "not_a_number"),
        ("nan", "not_a_number", "not_a_number"),
        ("inf", "not_a_number", "not_a_number"),
        ("1_000", "not_a_number", "not_a_number"),
        ("0x10", "not_a_number", "not_a_number"),
        ("\u0661", "not_a_number", "not_a_number"),
        ("!", "not_a_number", "not_a_number"),
        ("1!5", "not_a_number", "not_a_number"),
        ("e5", "not_a_number", "not_a_number"),
        ("1e", "not_a_number", "not_a_number"),
        (".", "not_a_number", "not_a_number"),
    ],
)
def test_number(cell: str, point: str, comma: str) -> None:
    def expected(text: str) -> Decimal | str:
        return text if text[-1].isalpha() else Decimal(text)

    # alone and among others: a column's quick path must not differ
    for mark, said in ((".", point), (",", comma)):
        assert numbers([cell], mark) == [expected(said)]  # type: ignore[arg-type]
        assert numbers([None, cell, "7", "bad", "3e0"], mark)[1] == expected(said)  # type: ignore[arg-type]


def test_decimals_beyond_twelve() -> None:
    assert numbers(["1.0000000000000", "1.0000000000010", "1.0000000000001", "0.123456789012"], ".") == [
        Decimal(1),
        Decimal("1.000000000001"),
        "too_many_decimals",
        Decimal("0.123456789012"),
    ]
    # more digits than Python's decimal context keeps
    assert numbers(["12345678901234567890123456.1234567890123e0"], ".") == ["too_many_decimals"]
    assert numbers(["12345678901234567890123456.123456789012e0"], ".") == [
        Decimal("12345678901234567890123456.123456789012")
    ]


@given(
    st.lists(
        st.decimals(min_value=-(10**25), max_value=10**25, places=12, allow_nan=False, allow_infinity=False),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from([".", ","]),
)
def test_numbers_come_back_exactly(values: list[Decimal], mark: Mark) -> None:
    cells = [f"{value:f}".replace(".", mark) for value in values]
    assert numbers(list(cells), mark) == values


@given(st.lists(st.text(alphabet="+-.,eE0123456789 _!", max_size=9), min_size=1, max_size=30))
def test_numbers_agree_with_python(cells: list[str]) -> None:
    """What is read is what Decimal reads; what Decimal reads of our form is read or refused for its size."""
    cells = [cell.strip() for cell in cells]
    for cell, got in zip(cells, numbers([cell or None for cell in cells], "."), strict=True):
        try:
            value = Decimal(cell) if "_" not in cell else None
        except ArithmeticError:
            value = None
        if isinstance(got, Decimal):
            assert got == value
        elif value is not None and cell:
            assert got in ("too_many_decimals", "out_of_range") or len(cell.lower().partition("e")[2].lstrip("+-")) > 3


@pytest.mark.parametrize(
    ("cells", "mark"),
    [
        (["12,5", "13"], ","),
        (["12.5", "13"], "."),
        (["13", None, "x"], "."),
        (["1,234"], "."),  # may be a thousand: never guessed
        (["8,092", "8,67"], ","),
        (["0,092"], ","),
        (["12,5", "12,5", "12.5"], ","),
        (["12,5", "12.5"], "."),
        (["1.234,5"], "."),
    ],
)
def test_decimal_mark_is_decided_by_the_majority(cells: list[str | None], mark: Mark) -> None:
    assert decide_mark([pl.Series(cells, dtype=pl.String)])[0] == mark


def test_decimal_mark_of_a_file(put: Put) -> None:
    got = read_all(put("x.csv", "x;make\n12,5;a\n13,5;b\n14.5;c\n1.234;d\n\u202f15,5\xa0;e\n"), WIDE)
    assert got.typed["x"].to_list() == [Decimal("12.5"), Decimal("13.5"), None, None, Decimal("15.5")]
    assert got.refusal == [None, None, "mixed_decimal_marks:x", "not_a_number:x", None]
    assert got.table.notes[2].startswith("decimal comma (of the first")
    assert "'14.5' has not the decimal mark that most numbers of the file have" in got.messages()[0]
    assert "'1.234' may have a mark of thousands or of decimals" in got.messages()[1]
    forced = read_all(put("y.csv", "x;make\n12,5;a\n1.234;d\n"), WIDE, layout=Layout(decimal="."))
    assert forced.refusal == ["mixed_decimal_marks:x", None]


def test_decimal_mark_does_not_hang_on_later_rows(put: Put) -> None:
    text = "x;make\n" + "5;\n" * 9_999 + "12.5;\n" + "12,5;\n" * 5
    got = read_all(put("x.csv", text), WIDE)
    assert got.refusal[9_998:] == [None, None, *["mixed_decimal_marks:x"] * 5]


@pytest.mark.parametrize(
    ("cell", "date"),
    [
        ("2026-03-31", "2026-03-31"),
        ("2024-02-29", "2024-02-29"),
        ("2026-02-29", None),
        ("2026-3-31", None),
        ("20260331", None),
        ("31/03/2026", None),
        ("2026-03-31T23:30", "2026-03-31"),
        ("2026-03-31 23:30:15", "2026-03-31"),
        ("2026-03-31T23:30:15.123456789", "2026-03-31"),
        ("2026-03-31T25:00", None),
        ("2026-03-31T11:00Z", "2026-04-01"),  # Auckland is 13 hours ahead in March
        ("2026-03-31T10:59:59Z", "2026-03-31"),
        ("2026-03-31T11:00:00+00:00", "2026-04-01"),
        ("2026-03-31T23:59:59.9+13:00", "2026-03-31"),
        ("2026-03-31T23:59:59+1300", "2026-03-31"),
        ("2026-04-01T00:30:00+14", "2026-03-31"),
        ("2026-03-31T10:00:00+99:00", None),
        ("2026-W14-2", None),
        ("+2026-03-31", None),
        ("2026-03-31x", None),
        ("yesterday", None),
    ],
)
def test_date(cell: str, date: str | None) -> None:
    for cells in ([cell], [None, cell, "2026-01-01", "bad"]):
        dates, codes = read_dates(pl.Series(cells, dtype=pl.String), "Pacific/Auckland")
        place = cells.index(cell)
        assert dates.dtype == pl.Date
        assert dates[place] == (dt.date.fromisoformat(date) if date else None)
        assert (codes is not None and codes[place] == "not_a_date") == (date is None)


def test_dates_of_another_form_only_by_layout(put: Put) -> None:
    path = put("x.csv", "accepted_on\n31/03/2026\n2026-04-01\n03/31/2026\n")
    assert read_all(path).refusal == ["not_a_date:accepted_on", None, "not_a_date:accepted_on"]
    got = read_all(path, layout=Layout(date_format="%d/%m/%Y"))
    assert got.typed["accepted_on"].to_list() == [dt.date(2026, 3, 31), dt.date(2026, 4, 1), None]
    timed = read_all(put("y.csv", "accepted_on\n31.03.2026 23:30\n"), layout=Layout(date_format="%d.%m.%Y %H:%M"))
    assert timed.typed["accepted_on"].to_list() == [dt.date(2026, 3, 31)]


def test_zone_must_exist(put: Put) -> None:
    with pytest.raises(InputError, match="no time zone 'Mars/Olympus'"):
        read_all(put("x.csv", "make\na\n"), zone="Mars/Olympus")


@given(st.lists(st.dates(min_value=dt.date(1000, 1, 1)), min_size=1, max_size=20))
def test_dates_come_back(values: list[dt.date]) -> None:
    dates, codes = read_dates(pl.Series([value.isoformat() for value in values]), "UTC")
    assert (dates.to_list(), codes) == (values, None)


def test_booleans() -> None:
    cells = ["true", "YES", "1", "sí", "SÍ", "false", "No", "0", "否", None, "maybe", "2"]
    values, codes = read_booleans(pl.Series(cells))
    assert values.to_list() == [True] * 5 + [False] * 4 + [None] * 3
    assert codes is not None
    assert codes.to_list() == [None] * 10 + ["not_a_boolean"] * 2


def test_several_reasons_in_one_record(put: Put) -> None:
    got = read_all(put("x.csv", "make,tare_kg,accepted_on,imported\nm,x,y,z\n"))
    assert got.refusal == ["not_a_number:tare_kg; not_a_date:accepted_on; not_a_boolean:imported"]
    assert got.typed.row(0) == ("m", None, None, None)
    (message,) = got.messages()
    assert message == (
        "tare_kg: 'x' is not a number; allowed is a whole number from 100 to 50000 kg. "
        "accepted_on: 'y' is not a date (write it as 2026-03-31); allowed is a date from 1900-01-01 to 2099-12-31. "
        "imported: 'z' is neither true nor false; allowed is true or false."
    )


def test_what_the_law_refuses_is_explained_too() -> None:
    from cleanfleet.tables import explain_refusal

    said = explain_refusal(
        "out_of_range:tare_kg; contradiction:tare_kg; unknown_value:powertrain; duplicate:vin; odd",
        COLUMNS,
        {"Tare kg": "5", "powertrain": "steam" * 40},
        first_row=3,
    )
    assert "tare_kg (column Tare kg): '5' is outside the allowed range; allowed is a whole number from 100" in said
    assert "is refused (contradiction)" in said
    assert "…" in said
    assert "vin: stands in record 3 already" in said


def test_numbers_written_as_upper_bounds(put: Put) -> None:
    """<1 is 1 with the mark of an upper bound, with the file's own decimal mark, and only where the column allows it."""
    bounded = Column("soot", "decimal", decimals=2, minimum=Decimal(0), maximum=Decimal(99), below="soot_is_below")
    columns = [Column("name", "text"), bounded, Column("soot_is_below", "boolean")]
    cells = ["1,5", "<1,5", "< 2", "<", ">2", "", "<x"]
    path = put("x.csv", "name;soot\n" + "".join(f"n;{cell}\n" for cell in cells))
    found = whole(tables.read(path, columns))
    assert found.typed["soot"].to_list() == [Decimal("1.5"), Decimal("1.5"), Decimal(2), None, None, None, None]
    assert found.typed["soot_is_below"].to_list() == [False, True, True, False, False, False, True]
    assert found.refusal == [None, None, None, "not_a_number:soot", "not_a_number:soot", None, "not_a_number:soot"]
    assert "'<x'" in found.messages()[-1]


def test_an_upper_bound_joins_what_the_file_says_itself(put: Put) -> None:
    bounded = Column("soot", "decimal", decimals=2, minimum=Decimal(0), maximum=Decimal(99), below="soot_is_below")
    path = put("x.csv", "soot,soot_is_below\n1,yes\n<1,no\n1,\n<1,\n")
    found = whole(tables.read(path, [bounded, Column("soot_is_below", "boolean")]))
    assert found.typed["soot_is_below"].to_list() == [True, True, None, True]
