"""Writing: every format comes back as it was, and a file is there whole or not at all."""

from __future__ import annotations

import datetime as dt
import errno
import gc
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import fastexcel
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cleanfleet.law.errors import InputError
from cleanfleet.tables import writer, xlsx_writer

SUFFIXES = [".csv", ".xlsx", ".parquet", ".jsonl", ".ndjson", ".json"]
DAY = dt.date(2026, 3, 31)
FRAME = pl.DataFrame(
    {
        "text": ['say "a,\nb"', "é–€", None, "=1+1"],
        "amount": pl.Series(["1.50", "-0.01", None, "12345678901234567.89"]).cast(pl.Decimal(38, 2)),
        "count": [1, None, 2**60, -4],
        "share": [0.1, 1e-7, None, 120.30000000000001],
        "day": [DAY, None, dt.date(1890, 1, 1), DAY],
        "ok": [True, False, None, True],
        "at": [dt.datetime(2026, 3, 31, 23, 30), None, None, None],
    }
)


@pytest.fixture(autouse=True)
def nothing_left_behind(tmp_path: Path) -> Iterator[None]:
    yield
    gc.collect()
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def sheet(path: Path, name: str) -> pl.DataFrame:
    return pl.DataFrame(fastexcel.read_excel(path).load_sheet(name, dtypes="string").to_polars())


def test_csv_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    with writer(path) as out:
        out.write(FRAME.head(2))
        out.write(FRAME.tail(2))
    back = pl.read_csv(path, schema=FRAME.schema | {"day": pl.Date, "at": pl.Datetime("us")})
    assert back.equals(FRAME)
    assert path.read_bytes().startswith(b"text,amount,count,share,day,ok,at\n")


def test_parquet_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    with writer(path) as out:
        out.write(FRAME.head(2))
        out.write(FRAME.tail(2))
    back = pl.read_parquet(path)
    assert back.schema == FRAME.schema
    assert back.equals(FRAME)


