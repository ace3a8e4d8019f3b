"""The real rules against the oracle: every answer column of every row, on every engine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cleanfleet import policies

from .generate import assess_table, vehicles

ENGINES = ["polars", "polars-lazy", "pandas", "pyarrow", "duckdb", "pyspark"]
WORDS = ["status", "vehicle_type", "co2_basis"]
NUMBERS = {
    "co2_3p_wltp_g_per_km": ("co2_e4", 10_000),
    "target_g_per_km": ("target_e4", 10_000),
    "difference_g_per_km": ("difference_e4", 10_000),
    "credit_g": ("credit_g", 1),
    "charge_g": ("charge_g", 1),
    "charge_nzd": ("charge_cents", 100),
}


@pytest.fixture(scope="module")
def policy() -> Any:
    return policies.load("nz-clean-vehicle-standard", known="2026-11-22")


def _list(column: str, prefix: str = "") -> pl.Expr:
    return (
        pl.col(column)
        .cast(pl.String)
        .fill_null("")
        .str.split("; ")
        .list.eval(pl.element().filter(pl.element() != ""))
        .list.sort()
    )


def differences(answers: pl.DataFrame, truth: pl.DataFrame) -> dict[str, int]:
    """Column -> number of rows that differ."""
    ours = answers.select(
        *(pl.col(name).cast(pl.String) for name in WORDS),
        *((pl.col(name).cast(pl.Decimal(38, 4)) * scale).cast(pl.Int64).alias(name) for name, (_, scale) in NUMBERS.items()),
        _list("reason"),
        _list("flags"),
    )
    # The oracle names a basis only where a CO2 comes out; ours also tells how a value would be found.
    ours = ours.with_columns(
        co2_basis=pl.when(pl.col("co2_3p_wltp_g_per_km").is_null()).then(None).otherwise(pl.col("co2_basis"))
    )
    theirs = truth.select(
        *(pl.col(name).cast(pl.String) for name in WORDS),
        *(pl.col(other).cast(pl.Int64).alias(name) for name, (other, _) in NUMBERS.items()),
        pl.col("reason").list.sort(),
        pl.col("flags").list.sort(),
    )
    assert ours.height == theirs.height
    return {
        name: int(ours[name].ne_missing(theirs[name]).sum())
        for name in ours.columns
        if ours[name].ne_missing(theirs[name]).any()
    }


def run(engine: str, policy: Any, frame: pl.DataFrame, folder: Path) -> pl.DataFrame:
    """The answers of one engine, in the order of ``frame``."""
    if engine == "polars":
        return policy.assess(frame).frame
    if engine == "polars-lazy":
        frame.write_parquet(folder / "in.parquet")
        policy.assess(pl.scan_parquet(folder / "in.parquet")).frame.sink_parquet(folder / "out.parquet")
        return pl.read_parquet(folder / "out.parquet")
    if engine == "pandas":
        return pl.from_pandas(policy.assess(frame.to_pandas()).frame)
    if engine == "pyarrow":
        return pl.DataFrame(pl.from_arrow(policy.assess(frame.to_arrow()).frame))
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
    order = frame.select("vin").with_row_index("__place")
    return found.join(order, on="vin", validate="1:1").sort("__place")


def _needs(engine: str) -> None:
    if engine == "pyspark":
        pytest.importorskip("pyspark")
        if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
            pytest.skip("the engine spark needs Java on PATH")


@pytest.mark.parametrize("engine", ["polars"])
def test_thirty_thousand_vehicles(engine: str, policy: Any, tmp_path: Path) -> None:
    frame = vehicles(30_000, 20260)
    assert differences(run(engine, policy, frame, tmp_path), assess_table(frame, processes=1)) == {}


@pytest.fixture(scope="module")
def million() -> tuple[pl.DataFrame, pl.DataFrame]:
    frame = vehicles(1_000_000, 1)
    return frame, assess_table(frame, processes=os.cpu_count() or 2)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_a_million_vehicles(engine: str, policy: Any, million: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path) -> None:
    _needs(engine)
    frame, truth = million
    assert differences(run(engine, policy, frame, tmp_path), truth) == {}


@pytest.mark.parametrize(
    ("known", "readings"),
    [
        ("2023-06-01", {}),
        ("2025-06-30", {}),
        ("2026-11-22", {"weight_adjustment": "none"}),
        ("2026-11-22", {"per_vehicle_rounding": "half_up"}),
    ],
)
def test_other_readings(known: str, readings: dict[str, str]) -> None:
    import datetime as dt

    frame = vehicles(6_000, 77)
    other = policies.load("nz-clean-vehicle-standard", known=known, readings=readings)
    truth = assess_table(frame, processes=1, known=dt.date.fromisoformat(known), readings=readings)
    assert differences(other.assess(frame).frame, truth) == {}
