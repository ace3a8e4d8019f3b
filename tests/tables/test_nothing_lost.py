"""Whatever a delimited file holds, every record comes out once, in order, under its number."""

from __future__ import annotations

import csv
import io
import random
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cleanfleet import tables
from cleanfleet.law.columns import Column
from cleanfleet.law.errors import InputError
from cleanfleet.tables import csv_source

from .conftest import whole

COLUMNS = [
    Column("a", "text"),
    Column("b", "decimal", decimals=2, minimum=Decimal(0), maximum=Decimal(9)),
    Column("c", "date"),
]
CELL = st.text(alphabet='ab1.,;"\n\r é', max_size=6)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def quoted(cell: str, separator: str, *, always: bool) -> str:
    if always or not cell or any(char in cell for char in f'"\r\n{separator}'):
        return '"' + cell.replace('"', '""') + '"'
    return cell


@QUICK
@given(
    rows=st.lists(st.lists(CELL, min_size=1, max_size=5), min_size=1, max_size=25),
    separator=st.sampled_from([",", ";", "\t"]),
    newline=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    always=st.booleans(),
    block=st.sampled_from([256, 1000, 1 << 20]),
    batch_rows=st.integers(1, 30),
)
def test_ragged_rows(
    tmp_path: Path,
    rows: list[list[str]],
    separator: str,
    newline: str,
    encoding: str,
    always: bool,
    block: int,
    batch_rows: int,
) -> None:
    lines = [separator.join(quoted(cell, separator, always=always) for cell in row) for row in rows]
    path = tmp_path / "x.csv"
    path.write_bytes((separator.join("abc") + newline + newline.join(lines) + newline).encode(encoding))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_source, "BLOCK_BYTES", block)
        got = whole(tables.read(path, COLUMNS, batch_rows=batch_rows))
    assert got.row == list(range(1, len(rows) + 1))
    for row, line, original, refusal in zip(rows, lines, got.original.rows(), got.refusal, strict=True):
        if len(row) == 3:
            assert list(original) == row
            assert refusal != "ragged_row"
        else:
            # the raw line; Arrow hands it over without the line's end
            assert original == (line, None, None)
            assert refusal == "ragged_row"


@QUICK
@given(
    text=st.text(alphabet='ab1.,"\n', max_size=60),
    batch_rows=st.integers(1, 10),
)
def test_any_text(tmp_path: Path, text: str, batch_rows: int) -> None:
    """Any text is read, its records numbered from 1 without a gap, or refused as a whole with one clear error."""
    path = tmp_path / "x.csv"
    path.write_text("a,b,c\n" + text, newline="")
    try:
        got = whole(tables.read(path, COLUMNS, batch_rows=batch_rows))
    except InputError as error:
        said = str(error)
    else:
        said = ""
    if said:
        assert "quote" in said or "no records" in said
        return
    assert got.row == list(range(1, len(got.row) + 1))
    assert got.original.height == got.typed.height == len(got.refusal) == len(got.flags) == len(got.row)
    # every character that is no syntax is still there
    kept = "".join(cell for row in got.original.rows() for cell in row if cell)
    assert sorted(char for char in kept if char in "ab1.") == sorted(char for char in text if char in "ab1.")


def test_a_long_file_against_the_standard_library(tmp_path: Path) -> None:
    rng = random.Random(7)
    rows = []
    for number in range(30_000):
        width = 3 if rng.random() > 0.01 else rng.choice([1, 2, 4])
        rows.append([f"{number}", *(rng.choice(["x", "1.5", "two\nlines", 'a "quote"', ""]) for _ in range(width - 1))])
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([["a", "b", "c"], *rows])
    path = tmp_path / "x.csv"
    path.write_text(text.getvalue(), newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_source, "BLOCK_BYTES", 20_000)
        got = whole(tables.read(path, COLUMNS, batch_rows=777))
    assert got.row == list(range(1, 30_001))
    for row, original, refusal in zip(rows, got.original.rows(), got.refusal, strict=True):
        if len(row) == 3:
            assert list(original) == row
        else:
            assert refusal == "ragged_row"
            assert next(csv.reader(io.StringIO(original[0]))) == row
