"""China's per-vehicle rules against the oracle: every answer column of every row, on each engine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cleanfleet import policies

from .cn_generate import SCALES, cars, oracle
from .test_against_engines import _needs

SIZES = {"polars": 1_000_000, "duckdb": 1_000_000, "pyspark": 1_000_000}


@pytest.fixture(scope="module")
def policy() -> Any:
    return policies.load("cn-dual-credit", known="2026-11-22")


def differences(answers: pl.DataFrame, truth: pl.DataFrame) -> dict[str, int]:
    """Column -> number of rows that differ."""
    ours = answers.select(
        pl.col("status").cast(pl.String),
        pl.col("reason").cast(pl.String).fill_null("").str.split("; ").list.sort().list.join("; "),
        "own_use_only",
        "is_fuel_efficient",
        *((pl.col(name).cast(pl.Decimal(38, 4)) * scale).cast(pl.Int64).alias(name) for name, scale in SCALES.items()),
    )
    assert ours.height == truth.height
    return {
        name: int(ours[name].ne_missing(truth[name]).sum())
        for name in ours.columns
        if ours[name].ne_missing(truth[name]).any()
    }


def run(engine: str, policy: Any, frame: pl.DataFrame, folder: Path) -> pl.DataFrame:
    """The answers of one engine, in the order of ``frame``."""
    if engine == "polars":
        return policy.assess(frame).frame
    frame.write_parquet(folder / "in.parquet")
    if engine == "duckdb":
        import duckdb

        with duckdb.connect() as session:
            relation = session.read_parquet(str(folder / "in.parquet"))
            found = pl.DataFrame(pl.from_arrow(policy.assess(relation).frame.to_arrow_table()))
    else:
        from cleanfleet.tables.assess_file import spark_session

        session = spark_session()
        policy.assess(session.read.parquet(str(folder / "in.parquet"))).frame.write.parquet(str(folder / "spark"))
        found = pl.read_parquet(folder / "spark" / "*.parquet")
    order = frame.select("model").with_row_index("__place")
    return found.join(order, on="model", validate="1:1").sort("__place")


def test_ten_thousand_cars(policy: Any, tmp_path: Path) -> None:
    frame = cars(10_000, 5)
    truth = oracle(frame, processes=1)
    assert set(truth["status"]) == {"determined", "not_determined", "excluded", "refused"}
    assert (truth["status"] == "determined").mean() > 0.6  # type: ignore[operator]
    assert differences(run("polars", policy, frame, tmp_path), truth) == {}


@pytest.fixture(scope="module")
def million() -> tuple[pl.DataFrame, pl.DataFrame]:
    frame = cars(1_000_000, 2025)
    return frame, oracle(frame, processes=os.cpu_count() or 2)


@pytest.mark.slow
@pytest.mark.parametrize("engine", SIZES)
def test_a_million_cars(engine: str, policy: Any, million: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path) -> None:
    _needs(engine)
    frame, truth = million
    size = SIZES[engine]
    assert differences(run(engine, policy, frame.head(size), tmp_path), truth.head(size)) == {}
