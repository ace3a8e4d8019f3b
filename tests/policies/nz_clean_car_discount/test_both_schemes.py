"""One vehicle under both New Zealand schemes, as who imports it for own use meets them: certified for one, registered for the other."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from cleanfleet import policies
from cleanfleet.law.together import answer_names, assess_together

#: At the annual targets of 2023; its slope is not known.
STANDARD = policies.load("nz-clean-vehicle-standard", known="2026-11-22", readings={"weight_adjustment": "none"})
DISCOUNT = policies.load("nz-clean-car-discount", known="2026-11-22")

VEHICLES = pl.DataFrame(
    {
        "name": ["car of 146 g", "van of 200 g", "electric car", "utility of 260 g"],
        "vehicle_class": ["MA", "NA", "MA", "NA"],
        "condition": ["new", "new", "used", "used"],
        "powertrain": ["petrol", "diesel", "battery_electric", "diesel"],
        "tare_kg": [1400, 1900, 1500, 2200],
        "co2_g_per_km": [146.0, 200.0, None, 260.0],
        "co2_cycle": ["3P-WLTP", "3P-WLTP", None, "JP-WLTC"],
        "accepted_on": [dt.date(2023, 5, 8)] * 4,
        "registered_on": [dt.date(2023, 5, 22)] * 4,
        "price_incl_gst_nzd": [42_000, 55_000, 28_000, 60_000],
        "safety_stars": [5, 4, 5, 3],
    }
)
#: By hand. Standard: target 145 (Type A) or 218.3 (Type B), $36 new and $18 used a gram; discount: the table of 1 April 2022.
EXPECTED = [
    ("charge", 0, 1, "36.00", "1098.45", "0.00"),  # pays one, is paid by the other
    ("credit", 18, 0, "0.00", "0.00", "805.00"),  # is credited by one, pays the other: 14 g x $50 x 1.15
    ("credit", 145, 0, "0.00", "3450.00", "0.00"),
    ("charge", 0, 41, "738.00", "0.00", "2875.00"),  # 74 g x $37.50 is over the cap of $2,500
]


@pytest.mark.parametrize("kind", ["polars", "duckdb", "pandas"])
def test_opposite_results(kind: str) -> None:
    frame: Any = VEHICLES
    if kind == "duckdb":
        frame = pytest.importorskip("duckdb").from_arrow(VEHICLES.to_arrow())
    elif kind == "pandas":
        pytest.importorskip("pandas")
        frame = VEHICLES.to_pandas()
    found = assess_together([STANDARD, DISCOUNT], frame)
    if kind == "duckdb":
        found = pl.DataFrame(pl.from_arrow(found.to_arrow_table()))
    elif kind == "pandas":
        found = pl.from_pandas(found)
    rows = {row["name"]: row for row in found.rows(named=True)}
    for name, (what, credit, charge, nzd, rebate, fee) in zip(VEHICLES["name"], EXPECTED, strict=True):
        row = rows[name]
        assert row["nz_clean_vehicle_standard_status"] == row["nz_clean_car_discount_status"] == "determined"
        assert (row["credit_g"], row["charge_g"], row["charge_nzd"]) == (credit, charge, Decimal(nzd))
        assert (row["rebate_payable_nzd"], row["charge_incl_gst_nzd"]) == (Decimal(rebate), Decimal(fee))
        assert what == ("credit" if row["difference_g_per_km"] > 0 else "charge")


def test_the_two_use_one_co2() -> None:
    """An overlay that turns JC08 into three-phase results makes the same grams in both."""
    at = "indicative-cycle-averages"
    path = STANDARD.definition.overlays()[at]
    pair = [policies.load(p.id, known="2026-11-22", values=[path]) for p in (STANDARD, DISCOUNT)]
    record = {"vehicle_class": "MA", "condition": "new", "powertrain": "petrol", "co2_g_per_km": "150", "co2_cycle": "JC08"}
    dates = [{"accepted_on": "2023-05-08"}, {"registered_on": "2023-05-22"}]
    grams = [policy.explain({**record, **day}).step("co2_3p_wltp").result for policy, day in zip(pair, dates, strict=True)]
    assert grams[0] is not None
    assert grams[0] == grams[1] == "171.0938"  # 150 x 1.140625


def test_columns_that_both_have_are_told_apart() -> None:
    names = answer_names([STANDARD, DISCOUNT])
    changed = {own for mine in names.values() for own, new in mine.items() if own != new}
    assert changed == {"status", "reason", "flags"}
