"""Parquet, XLSX and JSON: typed cells go through, others are read like text, broken files are told."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import xlsxwriter

from cleanfleet import tables
from cleanfleet.law.errors import InputError
from cleanfleet.tables import Layout, json_source

from .conftest import COLUMNS, read_all, whole

Put = Callable[[str, str | bytes], Path]
DAY = dt.date(2026, 3, 31)


def parquet(tmp_path: Path, frame: pl.DataFrame, **options: Any) -> Path:
    path = tmp_path / "x.parquet"
    frame.write_parquet(path, **options)
    return path


def test_typed_parquet_goes_through(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "Make": ["a", None, ""],
            "tare_kg": pl.Series([1482, None, 5], dtype=pl.Int16),
            "co2_g_per_km": [120.3, None, 1e-5],
            "powertrain": pl.Series(["petrol", "diesel", None], dtype=pl.Categorical),
            "accepted_on": [DAY, None, DAY],
            "imported": [True, False, None],
            "other": [[1], [2], None],
        }
    )
    got = read_all(parquet(tmp_path, frame))
    assert dict(got.typed.schema) == {
        "make": pl.String,
        "tare_kg": pl.Int16,
        "co2_g_per_km": pl.Float64,
        "powertrain": pl.Categorical,  # as the file has it: the law's door reads each category once
        "accepted_on": pl.Date,
        "imported": pl.Boolean,
    }
    assert got.typed["make"].to_list() == ["a", None, None]
    assert got.typed.drop("make").equals(frame.select("tare_kg", "co2_g_per_km", "powertrain", "accepted_on", "imported"))
    assert got.original.columns == frame.columns
    assert got.refusal == [None] * 3
    assert got.table.rows == 3


def test_parquet_numbers_share_their_memory(tmp_path: Path) -> None:
    frame = pl.DataFrame({"tare_kg": pl.Series(range(1000), dtype=pl.Int32)})
    batch = next(tables.read(parquet(tmp_path, frame), COLUMNS).batches())
    addresses = {frame["tare_kg"].to_arrow().buffers()[1].address for frame in (batch.original, batch.typed)}
    assert len(addresses) == 1


def test_text_in_parquet_is_read_like_csv(tmp_path: Path) -> None:
    frame = pl.DataFrame({"tare_kg": ["1482", "12.5", "x"], "accepted_on": ["2026-03-31", " ", "y"], "imported": [1, 0, 7]})
    got = read_all(parquet(tmp_path, frame))
    assert got.typed["tare_kg"].to_list() == [Decimal(1482), Decimal("12.5"), None]
    assert got.typed["imported"].to_list() == [True, False, None]
    assert got.refusal == [None, None, "not_a_number:tare_kg; not_a_date:accepted_on; not_a_boolean:imported"]


def test_moments_become_dates_of_the_zone(tmp_path: Path) -> None:
    moment = dt.datetime(2026, 3, 31, 23, 30)
    frame = pl.DataFrame({"accepted_on": [moment]})
    assert read_all(parquet(tmp_path, frame), zone="Pacific/Auckland").typed["accepted_on"].to_list() == [DAY]
    utc = frame.select(pl.col("accepted_on").dt.replace_time_zone("UTC"))
    assert read_all(parquet(tmp_path, utc), zone="Pacific/Auckland").typed["accepted_on"].to_list() == [dt.date(2026, 4, 1)]
    assert read_all(parquet(tmp_path, utc)).typed["accepted_on"].to_list() == [DAY]


def test_columns_of_the_wrong_type_are_refused_cell_by_cell(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "tare_kg": [True, None],
            "co2_g_per_km": [DAY, None],
            "accepted_on": [1.5, None],
            "imported": [DAY, None],
            "make": [[1], None],
        }
    )
    got = read_all(parquet(tmp_path, frame))
    assert got.refusal == [
        "not_a_text:make; not_a_number:tare_kg; not_a_number:co2_g_per_km; not_a_date:accepted_on; not_a_boolean:imported",
        None,
    ]
    numbers = read_all(parquet(tmp_path, pl.DataFrame({"make": [118.0, 1.5, float("nan")], "powertrain": [1, 2, None]})))
    assert numbers.typed.rows() == [("118", "1"), ("1.5", "2"), (None, None)]
    empty = read_all(parquet(tmp_path, pl.DataFrame({"tare_kg": pl.Series([None], dtype=pl.Null), "make": ["a"]})))
    assert empty.typed.rows() == [("a", None)]


def test_empty_numbers_by_layout(tmp_path: Path) -> None:
    frame = pl.DataFrame({"tare_kg": [0, 5], "co2_g_per_km": [0.0, 1.5]})
    got = read_all(parquet(tmp_path, frame), layout=Layout(empty_in={"tare_kg": ["0"], "co2_g_per_km": ["0", "x"]}))
    assert got.typed.rows() == [(None, None), (5, 1.5)]


@pytest.mark.parametrize("batch_rows", [7, 100, 10_000])
def test_parquet_batches(tmp_path: Path, batch_rows: int) -> None:
    frame = pl.DataFrame({"tare_kg": range(1000), "make": [f"m{i % 10}" for i in range(1000)]})
    table = tables.read(parquet(tmp_path, frame, row_group_size=300), COLUMNS, batch_rows=batch_rows)
    assert table.rows == 1000
    got = whole(table)
    assert got.row == list(range(1, 1001))
    assert got.original.equals(frame)


def test_broken_parquet(tmp_path: Path, put: Put) -> None:
    path = parquet(tmp_path, pl.DataFrame({"make": ["a"] * 1000}))
    content = path.read_bytes()
    with pytest.raises(InputError, match="not a readable Parquet file; it may be cut short"):
        read_all(put("cut.parquet", content[:-20]))
    with pytest.raises(InputError, match="is not a Parquet file, as its name says"):
        read_all(put("csv.parquet", "make\na\n"))
    with pytest.raises(InputError, match="is not delimited text, as its name says; it is parquet"):
        read_all(put("parquet.csv", content))
    with pytest.raises(InputError, match="has columns, but no records"):
        read_all(parquet(tmp_path, pl.DataFrame({"make": []}, schema={"make": pl.String})))
    spoilt = bytearray(content)
    spoilt[4:40] = b"\xff" * 36
    with pytest.raises(InputError, match="not a readable Parquet file"):
        read_all(put("spoilt.parquet", bytes(spoilt)))


def xlsx(tmp_path: Path, rows: Any, top: int = 0, left: int = 0) -> Path:
    """A workbook with ``rows`` on its first sheet; '#N/A' gives a cell with that error."""
    path = tmp_path / "x.xlsx"
    book = xlsxwriter.Workbook(str(path), {"default_date_format": "yyyy-mm-dd hh:mm"})
    sheet = book.add_worksheet("list")
    book.add_worksheet("notes").write(0, 0, "hello")
    for row, cells in enumerate(rows, top):
        for place, value in enumerate(cells, left):
            if value == "#N/A":
                sheet.write_formula(row, place, "=NA()", None, "#N/A")
            elif value is not None:
                sheet.write(row, place, value)
    book.close()
    return path


@pytest.mark.parametrize(("top", "left"), [(0, 0), (3, 2)])
def test_xlsx(tmp_path: Path, top: int, left: int) -> None:
    rows = [
        ["Make", "tare_kg", "co2_g_per_km", "accepted_on", "imported", "powertrain"],
        [118, 1482, 120.3, dt.datetime(2026, 3, 31, 23, 30), True, "petrol"],
        [None] * 6,
        ["X2", 900, "#N/A", dt.date(2026, 4, 1), False, None],
        ["c", None, 0.5, None, None, None],
    ]
    got = read_all(xlsx(tmp_path, rows, top, left))
    assert got.row == [1, 3, 4]  # the blank row of the sheet keeps its number
    assert got.typed.rows() == [
        ("118", 1482.0, 120.3, "petrol", DAY, True),
        ("X2", 900.0, None, None, dt.date(2026, 4, 1), False),
        ("c", None, 0.5, None, None, None),
    ]
    assert got.refusal == [None, "cell_error:co2_g_per_km", None]
    assert got.messages() == [
        "co2_g_per_km: holds an error of the spreadsheet; allowed is a number with up to 4 decimals from 0 to 1000 g/km."
    ]
    assert got.table.notes[:3] == ["sheet 'list'", "other sheets, not read: notes", "1 blank rows left out"]


def test_xlsx_columns_of_several_types_are_text(tmp_path: Path) -> None:
    rows = [
        ["tare_kg", "accepted_on", "imported"],
        [1482.5, dt.datetime(2026, 3, 31, 23, 30), True],
        ["900", "2026-04-01", "no"],
        ["heavy", "soon", 3],
    ]
    got = read_all(xlsx(tmp_path, rows))
    assert got.typed.rows()[:2] == [(Decimal("1482.5"), DAY, True), (Decimal(900), dt.date(2026, 4, 1), False)]
    assert got.refusal[2] == "not_a_number:tare_kg; not_a_date:accepted_on; not_a_boolean:imported"


def test_a_column_of_errors_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    got = read_all(xlsx(tmp_path, [["make", "tare_kg"], ["a", "#N/A"], [None, "#N/A"]]))
    assert got.refusal == ["cell_error:tare_kg"] * 2
    assert got.row == [1, 2]
    assert capsys.readouterr().err == ""


def test_broken_xlsx(tmp_path: Path, put: Put) -> None:
    for rows, message in [
        ([], "the first sheet, 'list', is empty"),
        ([["make"]], "the first sheet, 'list', has a header, but no records"),
        ([["make", "make"], ["a", "b"]], "has the name 'make' twice"),
        ([["make", None, "vin"], ["a", "b", "c"]], "column 2 of 3 has no name"),
        ([["make", "vin"], ["a", "b", "c"]], "column 3 of 3 has no name"),
    ]:
        with pytest.raises(InputError, match=message):
            read_all(xlsx(tmp_path, rows))
    content = xlsx(tmp_path, [["make"], ["a"]]).read_bytes()
    with pytest.raises(InputError, match="not a readable XLSX workbook"):
        read_all(put("cut.xlsx", content[:500]))
    with pytest.raises(InputError, match="is not an XLSX workbook, as its name says"):
        read_all(put("csv.xlsx", "make\na\n"))
    with pytest.raises(InputError, match="an old Excel workbook"):
        read_all(put("old.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100))


def test_json_lines(put: Put) -> None:
    lines = [
        '{"make":"a","tare_kg":1482,"co2_g_per_km":120.3,"imported":true}',
        "",
        '{"make":"b","tare_kg":900,"co2_g_per_km":5,"accepted_on":"2026-03-31"}',
        "   ",
        '{"late":1,"powertrain":"petrol"}',
    ]
    got = read_all(put("x.jsonl", "\ufeff" + "\r\n".join(lines)))
    assert got.row == [1, 2, 3]
    assert got.typed.rows() == [
        ("a", 1482, 120.3, None, None, True),
        ("b", 900, 5.0, None, DAY, None),
        (None, None, None, "petrol", None, None),
    ]
    assert got.original.columns == ["make", "tare_kg", "co2_g_per_km", "imported", "accepted_on", "late", "powertrain"]


@pytest.mark.parametrize(
    "broken", ['{"make":', "[1]", "5", '{"make":NaN}', '{"make":"a"} x', '{"make":"\\ud800"}', '{"a":1}{"b":2}']
)
@pytest.mark.parametrize("chunk", [40, 8 << 20])
def test_broken_json_lines_are_kept(put: Put, monkeypatch: pytest.MonkeyPatch, broken: str, chunk: int) -> None:
    monkeypatch.setattr(json_source, "_CHUNK", chunk)
    good = '{"make":"a","tare_kg":1482,"odd":[1,{"b":2}]}'
    got = read_all(put("x.ndjson", "\n".join([good, broken, good, '{"make":7,"tare_kg":1.5}'])))
    assert got.row == [1, 2, 3, 4]
    assert got.refusal == [None, "broken_line", None, None]
    assert got.original["broken_line"].to_list() == [None, broken, None, None]
    assert got.typed.rows() == [("a", 1482.0), (None, None), ("a", 1482.0), ("7", 1.5)]
    assert json.loads(got.original["odd"][2]) == [1, {"b": 2}]
    assert got.messages() == ["The line is not a JSON object; it is kept as it stands."]


def test_json_numbers_of_any_size_and_mixed_types(put: Put) -> None:
    got = read_all(
        put("x.jsonl", '{"tare_kg":12345678901234567890123,"imported":true}\n{"tare_kg":"1,5","imported":"no"}\n')
    )
    assert got.typed["tare_kg"].to_list() == [Decimal("12345678901234567890123"), Decimal("1.5")]
    assert got.typed["imported"].to_list() == [True, False]


def test_json_array(put: Put) -> None:
    got = read_all(put("x.json", ' [{"make":"a","tare_kg":1},\n {"tare_kg":2.5,"make":null}]'))
    assert got.typed.rows() == [("a", 1.0), (None, 2.5)]
    lines = read_all(put("y.json", '{"make":"a"}\n{"make":"b"}\n'))
    assert lines.typed["make"].to_list() == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.jsonl", "not json\nat all\n", "is not JSON; none of its 2 lines"),
        ("x.jsonl", "\n \n", "holds no records"),
        ("x.jsonl", "{}\n", "is not JSON"),
        ("x.jsonl", b"\xff\xfe\xfd", "is not JSON"),
        ("x.json", "[]", "holds no records"),
        ("x.json", '[{"make":1}, 2]', "element 2 of the array is not an object"),
        ("x.json", '[{"make":1}', "is not readable JSON"),
        ("x.json", b'[{"make":"\xff"}]', "not UTF-8"),
        ("x.json", "[" * 100_000, "is not readable JSON"),
        ("x.json", "", "the file is empty"),
    ],
)
def test_bad_json(put: Put, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_all(put(name, content))
