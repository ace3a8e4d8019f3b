"""The Clean Car Discount against its oracle: every answer column of every row, on several engines; every reason comes up."""

from __future__ import annotations

import datetime as dt
import os
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cleanfleet import policies

from .nz_ccd import answer
from .nz_ccd_vehicles import differences, truth, vehicles
from .test_against_engines import run

POLICY = policies.load("nz-clean-car-discount", known="2026-11-22")

#: Every reason that a row may have, but for refusals of cells that another scheme declares too.
EXCLUDED = {
    "before_scheme", "scheme_ended", "motorcycle", "moped", "trailer", "no_entry_certification", "over_3500_kg",
}  # fmt: skip
DETERMINED = {"price_cap", "safety_rating", "not_plug_in"}
MISSING = {
    "registered_on", "vehicle_class", "condition", "powertrain", "price_incl_gst_nzd", "safety_stars", "co2_g_per_km", "co2_cycle",
    "fuel", "conversion_factor", "conversion_offset", "fuel_co2_factor", "phase_distance_high_m", "exclusion_counts",
    "over_age_is_excluded", "disability_vehicles", "disability_rebate", "rebate_below_lowest", "transitional_clause",
}  # fmt: skip
REFUSED = {
    "unknown_value:vehicle_class", "unknown_value:condition", "unknown_value:powertrain", "unknown_value:exclusion",
    "unknown_value:co2_cycle", "out_of_range:co2_g_per_km", "too_many_decimals:co2_g_per_km", "out_of_range:registered_on",
    "out_of_range:price_incl_gst_nzd", "too_many_decimals:price_incl_gst_nzd", "out_of_range:safety_stars",
    "out_of_range:gross_vehicle_mass_kg", "out_of_range:tare_kg", "contradiction:gross_vehicle_mass_kg",
}  # fmt: skip
FLAGS = {
    "condition_conflict", "electric_with_co2", "wltc_class_assumed_3b", "phases_contradict_combined", "order_date_unknown",
    "fraction_of_gram", "doubtful:disability_vehicles",
}  # fmt: skip


@pytest.mark.parametrize("engine", ["polars", "polars-lazy", "duckdb", "pandas"])
def test_four_thousand_vehicles(engine: str, tmp_path: Path) -> None:
    if engine in ("duckdb", "pandas"):
        pytest.importorskip(engine)
    frame = vehicles(4_000, 11)
    assert differences(run(engine, POLICY, frame, tmp_path), truth(frame)) == {}


def test_one_record_is_the_row_of_a_table() -> None:
    frame = vehicles(600, 12)
    cells = {name: [None if cell is None else str(cell) for cell in frame[name]] for name in frame.columns}
    singly = [POLICY.one({name: cells[name][i] for name in frame.columns}) for i in range(frame.height)]
    assert differences(pl.DataFrame(singly, infer_schema_length=None), truth(frame)) == {}


@pytest.mark.parametrize(
    "readings",
    [
        {"rebate_limit_reading": "table"},
        {"co2_grams": "half_up"},
        {"co2_grams": "truncate"},
        {"ordered_before_july_2023": "old_law"},
        {"ordered_before_july_2023": "new_law"},
        {"rebate_limit_reading": "table", "co2_grams": "half_up", "ordered_before_july_2023": "old_law"},
    ],
    ids=lambda readings: ",".join(readings.values()),
)
def test_other_readings(readings: dict[str, str]) -> None:
    frame = vehicles(4_000, 13)
    found = POLICY.at(readings=readings).assess(frame).frame
    assert differences(found, truth(frame, readings)) == {}
    # they are readings that decide something
    assert differences(found, truth(frame)) != {}


def test_every_reason_comes_up_and_none_that_is_not_known() -> None:
    right = truth(vehicles(20_000, 14))
    by_status: dict[str, Counter[str]] = {}
    for status, reasons in right.select("status", "reason").iter_rows():
        by_status.setdefault(status, Counter()).update(reasons)
    assert set(by_status["excluded"]) == EXCLUDED
    assert set(by_status["determined"]) == DETERMINED
    assert set(by_status["not_determined"]) == {f"missing:{name}" for name in MISSING}
    assert set(by_status["refused"]) >= REFUSED
    assert {flag for flags in right["flags"] for flag in flags} == FLAGS
    assert {*right["band"].drop_nulls()} == {
        "battery_electric", "plug_in_hybrid", "zero_emission", "low_emission", "neutral", "charged", "disability",
    }  # fmt: skip
    assert 0.05 < (right["status"] == "refused").mean() < 0.2


@pytest.fixture(scope="module")
def many() -> tuple[pl.DataFrame, pl.DataFrame]:
    frame = vehicles(1_000_000, 15)
    return frame, truth(frame, processes=os.cpu_count() or 2)


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "rows"), [("polars", 1_000_000), ("duckdb", 100_000)])
def test_a_million_vehicles(engine: str, rows: int, many: tuple[pl.DataFrame, pl.DataFrame], tmp_path: Path) -> None:
    frame, right = many
    found = run(engine, POLICY, frame.head(rows), tmp_path)
    assert found.height == rows
    assert differences(found, right.head(rows)) == {}


def test_the_oracle_pays_what_was_published() -> None:
    """The oracle itself, on figures typed from the sources."""
    car: dict[str, Any] = {
        "vehicle_class": "MA", "condition": "new", "co2_cycle": "3P-WLTP", "price_incl_gst_nzd": 50_000, "safety_stars": 5,
        "registered_on": dt.date(2022, 7, 1),
    }  # fmt: skip
    assert answer({**car, "co2_g_per_km": 0}).rebate_paid == 8_625_00
    assert answer({**car, "co2_g_per_km": 146}).rebate_paid == 1_098_45
    assert answer({**car, "co2_g_per_km": 146, "condition": "used"}).rebate_paid == 439_38
    assert answer({**car, "co2_g_per_km": 146}, {"rebate_limit_reading": "table"}).rebate_paid == 0
    assert answer({**car, "co2_g_per_km": 192}).charge_incl == 345_00
    assert answer({**car, "co2_g_per_km": 350}).charge_incl == 5_175_00
    later = {**car, "registered_on": dt.date(2023, 7, 1)}
    assert answer({**later, "co2_g_per_km": 150}).charge_incl == 575_00
    assert answer({**later, "co2_g_per_km": 260}).charge_incl == 6_900_00
    assert answer({**later, "co2_g_per_km": 100}).rebate_paid == 1_725_00
    assert answer({**later, "co2_g_per_km": 60}).rebate_paid == 4_025_00
