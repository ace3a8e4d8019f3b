"""Values that may come once only, and rows that repeat an earlier one."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cleanfleet import tables
from cleanfleet.law.errors import InputError
from cleanfleet.tables import Layout

from .conftest import COLUMNS, read_all, whole

Put = Callable[[str, str | bytes], Path]
FLAGGED = Layout(flags=["duplicate_row"])
MODES: list[dict[str, Any]] = [{}, {"check_limit": 2, "spill": True}]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("batch_rows", [1, 2, 100])
def test_repeats(put: Put, mode: dict[str, Any], batch_rows: int) -> None:
    text = "vin,make\nab-1,a\n,b\n AB 1,c\n--,d\n,b\nx,e\nAB1,f\nragged\nab-1,a\n"
    got = read_all(put("x.csv", text), unique=["vin"], layout=FLAGGED, batch_rows=batch_rows, **mode)
    repeated = "duplicate:vin"
    assert got.refusal == [None, None, repeated, None, None, None, repeated, "ragged_row", repeated]
    assert got.first_row == [None, None, 1, None, None, None, 1, None, 1]
    assert got.flags == [None, None, None, None, "duplicate_row", None, None, None, "duplicate_row"]
    assert got.messages()[0] == "vin: ' AB 1' stands in record 1 already; each may be given once."
    assert f"checked for repeated vin and repeated rows {'on disk' if mode else 'in memory'}" in got.table.notes
    assert got.table.rows == 9


@pytest.mark.parametrize("mode", MODES)
def test_two_unique_columns(put: Put, mode: dict[str, Any]) -> None:
    got = read_all(put("x.csv", "vin,tare_kg\na,1\nb,1.0\na,2\nc,x\n"), unique=["vin", "tare_kg"], **mode)
    assert got.refusal == [None, "duplicate:tare_kg", "duplicate:vin", "not_a_number:tare_kg"]
    assert got.first_row == [None, 1, 1, None]


def test_too_many_records_without_spill(put: Put, tmp_path: Path) -> None:
    path = put("x.csv", "vin\na\na\na\n")
    got = read_all(path, unique=["vin"], check_limit=2)
    assert got.refusal == [None] * 3
    assert "no check for repeated vin: more than 2 records (spill checks them on disk)" in got.table.notes
    pl.DataFrame({"vin": ["a", "a", "a"]}).write_parquet(tmp_path / "x.parquet")
    assert read_all(tmp_path / "x.parquet", unique=["vin"], check_limit=2).refusal == [None] * 3
    assert read_all(tmp_path / "x.parquet", unique=["vin"], check_limit=3).refusal == [None] + ["duplicate:vin"] * 2


def test_checks_that_make_no_sense_are_told(put: Put) -> None:
    path = put("x.csv", "vin\na\na\n")
    partial = read_all(path, unique=["vin"], layout=Layout(not_unique=["vin"]))
    assert partial.refusal == [None] * 2
    assert "no check for repeated vin: in this layout it does not identify a record" in partial.table.notes
    constant = read_all(path, unique=["make"], constants={"make": "x"})
    assert constant.refusal == [None] * 2
    assert "no check for repeated make: the file does not have it" in constant.table.notes


def test_rows_of_a_typed_file(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "make": pl.Series(["a", "a", None, None, "a"], dtype=pl.Categorical),
            "tare_kg": [1, 1, None, 0, 1],
            "tags": [[1], [1], [2], [2], [1, 2]],
        }
    )
    frame.write_parquet(tmp_path / "x.parquet")
    for mode in MODES:
        got = read_all(tmp_path / "x.parquet", layout=FLAGGED, batch_rows=2, **mode)
        assert got.flags == [None, "duplicate_row", None, None, None]


def test_the_disk_is_left_clean(put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put("x.csv", "vin\na\na\n")
    spill = tmp_path / "spill"
    spill.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(spill))
    table = tables.read(path, COLUMNS, unique=["vin"], check_limit=1, spill=True)
    assert len(list(spill.iterdir())) == 1
    assert whole(table).refusal == [None, "duplicate:vin"]
    del table
    gc.collect()
    assert list(spill.iterdir()) == []


def test_spill_needs_duckdb(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(InputError, match="needs DuckDB"):
        read_all(put("x.csv", "vin\na\na\n"), unique=["vin"], check_limit=1, spill=True)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.sampled_from(["", "a", "A", "a-", "b", " b", "c d", "cd"]), min_size=1, max_size=30),
    batch_rows=st.integers(1, 10),
    spill=st.booleans(),
)
def test_repeats_agree_with_a_plain_loop(tmp_path: Path, values: list[str], batch_rows: int, spill: bool) -> None:
    path = tmp_path / "x.csv"
    path.write_text("make,vin\n" + "".join(f"m,{value}\n" for value in values))
    seen: dict[str, int] = {}
    expected = []
    for number, value in enumerate(values, 1):
        key = value.upper().replace(" ", "").replace("-", "")
        expected.append(seen.get(key) if key else None)
        seen.setdefault(key, number)
    options: dict[str, Any] = {"check_limit": 0, "spill": True} if spill else {}
    got = whole(tables.read(path, COLUMNS, unique=["vin"], batch_rows=batch_rows, **options))
    assert got.first_row == expected
    assert [reason is not None for reason in got.refusal] == [first is not None for first in expected]
