"""Peru's rules against the second writing of them: 10,000 batches through a file, a million on two engines."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cleanfleet import policies
from cleanfleet.tables.assess_file import Outcome, assess_file

from . import pe_fuel_quality as oracle
from .pe_fuel_generate import COLUMNS, batches

KNOWN = dt.date(2026, 11, 22)
WORDS = {
    "outside_vehicle_scope", "product_not_admitted", "sulfur_above_limit", "ron_below_minimum", "limit_date_not_certain",
    "sulfur_above_limit_and_ron_below_minimum", "quantification_above_limit", "exempt_department", "contradiction:use",
    "temporary_exception", "duplicate:batch",
}  # fmt: skip
MISSING = {f"missing:{name}" for name in (
    "product", "department", "sampled_on", "sulfur_mg_per_kg", "ron", "sulfur_provision", "product_admitted", "temporary_exception",
)}  # fmt: skip
REFUSED = (
    {f"not_a_number:{name}" for name in ("sulfur_mg_per_kg", "ron", "volume_m3")}
    | {f"out_of_range:{name}" for name in ("sulfur_mg_per_kg", "ron", "volume_m3", "sampled_on")}
    | {f"too_many_decimals:{name}" for name in ("sulfur_mg_per_kg", "ron", "volume_m3")}
    | {f"unknown_value:{name}" for name in ("product", "department", "sulfur_unit", "method", "use", "stage")}
    | {"not_a_date:sampled_on"}
)  # fmt: skip
ANSWERS = ["status", "reason", "flags", "sulfur_limit_mg_per_kg", "sulfur_margin_mg_per_kg", "ron_min", "legal_reference"]


def through(
    frame: pl.DataFrame, folder: Path, engine: Any = "polars", known: dt.date = KNOWN, overlays: Sequence[Path] = ()
) -> tuple[Outcome, pl.DataFrame]:
    """The batches written as CSV, assessed by the file's path; the outcome and the answers in order."""
    path, out = folder / "batches.csv", folder / f"{engine}.parquet"
    if not path.exists():
        frame.write_csv(path)
    policy = policies.load("pe-fuel-quality", known=known, values=overlays)
    outcome = assess_file(path, policy, engine=engine, out=out, summarise=True)
    return outcome, pl.read_parquet(out).sort("row")


def set_of(text: str | None) -> frozenset[str]:
    return frozenset(part for part in (text or "").split("; ") if part)


def answer(row: dict[str, Any]) -> oracle.Answer:
    margin = row["sulfur_margin_mg_per_kg"]
    return oracle.Answer(
        row["status"],
        set_of(row["reason"]),
        set_of(row["flags"]),
        None if row["sulfur_limit_mg_per_kg"] is None else int(row["sulfur_limit_mg_per_kg"]),
        None if margin is None else int(Decimal(margin) * 1000),
        None if row["ron_min"] is None else int(row["ron_min"]),
        row["legal_reference"],
    )


@pytest.mark.parametrize(
    ("known", "rows"),
    [("2026-11-22", 10_000), ("2021-06-01", 4_000), ("2022-05-01", 2_000), ("2022-07-01", 2_000), ("2024-06-30", 2_000),
     ("2008-01-01", 1_000), ("2012-05-05", 1_000)],
)  # fmt: skip
def test_batches_agree_with_the_oracle(known: str, rows: int, tmp_path: Path) -> None:
    frame = batches(rows, rows)
    day = dt.date.fromisoformat(known)
    outcome, found = through(frame, tmp_path, known=day)
    assert outcome.rows == found.height == rows
    given = frame.rows(named=True)
    wrong = [
        (row, ours, theirs)
        for row, ours, theirs in zip(
            given,
            map(answer, found.select(ANSWERS).rows(named=True)),
            (oracle.assess(row, day) for row in given),
            strict=True,
        )
        if ours != theirs
    ]
    assert wrong[:3] == []


def test_one_record_at_a_time_gives_the_same(tmp_path: Path) -> None:
    policy = policies.load("pe-fuel-quality", known=KNOWN)
    for row in batches(600, 7).rows(named=True):
        found = policy.one({name: cell for name, cell in row.items() if cell})
        assert answer(found) == oracle.assess(row, KNOWN), row


@pytest.mark.parametrize("engine", ["duckdb"])
def test_twenty_thousand_batches_on_another_engine(engine: str, tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    frame = batches(20_000, 3)
    same(through(frame, tmp_path), through(frame, tmp_path, engine), 20_000)


@pytest.mark.slow
def test_a_million_batches_on_polars_and_duckdb(tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    # some numbers stand twice, and of one department the exception's end is supplied, so that every reason occurs
    again = pl.int_range(pl.len()) % 9_973 == 9_972
    frame = batches(1_000_000, 1).with_columns(pl.when(again).then(pl.lit("B0000007")).otherwise("batch").alias("batch"))
    (tmp_path / "tumbes.yaml").write_text(TUMBES, encoding="utf-8")
    first = through(frame, tmp_path, overlays=[tmp_path / "tumbes.yaml"])
    assert set(first[0].reasons) == WORDS | MISSING | REFUSED
    assert 0.09 < first[0].refused_rows / 1_000_000 < 0.12
    same(first, through(frame, tmp_path, "duckdb", overlays=[tmp_path / "tumbes.yaml"]), 1_000_000)


TUMBES = """
overlay: tumbes
title: the exception lasted 90 days in Tumbes (made up)
defaults: {reference: {title: made up}, confidence: L}
values:
  temporary_exception:
    - {grade: diesel_2, department: tumbes, from: "2022-07-15", value: in_force}
    - {grade: diesel_2, department: tumbes, from: "2022-10-13", value: none}
"""


def same(first: tuple[Outcome, pl.DataFrame], second: tuple[Outcome, pl.DataFrame], rows: int) -> None:
    """Two engines' answers are the same in every cell, and no row is lost."""
    for outcome, found in (first, second):
        assert outcome.rows == found.height == rows == sum(outcome.statuses.values())
        assert found["row"].to_list() == list(range(1, rows + 1)) if rows < 100_000 else found["row"].n_unique() == rows
    assert Counter(first[0].reasons) == Counter(second[0].reasons)
    assert first[0].flags == second[0].flags
    for name in [*COLUMNS, *ANSWERS]:
        ours, theirs = first[1][name].cast(pl.String), second[1][name].cast(pl.String)
        assert ours.ne_missing(theirs).sum() == 0, name
    assert first[0].summary is not None
    assert second[0].summary is not None
    assert first[0].summary.equals(second[0].summary)
