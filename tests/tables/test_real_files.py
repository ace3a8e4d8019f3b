"""Real lists, where they are at hand."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from cleanfleet.law.columns import Column
from cleanfleet.tables import load_layout

from .conftest import COLUMNS, DATA, Whole, read_all

ADEME = DATA / "ademe_car_labelling.csv"
REGISTER = DATA / "nz_mvr_2017_sample_dbglm.csv"

PHASES = [
    Column(f"co2_{phase}_g_per_km", "decimal", decimals=4, minimum=Decimal(0), maximum=Decimal(1000))
    for phase in ("low", "medium", "high", "extra_high")
]
CARS = [
    *COLUMNS,
    *PHASES,
    Column("model", "text"),
    Column("fuel", "choice", choices={"petrol": ""}),
    Column("co2_cycle", "choice", choices={"4P-WLTP": ""}),
    Column("seats", "integer", minimum=Decimal(1), maximum=Decimal(100)),
    Column("gross_vehicle_mass_kg", "integer", minimum=Decimal(100), maximum=Decimal(100000)),
    Column("body", "choice", choices={"passenger": "", "goods": ""}),
    Column("exclusion", "choice", choices={"trailer": ""}),
]


def real(path: Path, preset: str, **options: object) -> Whole:
    if not path.exists():
        pytest.skip(f"the real file {path.name} is not at hand (looked for in ../shared/data)")
    return read_all(path, CARS, layout=load_layout(preset, None, CARS), **options)


@pytest.mark.parametrize("preset", ["ademe", "ademe:min"])
def test_french_labelling_file(preset: str) -> None:
    got = real(ADEME, preset)
    assert len(got.row) == 7_679
    assert got.refusal == [None] * 7_679
    assert Counter(got.flags) == {None: 4_988, "duplicate_row": 2_691}
    powertrains = Counter(got.typed["powertrain"])
    assert powertrains == {
        "petrol": 2_719,
        "diesel": 2_020,
        "hybrid": 1_854,
        "plug_in_hybrid": 630,
        "battery_electric": 270,
        "lpg": 101,
        "ethanol": 83,
        "cng": 2,
    }
    assert got.typed["co2_cycle"].unique().to_list() == ["4P-WLTP"]
    # electric cars have no CO2, plug-in hybrids no phases
    empty = {"ademe": (270, 900), "ademe:min": (395, 989)}[preset]
    assert (got.typed["co2_g_per_km"].null_count(), got.typed["co2_low_g_per_km"].null_count()) == empty
    assert got.typed["tare_kg"].null_count() == 0
    assert got.typed["make"][0] == got.original["Marque"][0]
    assert "encoding UTF-8 with byte-order mark" in got.table.notes


def test_low_is_not_above_high_in_the_labelling_file() -> None:
    most, least = real(ADEME, "ademe"), real(ADEME, "ademe:min")
    both = most.typed["co2_g_per_km"] >= least.typed["co2_g_per_km"]
    assert both.drop_nulls().all()


def test_sample_of_new_zealands_register() -> None:
    got = real(REGISTER, "nz-mvr", unique=["vin"])
    assert got.row == list(range(1, 10_001))
    assert got.refusal == [None] * 10_000
    assert got.typed["gross_vehicle_mass_kg"].null_count() == 2_318
    assert got.typed["seats"].null_count() == 2_078
    assert Counter(got.typed["exclusion"].drop_nulls()) == {
        "trailer": 1_508,
        "motorcycle": 303,
        "agricultural": 94,
        "moped": 61,
    }
    assert Counter(got.typed["body"].drop_nulls()) == {"passenger": 6_500, "goods": 1_389}
