"""``assess`` with several policies: what is printed and written, which option goes where, and how mistakes end."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from .test_cli import ROOT, Run, run  # noqa: F401 - a fixture

IMPORTS = ROOT / "examples" / "own-use-imports.csv"
STANDARD, DISCOUNT = "nz-clean-vehicle-standard", "nz-clean-car-discount"
BOTH = ["-p", STANDARD, "-p", DISCOUNT, "--known", "2026-11-22"]
FLAT = ["--reading", "weight_adjustment=none"]


def test_both_new_zealand_schemes_on_the_example(run: Run, tmp_path: Path) -> None:  # noqa: F811
    out = tmp_path / "both.csv"
    found = run("assess", IMPORTS, *BOTH, *FLAT, "--out", out)
    assert (found.code, found.err) == (0, "")
    assert "Clean Vehicle Standard (Clean Car Standard), New Zealand, law as known on 2026-11-22" in found.out
    assert "Clean Car Discount (Clean Vehicle Discount Scheme), New Zealand, law as known on 2026-11-22" in found.out
    assert "5 rows of own-use-imports.csv = 5 determined\n" in found.out
    assert "5 rows of own-use-imports.csv = 4 determined + 1 not determined\n" in found.out
    assert "columns not used" not in found.out
    assert found.out.count(f"written: {out}") == 1
    rows = pl.read_csv(out, infer_schema=False).rows(named=True)
    assert len(rows) == 5
    # the standard charges the car that the discount pays for, and credits the van that the discount charges
    assert (rows[0]["charge_nzd"], rows[0]["credit_g"], rows[0]["rebate_payable_nzd"]) == ("36.00", "0", "1098.45")
    assert (rows[1]["charge_nzd"], rows[1]["credit_g"], rows[1]["charge_incl_gst_nzd"]) == ("0.00", "18", "805.00")
    assert rows[1]["nz_clean_vehicle_standard_status"] == rows[1]["nz_clean_car_discount_status"] == "determined"
    assert rows[4]["nz_clean_car_discount_reason"] == "missing:transitional_clause"


def test_without_the_reading_the_standard_of_2023_stays_open(run: Run) -> None:  # noqa: F811
    found = run("assess", IMPORTS, *BOTH, "--json").json
    standard, discount = found["policies"]
    assert standard["statuses"] == {"not_determined": 5}
    assert set(standard["reasons"]) == {"missing:slope", "missing:mean_tare_kg"}
    assert discount["statuses"] == {"determined": 4, "not_determined": 1}


def test_as_json(run: Run) -> None:  # noqa: F811
    found = run("assess", IMPORTS, *BOTH, *FLAT, "--json").json
    assert [policy["policy"] for policy in found["policies"]] == [STANDARD, DISCOUNT]
    assert found["policies"][0]["readings"] == {"weight_adjustment": "none"}
    assert found["policies"][1]["readings"] == {}
    assert found["rows"] == 5
    assert found["columns"][DISCOUNT]["status"] == "nz_clean_car_discount_status"
    assert found["results"][0]["rebate_payable_nzd"] == Decimal("1098.45")
    assert found["policies"][1]["totals"]["charge_incl_gst_nzd"] == Decimal("4255.00")


def test_options_reach_the_policies_that_know_them(run: Run, tmp_path: Path) -> None:  # noqa: F811
    overlay = tmp_path / "factor.yaml"
    overlay.write_text(
        "overlay: my-factor\ntitle: a factor of one's own\ndefaults: {from: '2022-04-01', reference: {title: mine}, confidence: M}\n"
        "values:\n  conversion_factor: [{co2_cycle: NEDC, engine_fuel: petrol, value: '1.25'}]\n"
        "  conversion_offset: [{co2_cycle: NEDC, engine_fuel: petrol, value: '0'}]\n"
    )
    car = tmp_path / "car.csv"
    car.write_text(
        "vehicle_class,condition,powertrain,tare_kg,co2_g_per_km,co2_cycle,accepted_on,registered_on\nMA,new,petrol,1500,160,NEDC,2023-05-01,2023-05-02\n"
    )
    found = run("assess", car, *BOTH, *FLAT, "--values", overlay, "--json").json
    row = found["results"][0]
    # 160 x 1.25 = 200 g: 55 g over 145, and 14 g x $50 with GST
    assert (row["charge_g"], row["charge_incl_gst_nzd"]) == (Decimal(55), Decimal("805.00"))
    assert [policy["overlays"] for policy in found["policies"]] == [["my-factor"], ["my-factor"]]
    found = run("assess", IMPORTS, *BOTH, "--values", "no-weight-adjustment", "--json").json
    assert [policy["overlays"] for policy in found["policies"]] == [["no-weight-adjustment"], []]
    found = run("assess", IMPORTS, *BOTH, "--reading", "ordered_before_july_2023=old_law", "--json").json
    assert found["policies"][1]["statuses"] == {"determined": 5}
    found = run("assess", IMPORTS, *BOTH, *FLAT, "--scheme", "fleet", "--set", "importer=Me", "--json").json
    assert found["policies"][0]["fleets"][0]["importer"] == "Me"


def test_an_overlay_named_in_one_policy_is_laid_where_it_fits(run: Run, tmp_path: Path) -> None:  # noqa: F811
    found = run("assess", IMPORTS, *BOTH, "--values", "indicative-cycle-averages", "--json").json
    assert [policy["overlays"] for policy in found["policies"]] == [["indicative-cycle-averages"]] * 2


def test_the_order_of_the_policies_is_that_of_the_command(run: Run, tmp_path: Path) -> None:  # noqa: F811
    out = tmp_path / "both.csv"
    run("assess", IMPORTS, "-p", DISCOUNT, "-p", STANDARD, "--known", "2026-11-22", "--out", out)
    columns = pl.read_csv(out, infer_schema=False).columns
    assert columns.index("nz_clean_car_discount_status") < columns.index("nz_clean_vehicle_standard_status")


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["-p", STANDARD, "-p", STANDARD], ["policy nz-clean-vehicle-standard is named 2 times"]),
        (["-p", STANDARD, "-p", "nz-clean-car-discont"], ["no policy", "did you mean nz-clean-car-discount"]),
        ([*BOTH, "--reading", "no_such=1"], ["has a reading 'no_such'"]),
        ([*BOTH, "--reading", "rebate_limit_reading=both"], ["rebate_limit_reading", "both", "agency"]),
        ([*BOTH, "--values", "nowhere.yaml"], ["no overlay or file 'nowhere.yaml'"]),
        ([*BOTH, "--chart", "x.svg"], ["--chart draws one policy"]),
        ([*BOTH, "--set", "colour=red"], ["no policy here has a column 'colour'"]),
        ([*BOTH, "--on", "2023-13-01"], ["--on: '2023-13-01' is not a date"]),
        ([*BOTH, "--out", str(IMPORTS)], ["is the input too"]),
        ([*BOTH, "--preset", "ademe", "--columns", "x.yaml"], ["--preset and --columns exclude each other"]),
    ],
)
def test_what_cannot_be_used_ends_with_one_line(run: Run, options: list[str], parts: list[str]) -> None:  # noqa: F811
    before = IMPORTS.read_bytes()
    found = run("assess", IMPORTS, *options)
    assert (found.code, found.out) == (2, "")
    assert found.err.count("\n") == 1
    for part in parts:
        assert part in found.err
    assert IMPORTS.read_bytes() == before


def test_strict_counts_the_refusals_of_each_policy(run: Run, tmp_path: Path) -> None:  # noqa: F811
    path, refused = tmp_path / "cars.csv", tmp_path / "refused.jsonl"
    lines = IMPORTS.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], lines[2].replace("55000", "cheap")]) + "\n")
    found = run("assess", path, *BOTH, "--strict", "--refused", refused)
    assert found.code == 1
    (row,) = [json.loads(line) for line in refused.read_text().splitlines()]
    assert (row["row"], row["policy"], row["reason"]) == (2, DISCOUNT, "not_a_number:price_incl_gst_nzd")
