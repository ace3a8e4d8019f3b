"""Delimited text: encodings, separators, quotes, ragged lines, and files that can't be read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from cleanfleet import tables
from cleanfleet.law.errors import InputError
from cleanfleet.tables import csv_source

from .conftest import COLUMNS, read_all, whole

Put = Callable[[str, str | bytes], Path]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_separators_and_line_ends(put: Put, separator: str, newline: str) -> None:
    lines = [["make", "tare_kg"], ["a", "1482"], ["b", "900"]]
    got = read_all(put("x.csv", newline.join(separator.join(line) for line in lines)))
    assert got.row == [1, 2]
    assert got.typed.to_dict(as_series=False) == {"make": ["a", "b"], "tare_kg": [Decimal(1482), Decimal(900)]}
    assert got.refusal == [None, None]


@pytest.mark.parametrize(
    ("encoding", "note"),
    [
        ("utf-8", "encoding UTF-8"),
        ("utf-8-sig", "encoding UTF-8 with byte-order mark"),
        ("utf-16", "encoding UTF-16 with byte-order mark"),
        ("cp1252", "encoding Windows-1252 (the bytes are not UTF-8)"),
    ],
)
def test_encodings(put: Put, encoding: str, note: str) -> None:
    text = "make;tare_kg\nCitroën – 5 €;1482\n"
    got = read_all(put("x.csv", text.encode(encoding)))
    assert got.typed["make"].to_list() == ["Citroën – 5 €"]
    assert note in got.table.notes
    assert got.table.original_columns == ["make", "tare_kg"]


def test_utf_16_big_endian_and_undefined_windows_bytes(put: Put) -> None:
    assert read_all(put("x.csv", b"\xfe\xff" + "make\né\n".encode("utf-16-be"))).typed["make"].to_list() == ["é"]
    # 0x81 has no character in Windows-1252; nothing is lost or refused for it
    assert read_all(put("y.csv", b"make\na\x81\xe9\n")).original["make"].to_list() == ["a\x81é"]


def test_encoding_is_decided_by_the_whole_file(put: Put) -> None:
    content = b"make,tare_kg\n" + b"plain,1000\n" * 900_000 + b"Citro\xebn,1000\n"
    got = read_all(put("x.csv", content))
    assert got.original["make"][-1] == "Citroën"
    assert got.row[-1] == 900_001


def test_bad_bytes_behind_a_byte_order_mark(put: Put) -> None:
    with pytest.raises(InputError, match="not UTF-8"):
        read_all(put("x.csv", b"\xef\xbb\xbfmake\n\xff\n"))
    with pytest.raises(InputError, match="not utf-16-le"):
        read_all(put("x.csv", b"\xff\xfe" + "make\na\n".encode("utf-16-le") + b"\x00\xd8"))


def test_quotes_and_newlines_in_cells(put: Put) -> None:
    text = 'vin,make,tare_kg\n"1\n2","say ""a, b""",1000\nx,5" wheel,"1200"\n"ab"c,"",\n'
    got = read_all(put("x.csv", text))
    assert got.row == [1, 2, 3]
    assert got.original.rows() == [("1\n2", 'say "a, b"', "1000"), ("x", '5" wheel', "1200"), ("abc", "", "")]
    assert got.typed["make"].to_list() == ['say "a, b"', '5" wheel', None]


def test_excels_separator_line_and_blank_lines(put: Put) -> None:
    got = read_all(put("x.csv", "sep=;\r\nmake;tare_kg\r\n\r\na;1\r\n\r\n\r\nb;2\r\n"))
    assert (got.row, got.original["make"].to_list()) == ([1, 2], ["a", "b"])


def test_separator_is_sniffed_outside_quotes(put: Put) -> None:
    got = read_all(put("x.csv", '"make";"tare_kg, with, commas"\na;1\n'))
    assert got.table.original_columns == ["make", "tare_kg, with, commas"]


def test_one_column(put: Put) -> None:
    got = read_all(put("x.csv", "make\na\n\nb\nc,d\n"))
    assert got.original["make"].to_list() == ["a", "b", "c,d"]
    assert got.refusal == [None, None, "ragged_row"]


def test_ragged_rows_keep_their_place_and_text(put: Put) -> None:
    text = 'vin,make,tare_kg\nv1,a,1\nv2,b\nv3,"c\nc",3\nv4,"d\nd",4,5\nv5,e,5\nonly\n'
    got = read_all(put("x.csv", text))
    assert got.row == [1, 2, 3, 4, 5, 6]
    assert got.refusal == [None, "ragged_row", None, "ragged_row", None, "ragged_row"]
    assert got.original["vin"].to_list() == ["v1", "v2,b", "v3", 'v4,"d\nd",4,5', "v5", "only"]
    assert got.original["make"].to_list() == ["a", None, "c\nc", None, "e", None]
    assert got.typed["vin"].to_list() == ["v1", None, "v3", None, "v5", None]
    assert "more or fewer cells" in got.messages()[0]


def test_every_line_ragged(put: Put) -> None:
    got = read_all(put("x.csv", "make,tare_kg\n1\n2\n3\n"))
    assert (got.row, got.refusal) == ([1, 2, 3], ["ragged_row"] * 3)


