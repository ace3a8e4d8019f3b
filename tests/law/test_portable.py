"""The Narwhals evaluator gives what the blocks give, on each engine; the oracle's test has the million rows."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from oracle.generate import vehicles

from cleanfleet import policies
from cleanfleet.law.errors import InputError
from cleanfleet.law.portable import assess_portable

ALSO = ("fleet_target", "obligation_year", "is_fleet")


def duckdb_of(frame: pl.DataFrame, folder: Path, answer: Callable[[Any], Any]) -> pl.DataFrame:
    import duckdb

    frame.write_parquet(folder / "in.parquet")
    with duckdb.connect() as session:
        return pl.DataFrame(pl.from_arrow(answer(session.read_parquet(str(folder / "in.parquet"))).to_arrow_table()))


def spark_of(frame: pl.DataFrame, folder: Path, answer: Callable[[Any], Any]) -> pl.DataFrame:
    pytest.importorskip("pyspark")
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        pytest.skip("the engine spark needs Java on PATH")
    from cleanfleet.tables.assess_file import spark_session

    frame.write_parquet(folder / "in.parquet")
    answer(spark_session().read.parquet(str(folder / "in.parquet"))).write.parquet(str(folder / "out"))
    return pl.read_parquet(folder / "out" / "*.parquet")


def lazy_of(frame: pl.DataFrame, folder: Path, answer: Callable[[Any], Any]) -> pl.DataFrame:
    found = answer(frame.lazy())
    assert isinstance(found, pl.LazyFrame)
    return found.collect()


def arrow_of(frame: pl.DataFrame, folder: Path, answer: Callable[[Any], Any]) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(answer(frame.to_arrow(compat_level=pl.CompatLevel.oldest()))))


ENGINES = {"duckdb": duckdb_of, "polars-lazy": lazy_of, "pyarrow": arrow_of}


def same(found: pl.DataFrame, expected: pl.DataFrame) -> None:
    """Every answer column of every row is equal, by vin."""
    names = [name for name in expected.columns if name != "vin"]
    ours = found.sort("vin").select(pl.col(name).cast(pl.String) for name in names)
    blocks = expected.sort("vin").select(pl.col(name).cast(pl.String) for name in names)
    assert {name: int(ours[name].ne_missing(blocks[name]).sum()) for name in names} == dict.fromkeys(names, 0)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"values": ["weight-floor-1200"]},
        {"readings": {"per_vehicle_rounding": "half_up"}},
        {"known": "2023-06-01"},
        {"min_grade": "H"},
    ],
    ids=str,
)
def test_every_reading(engine: str, how: dict[str, Any], tmp_path: Path) -> None:
    policy = policies.load("nz-clean-vehicle-standard", **{"known": "2026-11-22", **how})
    frame = vehicles(3_000, 5)
    expected = policy.assess(frame, also=ALSO).frame.select("vin", *policy.table(ALSO).names())
    same(ENGINES[engine](frame, tmp_path, lambda given: assess_portable(policy.program, given, ALSO, None)), expected)


@pytest.mark.spark
def test_spark(tmp_path: Path) -> None:
    policy = policies.load("nz-clean-vehicle-standard", known="2026-11-22")
    frame = vehicles(2_000, 6)
    expected = policy.assess(frame).frame.select("vin", *policy.table().names())
    same(spark_of(frame, tmp_path, lambda given: policy.assess(given).frame), expected)


def test_exact_decimals_and_a_readers_refusals(tmp_path: Path) -> None:
    policy = policies.load("nz-clean-vehicle-standard", known="2026-11-22")
    frame = vehicles(2_000, 7).with_columns(
        pl.col("co2_g_per_km").cast(pl.Decimal(20, 5)),
        told=pl.when(pl.int_range(pl.len()) % 7 == 0).then(pl.lit("ragged_row")),
    )
    expected = policy.assess(frame, refusal="told").frame.select("vin", *policy.table().names())
    same(duckdb_of(frame, tmp_path, lambda given: policy.assess(given, refusal="told").frame), expected)


def test_only_the_required_columns(tmp_path: Path) -> None:
    policy = policies.load("nz-clean-vehicle-standard", known="2026-11-22")
    columns = ["vin", "vehicle_class", "condition", "tare_kg", "accepted_on", "powertrain"]
    frame = vehicles(1_000, 8).select(columns)
    expected = policy.assess(frame).frame.select("vin", *policy.table().names())
    same(duckdb_of(frame, tmp_path, lambda given: policy.assess(given).frame), expected)


def test_a_missing_column_is_told(tmp_path: Path) -> None:
    policy = policies.load("nz-clean-vehicle-standard", known="2026-11-22")
    with pytest.raises(InputError, match="tare_kg"):
        duckdb_of(vehicles(10, 9).drop("tare_kg"), tmp_path, lambda given: policy.assess(given).frame)
