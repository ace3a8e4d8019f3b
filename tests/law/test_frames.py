"""Whole tables: the same answer however they are cut up, whatever kind of frame they are, and nothing of theirs changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from cleanfleet.law import frames
from cleanfleet.law.errors import InputError
from cleanfleet.law.policy import Policy

from .toy import BARGE, dated, definition, inputs, value

Scheme = Callable[..., Policy]
ANSWER = ["status", "reason", "flags", "over_g", "charge_eur", "band"]


def barges(rows: int, seed: int = 1) -> pl.DataFrame:
    """Random barges, some cells empty, some refused."""
    draw = np.random.default_rng(seed)

    def some(cells: list[Any]) -> list[Any]:
        return [cells[place] for place in draw.integers(0, len(cells), rows)]

    return pl.DataFrame(
        {
            "row": range(rows),
            "kind": some(["a", "b", "c", "Alpha", "zz", None]),
            "noise": some([99.0, 100.5, 103.99, 80.01, 1001.0, 90.123, None, float("nan")]),
            "mass_kg": some([100, 5000, 9000, 9001, None]),
            "day": some([dt.date(2024, 5, 1), dt.date(2025, 5, 1), dt.date(2023, 1, 1), dt.date(1999, 1, 1), None]),
            "exempt": some([True, False, False, None]),
            "port": some(["north", "south", "", None]),
            "name": some(["Ada", "Bo", None]),
        },
        schema_overrides={"day": pl.Date, "mass_kg": pl.Int64, "noise": pl.Float64, "exempt": pl.Boolean},
    )


def plain(frame: Any) -> list[dict[str, Any]]:
    """The answer columns of any frame as plain values."""
    if isinstance(frame, pd.DataFrame):
        frame = pa.Table.from_pandas(frame[ANSWER], preserve_index=False)
    if isinstance(frame, pa.Table):
        frame = pl.DataFrame(pl.from_arrow(frame.select(ANSWER)))
    return list(frame.select(ANSWER).with_columns(pl.col("status", "reason", "flags", "band").cast(pl.String)).to_dicts())


# -- however it is cut up


@pytest.mark.parametrize(
    ("stretch", "block", "threads"), [(8, 1, 1), (24, 3, 2), (64, 1000, 3), (1000, 64, 1), (336, 100, 4)]
)
def test_stretches_blocks_and_threads_do_not_show(
    monkeypatch: pytest.MonkeyPatch, scheme: Scheme, stretch: int, block: int, threads: int
) -> None:
    policy, frame = scheme(), barges(400)
    whole = policy.table().assess(frame)
    monkeypatch.setattr(frames, "STRETCH", stretch)
    monkeypatch.setattr(frames, "BLOCK", block)
    parts = policy.table().assess(frame, threads=threads)
    assert_frame_equal(parts, whole)
    assert parts.schema == whole.schema


def test_one_row_at_a_time_gives_the_same(scheme: Scheme) -> None:
    policy, frame = scheme(), barges(60, seed=2)
    assert plain(policy.assess(frame).frame) == [plain(policy.assess(part).frame)[0] for part in frame.iter_slices(1)]


def test_a_table_answers_as_one_record_at_a_time(scheme: Scheme) -> None:
    policy, frame = scheme(), barges(300, seed=3)
    names = [column.name for column in policy.inputs]
    assert plain(policy.assess(frame).frame) == [policy.one(record) for record in frame.select(names).iter_rows(named=True)]


CELLS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["a", "b", "c", "zz", None]),
        "noise": st.one_of(
            st.none(),
            st.decimals("-51", "1001", places=2),
            st.sampled_from([Decimal("100.5"), Decimal("101.5"), Decimal("80.005")]),
        ),
        "mass_kg": st.sampled_from([None, 0, 1, 4999, 5000, 9001]),
        "day": st.one_of(
            st.none(),
            st.dates(dt.date(1999, 12, 1), dt.date(2051, 1, 31)),
            st.dates(dt.date(2023, 12, 30), dt.date(2026, 1, 2)),
        ),
        "exempt": st.sampled_from([None, True, False]),
        "port": st.sampled_from([None, "north", "south", "west"]),
    }
)
TYPES = {
    "kind": pl.String,
    "noise": pl.Decimal(20, 3),
    "mass_kg": pl.Int64,
    "day": pl.Date,
    "exempt": pl.Boolean,
    "port": pl.String,
}


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> list[Policy]:
    """The toy under three readings of the law."""
    laid = {"values": {"limit": [dated("85", year="2024", known_from=..., kind="b")]}}
    states = definition(
        tmp_path_factory.mktemp("toys") / "toy",
        overlays={"mine": laid},
        values=value("rate", dated("5.25", **{"from": "2024-01-01"}), dated(None, **{"from": "2025-07-01"}, confidence="L")),
    )
    policy = Policy(states, known="2026-01-01")
    return [policy, policy.at(values=["mine"], readings={"rounding": "half_up"}), policy.at(known="2022-01-01")]


@settings(max_examples=60, deadline=None)
@given(st.lists(CELLS, min_size=1, max_size=10))
def test_mixed_cells_pass_both_ways_alike(policies: list[Policy], rows: list[dict[str, Any]]) -> None:
    frame = pl.DataFrame(rows, schema=TYPES)
    for policy in policies:
        assert plain(policy.assess(frame).frame) == [policy.one(row) for row in rows]


# -- what comes back


def test_the_input_comes_back_first_and_unchanged_then_the_answer(scheme: Scheme) -> None:
    policy, frame = scheme(), barges(50)
    before = frame.clone()
    found = policy.assess(frame).frame
    assert found.columns == [*frame.columns, *ANSWER]
    assert_frame_equal(found.select(frame.columns), before)
    assert_frame_equal(frame, before)


def test_the_types_of_the_answer_are_stated_before(scheme: Scheme) -> None:
    policy = scheme()
    found = policy.assess(barges(20), also=["whole_over", "is_heavy", "year"]).frame
    assert policy.schema == {name: found.schema[name] for name in ANSWER}
    assert found.schema["over_g"] == pl.Decimal(18, 2)
    assert isinstance(found.schema["status"], pl.Enum)
    assert policy.table(["whole_over", "is_heavy", "year"]).schema() == {
        name: found.schema[name] for name in [*ANSWER, "whole_over", "is_heavy", "year"]
    }


@pytest.mark.parametrize("kind", ["polars", "lazy", "pandas", "pyarrow"])
def test_a_table_without_rows(scheme: Scheme, kind: str) -> None:
    policy, frame = scheme(), barges(5).clear()
    given: Any = {"polars": frame, "lazy": frame.lazy(), "pandas": frame.to_pandas(), "pyarrow": frame.to_arrow()}[kind]
    found = policy.assess(given).frame
    found = found.collect() if kind == "lazy" else found
    assert len(found) == 0
    names = list(found.column_names if kind == "pyarrow" else found.columns)
    assert names == [*frame.columns, *ANSWER]


def test_a_table_with_only_the_required_columns(scheme: Scheme) -> None:
    found = scheme().assess(pl.DataFrame({"kind": ["a", "c"]})).frame
    assert found["status"].to_list() == ["not_determined", "excluded"]
    assert found["reason"].to_list() == ["missing:noise; missing:day", "small_craft"]


@pytest.mark.parametrize("kind", ["polars", "lazy", "pandas", "pyarrow"])
def test_a_table_with_none_of_the_columns_keeps_its_rows(scheme: Scheme, kind: str) -> None:
    policy = scheme(policy=inputs({"name": "kind", "required": ...}))
    frame = pl.DataFrame({"other": [1, 2, 3]})
    given: Any = {"polars": frame, "lazy": frame.lazy(), "pandas": frame.to_pandas(), "pyarrow": frame.to_arrow()}[kind]
    found = policy.assess(given).frame
    found = found.collect() if kind == "lazy" else found
    assert [row["reason"] for row in plain(found)] == ["missing:kind"] * 3


# -- also, and reasons of the reader


def test_further_rules_come_as_columns_with_their_own_decimals(scheme: Scheme) -> None:
    policy = scheme()
    found = policy.assess(
        pl.DataFrame([{**BARGE, "noise": 103.99, "day": dt.date(2024, 5, 1)}]), also=["whole_over", "verdict", "year"]
    ).frame
    assert found.columns[-3:] == ["whole_over", "verdict", "year"]
    assert found.select("whole_over", "verdict", "year").row(0) == (3, "determined", 2024)


def test_a_further_rule_is_null_only_where_it_is_missing_itself(scheme: Scheme) -> None:
    frame = pl.DataFrame({"kind": ["c", "a", "a"], "noise": [103.99, None, 103.99], "day": [dt.date(2024, 5, 1)] * 3})
    assert scheme().assess(frame, also=["over"]).frame["over"].to_list() == [Decimal("3.49"), None, Decimal("3.49")]


def test_a_further_rule_of_which_nothing_is_known_is_null_everywhere(scheme: Scheme) -> None:
    policy = scheme(known="2020-01-01")
    frame = pl.DataFrame({"kind": ["a", "b"], "noise": [103.99, 1.0], "day": [dt.date(2024, 5, 1)] * 2})
    found = policy.assess(frame, also=["over", "whole_over", "is_heavy"]).frame
    assert found.select("over", "whole_over", "is_heavy", "over_g", "charge_eur").rows() == [(None,) * 5] * 2


def test_a_further_rule_must_exist_and_be_new(scheme: Scheme) -> None:
    policy = scheme()
    with pytest.raises(InputError, match=r"toy-barges has no rule 'whole_ovr'; did you mean whole_over"):
        policy.assess(barges(1), also=["whole_ovr"])
    for twice in (["band"], ["over", "over"]):
        with pytest.raises(InputError, match=f"{twice[0]} is a column of the answer already"):
            policy.assess(barges(1), also=twice)


def test_reasons_that_a_reader_holds_refuse_the_row_and_come_first(scheme: Scheme) -> None:
    frame = pl.DataFrame({
        "kind": ["a", "a", "zz", "c"],
        "told": ["not_a_number:noise", None, "not_a_date:day", None],
    })  # fmt: skip
    found = scheme().assess(frame, refusal="told").frame
    assert found["status"].to_list() == ["refused", "not_determined", "refused", "excluded"]
    assert found["reason"].to_list() == [
        "not_a_number:noise", "missing:noise; missing:day", "not_a_date:day; unknown_value:kind", "small_craft",
    ]  # fmt: skip
    assert found["told"].to_list() == frame["told"].to_list()


def test_a_reader_without_reasons_changes_nothing(scheme: Scheme) -> None:
    policy, frame = scheme(), barges(50)
    for empty in (pl.Series("told", [None] * 50, dtype=pl.String), pl.Series("told", [None] * 50)):
        assert plain(policy.assess(frame.with_columns(empty), refusal="told").frame) == plain(policy.assess(frame).frame)


def test_the_readers_column_must_be_there(scheme: Scheme) -> None:
    with pytest.raises(InputError, match="the table has no column tld; did you mean told"):
        scheme().assess(pl.DataFrame({"kind": ["a"], "told": [None]}), refusal="tld")


def test_any_number_of_different_reasons_fits_into_one_table(scheme: Scheme) -> None:
    """Seventy integer columns, each refused in a row of its own, and one row in which all are."""
    many = [{"name": f"n{i:02}", "type": "integer", "unit": "1", "min": "0", "max": "9"} for i in range(70)]
    policy = scheme(policy=inputs(*many))
    rows = [{f"n{i:02}": 10 if row in (i, 70) else 1 for i in range(70)} for row in range(72)]
    found = policy.assess(pl.DataFrame(rows).with_columns(kind=pl.lit("c"))).frame["reason"].to_list()
    assert found[:70] == [f"out_of_range:n{i:02}" for i in range(70)]
    assert found[70] == "; ".join(f"out_of_range:n{i:02}" for i in range(70))
    assert found[71] == "small_craft"


# -- what is refused as a whole


@pytest.mark.parametrize("kind", ["polars", "lazy", "pandas", "pyarrow"])
def test_a_table_that_has_an_answer_column_is_refused(scheme: Scheme, kind: str) -> None:
    frame = barges(3).with_columns(status=pl.lit("old"), band=pl.lit("old"))
    given: Any = {"polars": frame, "lazy": frame.lazy(), "pandas": frame.to_pandas(), "pyarrow": frame.to_arrow()}[kind]
    with pytest.raises(InputError, match="the table already has the answer columns status, band"):
        scheme().assess(given)


@pytest.mark.parametrize("kind", ["polars", "lazy", "pandas", "pyarrow"])
def test_a_text_column_where_a_number_is_wanted_is_refused_by_name(scheme: Scheme, kind: str) -> None:
    frame = barges(3).with_columns(pl.col("mass_kg").cast(pl.String))
    given: Any = {"polars": frame, "lazy": frame.lazy(), "pandas": frame.to_pandas(), "pyarrow": frame.to_arrow()}[kind]
    with pytest.raises(InputError, match="column mass_kg is String; it needs a whole number from 1 to 9000 kg"):
        scheme().assess(given)


@pytest.mark.parametrize("kind", ["polars", "lazy", "pandas", "pyarrow"])
def test_a_required_column_that_is_missing_is_named(scheme: Scheme, kind: str) -> None:
    frame = barges(3).drop("kind")
    given: Any = {"polars": frame, "lazy": frame.lazy(), "pandas": frame.to_pandas(), "pyarrow": frame.to_arrow()}[kind]
    with pytest.raises(InputError, match="toy-barges needs the column kind"):
        scheme().assess(given)


# -- lazy


def test_a_lazy_table_answers_as_an_eager_one(scheme: Scheme) -> None:
    policy, frame = scheme(), barges(500)
    eager = policy.assess(frame, also=["over"]).frame
    lazy = policy.assess(frame.lazy(), also=["over"]).frame
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect_schema() == eager.schema
    assert_frame_equal(lazy.collect(), eager)
    assert_frame_equal(lazy.collect(engine="streaming"), eager)


def test_what_follows_a_lazy_answer_sees_all_of_it(scheme: Scheme) -> None:
    policy, frame = scheme(), barges(500)
    eager, lazy = policy.assess(frame).frame, policy.assess(frame.lazy()).frame
    loud = pl.col("status") == "determined"
    assert_frame_equal(lazy.select("charge_eur").collect(), eager.select("charge_eur"))
    assert_frame_equal(lazy.filter(loud).select("row", "over_g").collect(), eager.filter(loud).select("row", "over_g"))
    heavy = pl.col("mass_kg") > 200
    assert_frame_equal(lazy.filter(heavy).collect(), eager.filter(heavy))
    assert_frame_equal(lazy.slice(100, 50).collect(), eager.slice(100, 50))
    assert lazy.select(pl.len()).collect().item() == 500


def test_a_lazy_answer_streams_into_a_file(scheme: Scheme, tmp_path: Path) -> None:
    policy, frame = scheme(), barges(5000)
    frame.write_parquet(tmp_path / "in.parquet", row_group_size=700)
    policy.assess(pl.scan_parquet(tmp_path / "in.parquet")).frame.sink_parquet(tmp_path / "out.parquet")
    found = pl.read_parquet(tmp_path / "out.parquet").sort("row")
    assert plain(found) == plain(policy.assess(frame).frame)


# -- pandas and PyArrow


@pytest.mark.parametrize(
    "index",
    [
        pd.Index([7, 5, 3, 1], name="id"),
        pd.Index(["x", "x", "y", "y"]),
        pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1), ("b", 2)]),
        pd.date_range("2024-01-01", periods=4),
    ],
)
def test_pandas_keeps_its_index(scheme: Scheme, index: Any) -> None:
    policy, frame = scheme(), barges(4)
    given = frame.to_pandas().set_index(index)
    before = given.copy(deep=True)
    found = policy.assess(given).frame
    pd.testing.assert_index_equal(found.index, before.index, exact=True)
    pd.testing.assert_frame_equal(found[list(given.columns)], before)
    pd.testing.assert_frame_equal(given, before)
    assert plain(found) == plain(policy.assess(frame).frame)


def test_pandas_object_columns(scheme: Scheme) -> None:
    policy = scheme()
    given = pd.DataFrame({
        "kind": pd.Series(["a", "b", None, float("nan")], dtype=object),
        "noise": pd.Series([Decimal("103.99"), Decimal("90"), None, Decimal("1.005")], dtype=object),
        "mass_kg": pd.Series([100, None, 200, 300], dtype=object),
        "day": pd.Series([dt.date(2024, 5, 1), dt.date(2025, 5, 1), None, dt.date(2024, 5, 1)], dtype=object),
        "exempt": pd.Series([False, None, True, False], dtype=object),
        "port": pd.Series([None] * 4, dtype=object),
        "mixed": pd.Series([1, "x", None, object()], dtype=object),
    })  # fmt: skip
    found = policy.assess(given).frame
    assert [row["status"] for row in plain(found)] == ["determined", "determined", "not_determined", "refused"]
    assert plain(found)[0] == policy.one(BARGE)
    assert found["mixed"].tolist() == given["mixed"].tolist()


def test_a_pandas_column_of_mixed_types_is_refused_by_name(scheme: Scheme) -> None:
    given = pd.DataFrame({"kind": ["a", "b"], "mass_kg": pd.Series([100, "heavy"], dtype=object)})
    with pytest.raises(InputError, match=r"a column of the table mixes types: .*mass_kg"):
        scheme().assess(given)


@pytest.mark.parametrize("kind", ["category", "string", "object", "string[pyarrow]"])
def test_pandas_words_of_every_type(scheme: Scheme, kind: str) -> None:
    given = pd.DataFrame({"kind": pd.Series(["c", "zz", None], dtype=kind)})
    assert [row["reason"] for row in plain(scheme().assess(given).frame)] == [
        "small_craft",
        "unknown_value:kind",
        "missing:kind",
    ]


@pytest.mark.parametrize("kind", ["Int64", "Int16", "float64", "Float64", "int64[pyarrow]"])
def test_pandas_numbers_of_every_type(scheme: Scheme, kind: str) -> None:
    given = pd.DataFrame({"kind": ["c", "c"], "mass_kg": pd.Series([9001, None], dtype=kind)})
    assert [row["reason"] for row in plain(scheme().assess(given).frame)] == ["out_of_range:mass_kg", "small_craft"]


@pytest.mark.parametrize("kind", ["datetime64[ns]", "datetime64[us]", "datetime64[ns, UTC]"])
def test_pandas_times(scheme: Scheme, kind: str) -> None:
    day = "2024-12-31 23:00" + ("+00:00" if "UTC" in kind else "")
    given = pd.DataFrame({"kind": ["a"], "noise": [120.0], "day": pd.to_datetime([day]).astype(kind)})
    year = 2025 if "UTC" in kind else 2024
    found = scheme().assess(given, also=["year"]).frame
    assert int(found["year"].iloc[0]) == year


def test_pyarrow_tables_of_many_chunks(scheme: Scheme) -> None:
    policy, frame = scheme(), barges(90).fill_nan(None)  # NaN equals nothing
    table = pa.concat_tables([frame.slice(start, 30).to_arrow() for start in (0, 30, 60)])
    assert table.column("kind").num_chunks == 3
    found = policy.assess(table).frame
    assert isinstance(found, pa.Table)
    assert found.column_names == [*frame.columns, *ANSWER]
    assert found.select(table.column_names).equals(table)
    assert plain(found) == plain(policy.assess(frame).frame)


def test_pyarrow_columns_that_nobody_reads_may_be_of_any_type(scheme: Scheme) -> None:
    odd = pa.array([pa.MonthDayNano([1, 2, 3])], type=pa.month_day_nano_interval())
    table = pa.table({"kind": ["c"], "odd": odd})
    found = scheme().assess(table).frame
    assert found.column("odd").equals(table.column("odd"))
    assert found.column("reason").to_pylist() == ["small_craft"]


def test_pyarrow_dictionaries_and_large_strings(scheme: Scheme) -> None:
    table = pa.table({
        "kind": pa.array(["c", "a", None]).dictionary_encode(),
        "port": pa.array(["west", "north", None], type=pa.large_string()),
        "noise": pa.array([None, Decimal("103.99"), None], type=pa.decimal128(38, 18)),
        "day": pa.array([None, dt.date(2024, 5, 1), None], type=pa.date64()),
    })  # fmt: skip
    found = plain(scheme().assess(table).frame)
    assert [row["reason"] for row in found] == ["unknown_value:port", None, "missing:kind"]
    assert found[1]["over_g"] == Decimal("3.49")


def test_every_text_is_a_plain_string_outside_polars(scheme: Scheme) -> None:
    found = scheme().assess(barges(5).to_arrow()).frame
    assert all(not pa.types.is_dictionary(found.schema.field(name).type) for name in ANSWER)