@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson", ".json"])
def test_json_lines_come_back_exactly(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    with writer(path) as out:
        out.write(FRAME.head(3))
        out.write(FRAME.tail(1))
    lines = [json.loads(line, parse_float=Decimal) for line in path.read_text("utf-8").splitlines()]
    assert [line["text"] for line in lines] == FRAME["text"].to_list()
    assert [line["amount"] for line in lines] == FRAME["amount"].to_list()
    assert [line["count"] for line in lines] == FRAME["count"].to_list()
    assert [line["day"] for line in lines] == ["2026-03-31", None, "1890-01-01", "2026-03-31"]
    assert lines[3]["share"] == Decimal("120.30000000000001")


def test_json_decimals_of_no_places(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    with writer(path) as out:
        out.write(
            pl.DataFrame(
                {
                    "whole": pl.Series([100, 0, None]).cast(pl.Decimal(10, 0)),
                    "cut": pl.Series([100, 0, 1]).cast(pl.Decimal(10, 2)),
                }
            )
        )
    assert path.read_text() == '{"whole":100,"cut":100}\n{"whole":0,"cut":0}\n{"whole":null,"cut":1}\n'


def test_xlsx_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "x.xlsx"
    refused = pl.DataFrame({"make": ["a"], "message": ["bad"], "reason": ["r:make"], "vin": ["v"], "row": [7]})
    with writer(path, input_columns=["vin", "make"]) as out:
        out.write(FRAME.head(2))
        assert out.refused(refused)
        out.write(FRAME.tail(2))
        assert out.refused(refused)
        assert out.refused(refused.clear())
        out.sheet("summary", pl.DataFrame({"a": [1]}))
        out.write(FRAME.head(1))
    assert fastexcel.read_excel(path).sheet_names == ["results", "refused", "summary"]
    back = fastexcel.read_excel(path).load_sheet("results").to_polars()
    assert back["text"].to_list() == [*FRAME["text"], FRAME["text"][0]]
    assert back["share"].to_list()[:4] == [0.1, 1e-7, None, 120.3]  # 16 digits are written
    assert back["ok"].to_list()[:4] == FRAME["ok"].to_list()
    cells = sheet(path, "results")
    assert cells["amount"].to_list()[:4] == ["1.5", "-0.01", None, "12345678901234567.89"]
    assert cells["count"].to_list()[:4] == ["1", None, str(2**60), "-4"]
    assert cells["day"].to_list()[:3] == ["2026-03-31 00:00:00", None, "1890-01-01"]
    again = sheet(path, "refused")
    assert again.columns == ["row", "reason", "message", "vin", "make"]
    assert again.rows() == [("7", "r:make", "bad", "v", "a")] * 2


def test_xlsx_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.xlsx"
    with writer(path) as out:
        out.write(pl.DataFrame({"a": ["x" * 40_000, "y"], "b": [float("nan"), float("inf")]}))
    assert out.notes == ["texts longer than 32,767 characters are cut, for XLSX holds no more in a cell"]
    assert [len(text) for text in sheet(path, "results")["a"]] == [32_767, 1]
    assert sheet(path, "results")["b"].to_list() == [None, "inf"]
    monkeypatch.setattr(xlsx_writer, "MAX_ROWS", 3)
    with pytest.raises(InputError, match="at most 2 records; write CSV or Parquet"), writer(tmp_path / "y.xlsx") as out:
        out.write(pl.DataFrame({"a": [1, 2]}))
        out.write(pl.DataFrame({"a": [3]}))
    monkeypatch.setattr(xlsx_writer, "MAX_COLUMNS", 1)
    with pytest.raises(InputError, match="at most 1 columns"), writer(tmp_path / "y.xlsx") as out:
        out.write(pl.DataFrame({"a": [1], "b": [1]}))
    for name, message in [
        ("results", "is written already"),
        ("a/b", "can't name a sheet"),
        ("x" * 40, "can't name a sheet"),
    ]:
        with pytest.raises(InputError, match=message), writer(tmp_path / "y.xlsx") as out:
            out.sheet(name, pl.DataFrame({"a": [1]}))
    assert not (tmp_path / "y.xlsx").exists()


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_other_formats_have_no_sheets(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    with writer(path) as out:
        out.write(FRAME)
        assert not out.refused(FRAME.clear())
        assert out.notes == []
        assert not out.refused(FRAME)
        assert out.notes == ["refused records are listed on a sheet of their own in XLSX only"]
        with pytest.raises(InputError, match="only XLSX has several sheets, so there is no place for 'summary'"):
            out.sheet("summary", FRAME)
    assert path.exists()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_rows(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    with writer(path, input_columns=["a", "b"]):
        pass
    assert path.exists()
    if suffix == ".csv":
        assert path.read_text() == "a,b\n"
    elif suffix == ".parquet":
        assert pl.read_parquet(path).columns == ["a", "b"]
    elif suffix == ".xlsx":
        assert sheet(path, "results").columns == ["a", "b"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_error_leaves_the_old_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_text("old")
    with pytest.raises(KeyError), writer(path) as out:
        out.write(FRAME)
        raise KeyError
    assert path.read_text() == "old"
    out = writer(path)
    out.write(FRAME)
    assert path.read_text() == "old"
    out.close()
    out.close()
    out.discard()
    assert path.read_bytes() != b"old"


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_a_forgotten_writer_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    out = writer(tmp_path / f"x{suffix}")
    out.write(FRAME)
    del out
    gc.collect()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_frames_must_agree(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(ValueError, match="are not those written before"), writer(tmp_path / f"x{suffix}") as out:
        out.write(pl.DataFrame({"a": [1]}))
        out.write(pl.DataFrame({"b": [1]}))
    with writer(tmp_path / f"y{suffix}") as out:
        out.write(pl.DataFrame({"a": [None], "b": [1]}))
        out.write(pl.DataFrame({"a": ["later"], "b": pl.Series([2], dtype=pl.Int8)}))
    assert b"later" in (tmp_path / f"y{suffix}").read_bytes() or suffix in (".xlsx", ".parquet")


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_lists_objects_and_bytes_become_text(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    with writer(path) as out:
        out.write(pl.DataFrame({"l": [[1, 2], None], "s": [{"a": DAY}, {"a": None}], "b": [b"\xff\x00", None]}))
    back = sheet(path, "results") if suffix == ".xlsx" else pl.read_csv(path, infer_schema=False)
    assert back.rows() == [("[1, 2]", '{"a": "2026-03-31"}', "ff00"), (None, '{"a": null}', None)]


def test_places_that_cant_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, message in [
        ("x.doc", r"unknown file type '.doc' to write; known are .csv, .xlsx"),
        ("x", "unknown file type ''"),
        ("none/x.csv", "there is no folder"),
    ]:
        with pytest.raises(InputError, match=message):
            writer(tmp_path / name)
    (tmp_path / "dir.csv").mkdir()
    with pytest.raises(InputError, match="is a directory"):
        writer(tmp_path / "dir.csv")

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    for suffix in SUFFIXES:
        with pytest.raises(InputError, match=r"can't be written \(Permission denied\)"):
            writer(tmp_path / f"x{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    out = writer(tmp_path / f"x{suffix}")
    out.write(FRAME)
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(InputError, match=r"can't be written \(No space left on device\)"):
        out.close()
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)),
            st.one_of(st.none(), st.decimals(min_value=-(10**20), max_value=10**20, places=6)),
        ),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from([".csv", ".parquet", ".jsonl"]),
)
def test_text_and_numbers_come_back(tmp_path: Path, rows: list[tuple[str | None, Decimal | None]], suffix: str) -> None:
    frame = pl.DataFrame(rows, schema={"text": pl.String, "number": pl.Decimal(38, 6)}, orient="row")
    path = tmp_path / f"x{suffix}"
    with writer(path) as out:
        for part in frame.iter_slices(7):
            out.write(part)
    if suffix == ".csv":
        back = pl.read_csv(path, schema=frame.schema)
    elif suffix == ".parquet":
        back = pl.read_parquet(path)
    else:
        lines = [
            json.loads(line, parse_float=Decimal, parse_int=Decimal) for line in path.read_text("utf-8").split("\n")[:-1]
        ]
        back = pl.DataFrame(lines, schema=frame.schema)
    assert back.equals(frame)
