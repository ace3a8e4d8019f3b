"""The oracle against the published numbers, and the generator against what it must reach. All numbers typed by hand."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from fractions import Fraction

import pytest

from . import nz_cvs
from .generate import assess_frame, assess_table, records, vehicles
from .nz_cvs import assess

NONE_WEIGHED = {"weight_adjustment": "none"}
BASE = {
    "vehicle_class": "MA",
    "condition": "new",
    "tare_kg": 1482,
    "accepted_on": dt.date(2026, 6, 1),
    "co2_g_per_km": Decimal(100),
    "co2_cycle": "3P-WLTP",
    "powertrain": "petrol",
}


def car(**cells: object) -> dict[str, object]:
    return BASE | cells


def why(**cells: object) -> tuple[object, object]:
    found = assess(car(**cells))
    return found["status"], found["reason"]


def missing(**cells: object) -> set[str]:
    found = assess(car(**cells))
    assert found["status"] == "not_determined", found
    reason = found["reason"]
    assert isinstance(reason, set)
    assert all(name.startswith("missing:") for name in reason)
    return {name.removeprefix("missing:") for name in reason}


# ------------------------------------------------------------------------------------------------ published numbers


@pytest.mark.parametrize(
    ("year", "klass", "targets"),
    [
        (2026, "MA", ["91.4674", "101.7574", "112.0474", "125.7674", "136.0574"]),
        (2027, "NA", ["117.9436", "132.5236", "147.1036", "166.5436", "181.1236"]),
        (2028, "MC", ["55.4674", "66.6874", "77.9074", "92.8674", "104.0874"]),
    ],
)
def test_derived_vectors(year: int, klass: str, targets: list[str]) -> None:
    for tare, target in zip([1000, 1300, 1600, 2000, 2300], targets, strict=True):
        found = assess(car(vehicle_class=klass, tare_kg=tare, accepted_on=dt.date(year, 12, 31)))
        assert found["target_g_per_km"] == Fraction(target)
        assert found["difference_g_per_km"] == Fraction(target) - 100


@pytest.mark.parametrize(
    ("year", "over", "charge"),
    [
        (2025, 10, "337.50"), (2025, 20, "675"), (2025, 50, "1687.50"), (2025, 80, "2700"),
        (2026, 10, "75"), (2026, 20, "150"), (2026, 50, "375"), (2026, 80, "600"),
    ],
)  # fmt: skip
def test_published_charges_of_a_used_vehicle_at_the_fleet_rate(year: int, over: int, charge: str) -> None:
    target = {2025: Decimal("112.6"), 2026: Decimal(108)}[year]
    cells = car(accepted_on=dt.date(year, 3, 3), co2_g_per_km=target + over, condition="used", scheme="fleet")
    found = assess(cells, readings=NONE_WEIGHED)
    assert (found["charge_g"], found["credit_g"], found["charge_nzd"]) == (over, 0, Fraction(charge))
    assert found["flags"] == {"fleet_share", "doubtful:per_vehicle_rounding", "reading:weight_adjustment=none"}


def test_used_import_100_grams_over() -> None:
    cells = car(condition="used", co2_g_per_km=Decimal("212.6"), accepted_on=dt.date(2025, 12, 31))
    assert assess(cells, readings=NONE_WEIGHED)["charge_nzd"] == 2700
    assert assess(car(condition="used", co2_g_per_km=Decimal(208)))["charge_nzd"] == 600


def test_published_whole_grams() -> None:
    """8.4 g over is charged as 8, 29.7 g as 29 (S58): 360, 432, 1,404 and 1,957.50 dollars."""
    for year, over, scheme, charge in [
        (2024, "8.4", "fleet", "360"),
        (2025, "8.4", "payg", "432"),
        (2025, "26", "payg", "1404"),
        (2025, "29.7", "fleet", "1957.50"),
    ]:
        target = {2024: Decimal("133.9"), 2025: Decimal("112.6")}[year]
        cells = car(accepted_on=dt.date(year, 1, 1), co2_g_per_km=target + Decimal(over), scheme=scheme)
        assert assess(cells, readings=NONE_WEIGHED)["charge_nzd"] == Fraction(charge)


RATES = [
    (2023, "45", "22.50", "36", "18"), (2024, "45", "22.50", "36", "18"), (2025, "67.50", "33.75", "54", "27"),
    (2026, "15", "7.50", "12", "6"), (2027, "15", "7.50", "12", "6"), (2028, "67.50", "33.75", "54", "27"),
]  # fmt: skip
TARGETS = {
    2023: ("145", "218.3"), 2024: ("133.9", "201.9"), 2025: ("112.6", "223"), 2026: ("108", "207"),
    2027: ("103", "175"), 2028: ("76", "144"), 2029: ("65", "131"),
}  # fmt: skip


@pytest.mark.parametrize(("year", "fleet_new", "fleet_used", "payg_new", "payg_used"), RATES)
@pytest.mark.parametrize("day", [(1, 1), (12, 31)])
def test_rates(day: tuple[int, int], year: int, fleet_new: str, fleet_used: str, payg_new: str, payg_used: str) -> None:
    rates = {
        ("fleet", "new"): fleet_new,
        ("fleet", "used"): fleet_used,
        ("payg", "new"): payg_new,
        ("payg", "used"): payg_used,
    }
    for (scheme, condition), rate in rates.items():
        cells = car(
            scheme=scheme, condition=condition, accepted_on=dt.date(year, *day), co2_g_per_km=Decimal(TARGETS[year][0]) + 1
        )
        found = assess(cells, readings=NONE_WEIGHED)
        assert found["charge_nzd"] == Fraction(rate)
        flags = found["flags"]
        assert isinstance(flags, set)
        assert ("doubtful:charge_rate" in flags) == (scheme == "fleet" and year == 2028)


def test_annual_targets() -> None:
    for year, targets in TARGETS.items():
        for klass, target in zip(["MB", "MD1"], targets, strict=True):
            cells = car(vehicle_class=klass, accepted_on=dt.date(year, 7, 1))
            assert assess(cells, readings=NONE_WEIGHED)["target_g_per_km"] == Fraction(target)


def test_before_it_was_known() -> None:
    van = car(vehicle_class="NA", accepted_on=dt.date(2027, 7, 1))
    for known, target in [(dt.date(2024, 10, 2), "87.2"), (dt.date(2024, 10, 3), "175")]:
        assert assess(van, known=known, readings=NONE_WEIGHED)["target_g_per_km"] == Fraction(target)
    found = assess(car(accepted_on=dt.date(2028, 1, 1)), known=dt.date(2024, 10, 2), readings=NONE_WEIGHED)
    assert found["reason"] == {"missing:annual_target"}
    found = assess(van, known=dt.date(2026, 4, 22))
    assert found["reason"] == {"missing:slope", "missing:mean_tare_kg"}
    assert assess(van, known=dt.date(2026, 4, 23))["status"] == "determined"
    over = car(co2_g_per_km=Decimal(109))
    for known, charge in [(dt.date(2025, 11, 29), 54), (dt.date(2025, 11, 30), 12)]:
        assert assess(over, known=known, readings=NONE_WEIGHED)["charge_nzd"] == charge


# ----------------------------------------------------------------------------------------------------- scope, type


def test_scope() -> None:
    assert why() == ("determined", set())
    wrong: list[tuple[dict[str, object], str]] = [
        ({"accepted_on": dt.date(2022, 12, 31), "exclusion": "moped"}, "before_standard"),
        ({"exclusion": "moped", "vehicle_class": "TA"}, "moped"),
        ({"exclusion": " Scratch-Built "}, "scratch_built"),
        ({"exclusion": "temporary import"}, "temporary"),
        ({"exclusion": "disability", "accepted_on": dt.date(2024, 9, 5)}, "disability"),
        ({"vehicle_class": "LE2"}, "motorcycle"),
        ({"vehicle_class": "lb1"}, "moped"),
        ({"vehicle_class": "TD", "tare_kg": None}, "trailer"),
        ({"vehicle_class": "NB"}, "over_3500_kg"),
        ({"gross_vehicle_mass_kg": 3501}, "over_3500_kg"),
        ({"tare_kg": 3501}, "over_3500_kg"),
        ({"manufactured_on": dt.date(1986, 5, 31)}, "over_40_years"),
        ({"first_registered_on": dt.date(1986, 5, 31), "condition": "used"}, "over_40_years"),
        ({"wheels": 2}, "fewer_than_three_wheels"),
        ({"wheels": 3, "gross_vehicle_mass_kg": 1000, "tare_kg": 500}, "three_wheels_light"),
    ]
    for cells, reason in wrong:
        assert why(**cells) == ("excluded", {reason})
        found = assess(car(**cells))
        assert found["flags"] == set()
        assert {found[name] for name in found if name not in ("status", "reason", "flags")} == {None}
    right: list[dict[str, object]] = [
        {"gross_vehicle_mass_kg": 3500},
        {"tare_kg": 3500},
        {"tare_kg": 3500, "gross_vehicle_mass_kg": 3500},
        {"manufactured_on": dt.date(1986, 6, 1)},
        {"manufactured_on": dt.date(1986, 6, 1), "first_registered_on": dt.date(1980, 1, 1)},
        {"manufactured_on": dt.date(1988, 2, 29), "accepted_on": dt.date(2028, 2, 29)},
        {"wheels": 3, "gross_vehicle_mass_kg": 1501},
        {"wheels": 2, "vehicle_class": "NA"},
        {"wheels": 20},
    ]
    for cells in right:
        assert why(**cells)[0] == "determined"
    assert why(manufactured_on=dt.date(1988, 2, 29), accepted_on=dt.date(2028, 3, 1)) == ("excluded", {"over_40_years"})
    assert missing(exclusion="disability", accepted_on=dt.date(2024, 9, 4)) == {"slope", "mean_tare_kg"}


def test_type() -> None:
    for klass, kind in [("MA", "A"), ("MB", "A"), ("MC", "A"), ("NA", "B"), ("MD1", "B"), ("MD2", None)]:
        assert assess(car(vehicle_class=klass))["vehicle_type"] == kind
    for body, seats, kind in [
        ("goods", None, "B"),
        ("passenger", 9, "A"),
        ("passenger", 10, "B"),
        ("passenger", None, None),
    ]:
        assert assess(car(vehicle_class=None, body=body, seats=seats))["vehicle_type"] == kind


def test_missing() -> None:
    assert missing(vehicle_class=None) == {"vehicle_class"}
    assert missing(vehicle_class=None, body="passenger") == {"seats"}
    assert missing(vehicle_class="MD2") == {"vehicle_type_of_class"}
    assert missing(condition=None) == {"condition"}
    assert missing(tare_kg=None) == {"tare_kg"}
    assert missing(tare_kg=None, accepted_on=dt.date(2029, 1, 1)) == {"tare_kg", "slope", "mean_tare_kg"}
    assert missing(accepted_on=dt.date(2030, 1, 1)) == {"annual_target", "slope", "mean_tare_kg"}
    # scope undecided: only what scope wanted
    bare = {"tare_kg": None, "condition": None, "co2_g_per_km": None}
    assert missing(accepted_on=None, vehicle_class=None, **bare) == {"accepted_on"}
    assert missing(accepted_on=None, exclusion="moped") == {"accepted_on"}
    assert missing(wheels=3, **bare) == {"gross_vehicle_mass_kg"}
    assert missing(wheels=3, vehicle_class=None, **bare) == {"vehicle_class"}
    assert missing(wheels=2, vehicle_class=None, body="passenger", **bare) == {"seats"}
    assert missing(wheels=2, vehicle_class="MD2", **bare) == {"vehicle_type_of_class"}
    assert missing(wheels=4, vehicle_class=None, **bare) == {"vehicle_class", "tare_kg", "condition", "co2_g_per_km"}
    # figures that stand all the same
    found = assess(car(accepted_on=None))
    assert (found["vehicle_type"], found["co2_3p_wltp_g_per_km"], found["target_g_per_km"]) == (None, 100, None)
    found = assess(car(co2_g_per_km=None))
    assert (found["target_g_per_km"], found["charge_nzd"], found["co2_basis"]) == (108, None, None)


def test_missing_co2() -> None:
    assert missing(co2_g_per_km=None) == {"co2_g_per_km"}
    assert missing(co2_cycle=None) == {"co2_cycle"}
    assert missing(co2_g_per_km=None, co2_cycle=None, fuel_l_per_100km=Decimal(6)) == {"co2_cycle"}
    assert missing(co2_cycle="NEDC") == {"conversion_factor", "conversion_offset"}
    assert missing(co2_cycle="10 15", powertrain="hybrid") == {"fuel"}
    assert missing(co2_cycle="10_15", powertrain=None) == {"fuel"}
    assert missing(co2_cycle="JC08", powertrain="HEV", fuel="Gasoline") == {"conversion_factor", "conversion_offset"}
    assert missing(co2_g_per_km=None, fuel_l_per_100km=Decimal(6)) == {"fuel_co2_factor"}
    assert missing(co2_g_per_km=None, fuel_l_per_100km=Decimal(6), powertrain="phev") == {"fuel"}
    both = {"fuel_co2_factor", "conversion_factor", "conversion_offset"}
    assert missing(co2_g_per_km=None, fuel_l_per_100km=Decimal(6), co2_cycle="4p wltp") == both


# ------------------------------------------------------------------------------------------------------ CO2, flags

PHASES = {
    "co2_g_per_km": None,
    "co2_low_g_per_km": Decimal(200),
    "co2_medium_g_per_km": Decimal(150),
    "co2_high_g_per_km": Decimal(120),
    "co2_extra_high_g_per_km": None,
    "wltc_class": "3b",
}


def test_phases() -> None:
    found = assess(car(**PHASES))
    mean = Fraction(30945 * 200 + 47559 * 150 + 71617 * 120, 150121)  # 145.994831...
    assert found["co2_basis"] == "wltp_phases"
    assert found["co2_3p_wltp_g_per_km"] == Fraction(round(mean * 10_000), 10_000) == Fraction("145.9948")
    assert found["flags"] == {"doubtful:per_vehicle_rounding"}
    assert assess(car(**PHASES | {"wltc_class": None}))["flags"] == {
        "doubtful:per_vehicle_rounding",
        "wltc_class_assumed_3b",
    }
    for wltc, way in [("2", (31006, 47373, 67918)), ("3A", (30945, 47210, 71239))]:
        mean = Fraction(way[0] * 200 + way[1] * 150 + way[2] * 120, sum(way))
        value = assess(car(**PHASES | {"wltc_class": wltc}))["co2_3p_wltp_g_per_km"]
        assert isinstance(value, Fraction)
        assert value.denominator in (d for d in range(1, 10_001) if 10_000 % d == 0)
        assert abs(value - mean) <= Fraction(1, 20_000)
    assert missing(**PHASES | {"wltc_class": "1"}) == {"phase_distance_high_m"}
    assert missing(**PHASES | {"powertrain": "PHEV"}) == {"co2_g_per_km"}
    assert assess(car(**PHASES | {"co2_g_per_km": Decimal(1), "co2_cycle": "JP-WLTC"}))["co2_basis"] == "given_jp_wltc"
    assert assess(car(**PHASES | {"co2_g_per_km": Decimal(1), "co2_cycle": "NEDC"}))["co2_basis"] == "wltp_phases"


def test_a_tie_is_rounded_up() -> None:
    # 3a: (30945 a + 47210 b + 71239 c) / 149394 with a half left over
    a = next(a for a in range(100_0000, 120_0000) if (30945 * a + 47210 * 120_0000 + 71239 * 120_0000) % 149394 == 74697)
    exact = Fraction(30945 * a + (47210 + 71239) * 120_0000, 149394)
    assert exact.denominator == 2
    low = Decimal(a) / 10_000
    cells = PHASES | {"co2_low_g_per_km": low, "co2_medium_g_per_km": 120, "co2_high_g_per_km": 120, "wltc_class": "3a"}
    assert assess(car(**cells))["co2_3p_wltp_g_per_km"] == (exact + Fraction(1, 2)) / 10_000


def test_flags() -> None:
    def flags(**cells: object) -> set[str]:
        found = assess(car(**cells))["flags"]
        assert isinstance(found, set)
        return found - {"doubtful:per_vehicle_rounding"}

    assert flags(seats=10) == {"class_seats_conflict"}
    assert flags(seats=9) == set()
    assert flags(seats=9, vehicle_class="MD1") == flags(seats=9, vehicle_class="MD2") == {"class_seats_conflict"}
    assert flags(seats=10, vehicle_class="MD1") == set()
    assert flags(body="goods") == flags(vehicle_class="NA", body="Passenger") == {"class_body_conflict"}
    assert flags(first_registered_on=dt.date(2026, 5, 31)) == {"condition_conflict"}
    assert flags(first_registered_on=dt.date(2026, 6, 1)) == set()
    assert flags(first_registered_on=dt.date(2020, 1, 1), accepted_on=None) == set()
    assert flags(powertrain="BEV") == {"electric_with_co2"}
    assert flags(powertrain="BEV", co2_g_per_km=0) == flags(powertrain="fcev", co2_g_per_km=None) == set()
    assert assess(car(powertrain="electric", co2_g_per_km=None))["credit_g"] == 108
    assert flags(scheme="FLEET") == {"fleet_share"}
    level = PHASES | {f"co2_{phase}_g_per_km": 150 for phase in ("low", "medium", "high", "extra_high")}
    four = level | {"co2_cycle": "4P-WLTP"}
    assert flags(**four | {"co2_g_per_km": Decimal("150.5")}) == set()
    assert flags(**four | {"co2_g_per_km": Decimal("149.4999")}) == {"phases_contradict_combined"}
    assert flags(**four | {"co2_g_per_km": Decimal(140), "wltc_class": "1"}) == set()
    assert flags(**four | {"co2_g_per_km": Decimal(140), "co2_cycle": "NEDC"}) == set()


def test_grams_and_readings() -> None:
    for co2, credit, charge in [("107.0001", 0, 0), ("107", 1, 0), ("108", 0, 0), ("108.9999", 0, 0), ("109", 0, 1)]:
        found = assess(car(co2_g_per_km=Decimal(co2)))
        assert (found["credit_g"], found["charge_g"], found["charge_nzd"]) == (credit, charge, 12 * charge)
    for co2, credit, charge in [("107.5", 1, 0), ("107.5001", 0, 0), ("108.4999", 0, 0), ("108.5", 0, 1)]:
        found = assess(car(co2_g_per_km=Decimal(co2)), readings={"per_vehicle_rounding": "half_up"})
        assert (found["credit_g"], found["charge_g"]) == (credit, charge)
    by_certification = {"deciding_event": "certification"}
    assert assess(BASE, readings=by_certification)["reason"] == {"missing:certified_on"}
    assert assess(car(certified_on=dt.date(2022, 12, 31)), readings=by_certification)["reason"] == {"before_standard"}


def test_refusals() -> None:
    wrong: list[tuple[dict[str, object], str]] = [
        ({"vehicle_class": "MX"}, "unknown_value:vehicle_class"),
        ({"scheme": "paygo"}, "unknown_value:scheme"),
        ({"tare_kg": 99}, "out_of_range:tare_kg"),
        ({"tare_kg": Decimal("1482.5")}, "not_whole:tare_kg"),
        ({"seats": 101}, "out_of_range:seats"),
        ({"co2_g_per_km": Decimal("120.12345")}, "too_many_decimals:co2_g_per_km"),
        ({"co2_g_per_km": Decimal("-0.0001")}, "out_of_range:co2_g_per_km"),
        ({"co2_g_per_km": Decimal("1000.00001")}, "out_of_range:co2_g_per_km"),
        ({"fuel_l_per_100km": Decimal("100.1")}, "out_of_range:fuel_l_per_100km"),
        ({"accepted_on": dt.date(1899, 12, 31)}, "out_of_range:accepted_on"),
        ({"gross_vehicle_mass_kg": 1481}, "contradiction:gross_vehicle_mass_kg"),
    ]
    for cells, reason in wrong:
        found = assess(car(**cells))
        assert (found["status"], found["reason"], found["flags"]) == ("refused", {reason}, set())
        assert found["vehicle_type"] is None
    assert why(gross_vehicle_mass_kg=99, seats=0)[1] == {"out_of_range:seats", "out_of_range:gross_vehicle_mass_kg"}
    assert why(co2_g_per_km=Decimal("120.1000000")) == ("determined", set())
    assert why(gross_vehicle_mass_kg=1482, wheels=None, scheme=" ") == ("determined", set())


# -------------------------------------------------------------------------------------------------------- generator

EXCLUSIONS = {
    "before_standard", "motorcycle", "moped", "trailer", "temporary", "no_entry_certification", "motorsport", "scratch_built",
    "special_interest", "agricultural", "disability", "over_3500_kg", "over_40_years", "fewer_than_three_wheels",
    "three_wheels_light",
}  # fmt: skip
MISSING = {
    "vehicle_class", "seats", "condition", "tare_kg", "accepted_on", "gross_vehicle_mass_kg", "co2_g_per_km", "co2_cycle",
    "fuel", "vehicle_type_of_class", "annual_target", "slope", "mean_tare_kg", "conversion_factor", "conversion_offset",
    "fuel_co2_factor", "phase_distance_high_m",
}  # fmt: skip
FLAGS = {
    "class_seats_conflict", "class_body_conflict", "condition_conflict", "electric_with_co2", "wltc_class_assumed_3b",
    "phases_contradict_combined", "fleet_share", "doubtful:per_vehicle_rounding", "doubtful:charge_rate",
}  # fmt: skip
NUMBERS = [
    "seats",
    "wheels",
    "gross_vehicle_mass_kg",
    "tare_kg",
    "fuel_l_per_100km",
    "co2_g_per_km",
    "co2_low_g_per_km",
    "co2_medium_g_per_km",
    "co2_high_g_per_km",
    "co2_extra_high_g_per_km",
]


@pytest.mark.parametrize("seed", [1, 2026])
def test_generator_reaches_everything(seed: int) -> None:
    frame = vehicles(20_000, seed)
    assert frame.equals(vehicles(20_000, seed))
    assert frame["vin"].n_unique() == 20_000
    assert frame["vin"].str.len_chars().unique().to_list() == [17]
    assert frame["importer"].n_unique() == 200
    rows = list(records(frame))
    found = [assess(row) for row in rows]
    reasons: dict[object, set[str]] = {}
    flags: set[str] = set()
    for one in found:
        assert isinstance(one["reason"], set)
        assert isinstance(one["flags"], set)
        reasons.setdefault(one["status"], set()).update(one["reason"])
        flags |= one["flags"]
    assert set(reasons) == {"determined", "excluded", "not_determined", "refused"}
    assert reasons["determined"] == set()
    assert reasons["excluded"] == EXCLUSIONS
    assert reasons["not_determined"] == {f"missing:{name}" for name in MISSING}
    decimals = {f"too_many_decimals:{name}" for name in NUMBERS if "_g_per_km" in name or "_l_per_" in name}
    ranges = {f"out_of_range:{name}" for name in [*NUMBERS, "manufactured_on", "first_registered_on", "accepted_on"]}
    unknown = {f"unknown_value:{name}" for name in nz_cvs.CHOICES}
    assert reasons["refused"] == decimals | ranges | unknown | {"contradiction:gross_vehicle_mass_kg"}
    assert flags == FLAGS
    assert {one["co2_basis"] for one in found} == {"zero_tailpipe", "given_3p_wltp", "given_jp_wltc", "wltp_phases", None}
    assert {one["vehicle_type"] for one in found} == {"A", "B", None}
    for name, values in nz_cvs.CHOICES.items():
        assert set(values) <= {row[name] for row in rows}
    determined = sum(one["status"] == "determined" for one in found)
    assert 0.75 < determined / 20_000 < 0.9
    near = [one["difference_g_per_km"] for one in found if one["difference_g_per_km"] is not None]
    for exactly in (0, Fraction(1, 10_000), Fraction(-1, 10_000), Fraction(1, 2), Fraction(-1, 2)):
        assert near.count(exactly) > 10
    assert assess_frame(frame) == found
    table = assess_table(frame, processes=1)
    assert table["charge_cents"].sum() == 100 * sum(one["charge_nzd"] or 0 for one in found)  # type: ignore[misc]
