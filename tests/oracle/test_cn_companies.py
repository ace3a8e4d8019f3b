"""The company table against sums of the oracle's own answers in fractions, on random cars of random companies."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction as F
from pathlib import Path
from typing import Any

import polars as pl

from cleanfleet import policies
from cleanfleet.tables.assess_file import assess_file

from .cn_dual_credit import RATIO, answer
from .cn_generate import _exact, cars

RATIOS = {
    **RATIO, 2016: F("1.34"), 2017: F("1.28"), 2018: F("1.2"), 2019: F("1.1"), 2020: F(1),
}  # fmt: skip
NEV_RATIO = {
    2019: F("0.1"),
    2020: F("0.12"),
    2021: F("0.14"),
    2022: F("0.16"),
    2023: F("0.18"),
    2024: F("0.28"),
    2025: F("0.38"),
}
EFFICIENT = {2021: F("0.5"), 2022: F("0.3"), 2023: F("0.2"), 2024: F("0.2"), 2025: F("0.2")}
NEVS = ("battery_electric", "plug_in_hybrid", "fuel_cell")


def _half_up(x: F, places: int) -> F:
    whole = int(abs(x) * 10**places + F(1, 2))
    return F(whole if x >= 0 else -whole, 10**places)


def _figures(rows: list[tuple[dict[str, Any], Any]], year: int) -> dict[str, Any]:
    volume = sum(car["volume"] for car, _ in rows)
    conventional = sum(car["volume"] for car, _ in rows if car["powertrain"] not in NEVS)
    if year <= 2020:
        conventional -= sum(car["volume"] for car, _ in rows if car["powertrain"] == "alcohol_ether")
    efficient = sum(car["volume"] for car, found in rows if found.is_fuel_efficient)
    earned = sum((found.nev_credit_per_vehicle * car["volume"] for car, found in rows), F(0))
    counted = conventional - efficient + EFFICIENT.get(year, F(1)) * efficient
    target = NEV_RATIO.get(year, F(0)) * counted if conventional >= 30_000 else F(0)
    required = _half_up(sum(found.target_l_per_100km * car["volume"] for car, found in rows) / F(volume) * RATIOS[year], 2)
    actual = _half_up(
        sum(found.counted_fuel_l_per_100km * car["volume"] for car, found in rows)
        / sum(found.cafc_multiplier * car["volume"] for car, found in rows),
        2,
    )
    return {
        "volume": volume, "conventional_volume": conventional, "fuel_efficient_volume": efficient, "nev_actual": earned,
        "nev_target": target, "nev_balance": int(_half_up(earned - target, 0)), "cafc_target": required, "cafc_actual": actual,
        "cafc_balance": int(_half_up((required - actual) * volume, 0)),
    }  # fmt: skip


def test_companies_add_up(tmp_path: Path) -> None:
    policy = policies.load("cn-dual-credit", known="2026-11-22")
    frame = cars(6_000, 11).with_columns(
        pl.lit("domestic").alias("origin"),
        entity=pl.concat_str(pl.lit("company "), (pl.int_range(pl.len()) % 40).cast(pl.String)),
        powertrain=pl.col("powertrain").str.to_lowercase(),
    )
    frame = frame.filter(pl.col("powertrain").is_in(["petrol", "diesel", "hybrid", "cng", "lpg", "alcohol_ether", *NEVS]))
    found = [answer(row) for row in _exact(frame.drop("entity"))]
    # companies are told only where every car is; the table is made of such cars and of those that don't count
    keep = [f.status in ("determined", "excluded") and c is not None for f, c in zip(found, frame["volume"], strict=True)]
    frame = frame.filter(pl.Series(keep) & pl.col("cafc_target").is_null())
    frame.write_parquet(tmp_path / "in.parquet")
    table = assess_file(tmp_path / "in.parquet", policy, summarise=True).summary
    assert table is not None
    groups: dict[tuple[str, int], list[Any]] = {}
    for entity, car in zip(frame["entity"], _exact(frame.drop("entity")), strict=True):
        answered = answer(car)
        if answered.status == "determined":
            groups.setdefault((entity, car["year"]), []).append((car, answered))
    checked = 0
    for row in table.rows(named=True):
        rows = groups[row["entity"], row["year"]]
        if sum(car["volume"] for car, _ in rows) <= 2000:
            continue
        for name, expected in _figures(rows, row["year"]).items():
            ours = row[name]
            assert (F(ours) if isinstance(ours, Decimal) else ours) == expected, (row["entity"], row["year"], name)
        assert row["status"] == "determined"
        checked += 1
    assert checked > 300
    assert checked + table.filter(pl.col("volume") <= 2000).height == table.height == len(groups)