def test_too_many_ragged_lines_on_end(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_source, "MAX_RAGGED_RUN", 100)
    with pytest.raises(InputError, match="more than 100 lines on end"):
        read_all(put("x.csv", "make,tare_kg\n" + "1;2\n" * 200))


@pytest.mark.parametrize("content", ['a,b\n1,2\n3,"4\n5,6\n', 'a,b\n1,2\n"3,4\n5,6\n', 'a\n1\n"2\n3\n'])
def test_a_quote_that_is_never_closed(put: Put, content: str) -> None:
    with pytest.raises(InputError, match="record 2 opens a quote"):
        read_all(put("x.csv", content.replace("a", "make", 1)))


def test_a_record_longer_than_a_block(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_source, "BLOCK_BYTES", 1000)
    with pytest.raises(InputError, match="longer than 1,000 bytes"):
        read_all(put("x.csv", 'make,vin\na,b\nc,"' + "x\n" * 5000 + '"\n'))


@pytest.mark.parametrize("block", [64, 100, 1000, 8 << 20])
@pytest.mark.parametrize("batch_rows", [1, 3, 1000])
def test_block_and_batch_sizes_change_nothing(
    put: Put, monkeypatch: pytest.MonkeyPatch, block: int, batch_rows: int
) -> None:
    lines = [f"v{i},m,{i}" if i % 7 else f"v{i};{i}" for i in range(1, 101)]
    path = put("x.csv", "vin,make,tare_kg\n" + "\n".join(lines))
    expected = read_all(path, unique=["vin"])
    monkeypatch.setattr(csv_source, "BLOCK_BYTES", block)
    table = tables.read(path, COLUMNS, unique=["vin"], batch_rows=batch_rows)
    assert max(len(batch.row) for batch in table.batches()) <= batch_rows
    got = whole(table)
    assert got.row == expected.row == list(range(1, 101))
    assert got.refusal == expected.refusal
    assert got.original.equals(expected.original)
    assert got.typed.equals(expected.typed)
    assert table.rows == 100


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", b"", "the file is empty"),
        ("x.csv", b"\r\n\r\n", "the file is empty"),
        ("x.csv", b"make,tare_kg\n", "has a header, but no records"),
        ("x.csv", b"make,tare_kg\n\n\n", "has a header, but no records"),
        ("x.csv", b"make,tare_kg,make\n1,2,3\n", r"the name 'make' twice \(columns 1 and 3\)"),
        ("x.csv", b"make,,tare_kg\n1,2,3\n", "column 2 of 3 has no name"),
        ("x.csv", b"make,tare_kg,\n1,2,\n", "column 3 of 3 has no name"),
        ("x.csv", b'"make,tare_kg\n1,2\n', "the header opens a quote"),
        ("x.csv", b"\x89PNG\r\n\x1a\n\x00\x00", "is not delimited text, as its name says; it is a PNG image"),
        ("x.csv", b"PK\x03\x04....", "it is a ZIP archive or an XLSX workbook"),
        ("x.csv", b"make\n\x00\n", "has zero bytes"),
        ("x.csv", b"\xff\xfem\x00\x00\x00", "zero characters"),
        ("x.csv", b"colour,size\nred,1\n", "none of the policy's columns"),
        ("x.doc", b"make\n1\n", "unknown file type '.doc'"),
    ],
)
def test_files_that_cant_be_read(put: Put, name: str, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_all(put(name, content))


def test_missing_file_directory_and_changed_file(put: Put, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        tables.read(tmp_path / "none.csv", COLUMNS)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match="is a directory"):
        tables.read(tmp_path / "folder.csv", COLUMNS)
    path = put("x.csv", "make\na\n")
    table = tables.read(path, COLUMNS)
    path.write_text("make\na\nbb\n")
    with pytest.raises(InputError, match="was changed"):
        next(table.batches())


def test_a_table_can_be_read_twice_and_left_early(put: Put) -> None:
    table = tables.read(put("x.csv", "make\n" + "a\n" * 100), COLUMNS, batch_rows=10)
    assert len(next(table.batches()).row) == 10
    assert whole(table).row == whole(table).row == list(range(1, 101))


def test_types_of_a_batch(put: Put) -> None:
    text = "make,tare_kg,accepted_on,imported,powertrain\na,1,2026-03-31,yes,Petrol\n,,,,\n"
    got = read_all(put("x.csv", text))
    number = pl.Decimal(38, 12)
    assert dict(got.typed.schema) == {
        "make": pl.String,
        "tare_kg": number,
        "powertrain": pl.String,
        "accepted_on": pl.Date,
        "imported": pl.Boolean,
    }
    assert got.typed.row(0) == ("a", Decimal(1), "Petrol", dt.date(2026, 3, 31), True)
    assert got.typed.row(1) == (None,) * 5
    assert got.original.row(1) == ("",) * 5
    batch = next(got.table.batches())
    assert [series.dtype for series in (batch.row, batch.refusal, batch.flags)] == [pl.Int64, pl.String, pl.String]
