"""China's per-vehicle dual-credit rules, written a second time as one straight procedure over one record.

Independent of ``src/cleanfleet`` on purpose: nothing is imported from there and every number below is typed from the fact sheet
(``shared/facts/china.md``, sections 2, 4 and 6), doubtful ones included. Exact: fractions and whole numbers only.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction as F
from typing import Any, NamedTuple

POWERTRAINS = [
    "petrol", "diesel", "hybrid", "cng", "lpg", "alcohol_ether", "battery_electric", "plug_in_hybrid", "fuel_cell",
]  # fmt: skip
ALIASES = {
    "bev": "battery_electric", "phev": "plug_in_hybrid", "erev": "plug_in_hybrid", "fcev": "fuel_cell", "gasoline": "petrol",
    "纯电动": "battery_electric", "插电式混合动力": "plug_in_hybrid", "汽油": "petrol", "燃料电池": "fuel_cell", "柴油": "diesel",
}  # fmt: skip
#: Least and most allowed value of each number column.
RANGES = {
    "volume": (0, 100_000_000), "curb_mass_kg": (200, 10_000), "seat_rows": (1, 9), "fuel_consumption_l_per_100km": (0, 100),
    "electric_range_km": (0, 2000), "battery_energy_density_wh_per_kg": (0, 2000), "energy_use_kwh_per_100km": (F(1, 10), 200),
    "fuel_cell_power_kw": (0, 2000), "drive_motor_power_kw": (0, 5000), "top_speed_30min_kmh": (0, 500),
    "charge_sustaining_fuel_l_per_100km": (0, 100), "fuel_limit_l_per_100km": (0, 100), "off_cycle_l_per_100km": (0, 10),
}  # fmt: skip

#: GB 27999-2014: upper edges in kg (each belongs to its bin) and targets.
BINS = [
    (750, "4.3"), (865, "4.3"), (980, "4.3"), (1090, "4.5"), (1205, "4.7"), (1320, "4.9"), (1430, "5.1"), (1540, "5.3"),
    (1660, "5.5"), (1770, "5.7"), (1880, "5.9"), (2000, "6.2"), (2110, "6.4"), (2280, "6.6"), (2510, "7.0"),
]  # fmt: skip
RATIO = {2021: F("1.23"), 2022: F("1.20"), 2023: F("1.15"), 2024: F("1.08"), 2025: F(1)}
W_NEV = {
    2016: F(5), 2017: F(5), 2018: F(3), 2019: F(3), 2020: F(2), 2021: F(2), 2022: F("1.8"), 2023: F("1.6"), 2024: F("1.3"),
    2025: F(1),
}  # fmt: skip
W_LOW = {
    2016: F("3.5"), 2017: F("3.5"), 2018: F("2.5"), 2019: F("2.5"), 2020: F("1.5"), 2021: F("1.4"), 2022: F("1.3"),
    2023: F("1.2"), 2024: F("1.1"), 2025: F(1),
}  # fmt: skip


class Answer(NamedTuple):
    """What the oracle says: figures are fractions or truths, None where they aren't determined."""

    status: str
    reasons: frozenset[str]
    nev_credit_per_vehicle: F | None = None
    own_use_only: bool | None = None
    target_l_per_100km: F | None = None
    is_fuel_efficient: bool | None = None
    counted_fuel_l_per_100km: F | None = None
    cafc_multiplier: F | None = None


class _Lacks(Exception):
    def __init__(self, *names: str) -> None:
        self.names = frozenset(names)


def _needs(row: Mapping[str, Any], *names: str) -> None:
    lacking = [name for name in names if row[name] is None]
    if lacking:
        raise _Lacks(*lacking)


def _cents(x: F) -> F:
    return F((x * 100 + F(1, 2)).__floor__(), 100)


def answer(row: Mapping[str, Any]) -> Answer:
    """The answer for one record; numbers are ints or Fractions, empty cells None."""
    bad = set()
    for name, (low, high) in RANGES.items():
        if row[name] is not None and not low <= row[name] <= high:
            bad.add(f"out_of_range:{name}")
    powertrain = row["powertrain"]
    if powertrain is not None:
        powertrain = ALIASES.get(powertrain.lower(), powertrain.lower())
        if powertrain not in POWERTRAINS:
            bad.add("unknown_value:powertrain")
    if bad:
        return Answer("refused", frozenset(bad))
    year = row["year"]
    if row["cafc_target"] is not None:
        return Answer("excluded", frozenset({"company_line"}))
    if year is None:
        # Without a year no value of the law can be read; what needs none stands.
        plain = powertrain is not None and powertrain not in ("battery_electric", "plug_in_hybrid", "fuel_cell")
        rest = {"nev_credit_per_vehicle": F(0), "own_use_only": False} if plain else {}
        return Answer("not_determined", frozenset({"missing:year"}), **rest)
    if year < 2016:
        return Answer("excluded", frozenset({"before_scheme"}))
    if row["exported"]:
        return Answer("excluded", frozenset({"exported"}))
    unknown_scope = row["origin"] == "import" and year < 2019 and row["importer_authorised"] is None
    if row["origin"] == "import" and year < 2019 and row["importer_authorised"] is False:
        return Answer("excluded", frozenset({"parallel_import_before_2019"}))
    car = {**row, "powertrain": powertrain}
    figures: dict[str, Any] = {}
    missing: set[str] = set()
    for name, way in _WAYS.items():
        try:
            figures[name] = way(car)
        except _Lacks as lacks:
            figures[name] = None
            missing |= lacks.names
    if unknown_scope:
        return Answer("not_determined", frozenset({"missing:importer_authorised"}), **figures)
    if missing:
        return Answer("not_determined", frozenset(f"missing:{name}" for name in missing), **figures)
    return Answer("determined", frozenset(), **figures)


# ------------------------------------------------------------------------------------------------------- the NEV credit


def _line(car: Mapping[str, Any]) -> F:
    """Condition one until 2020, Y since 2021, in kWh/100 km."""
    m = car["curb_mass_kg"]
    if car["year"] <= 2020:
        if m <= 1000:
            return F("0.014") * m + F("0.5")
        return F("0.012") * m + F("2.5") if m <= 1600 else F("0.005") * m + F("13.7")
    if m <= 1000:
        return F("0.0112") * m + F("0.4")
    return F("0.0078") * m + F("3.8") if m <= 1600 else F("0.0048") * m + F("8.6")


def _bev_eligible(car: Mapping[str, Any]) -> bool:
    _needs(car, "electric_range_km")
    speed = car["top_speed_30min_kmh"]
    return car["electric_range_km"] >= 100 and (speed is None or speed >= 100)


def _bev(car: Mapping[str, Any]) -> F:
    if not _bev_eligible(car):
        return F(0)
    _needs(car, "curb_mass_kg", "energy_use_kwh_per_100km")
    reach, e, line = car["electric_range_km"], car["energy_use_kwh_per_100km"], _line(car)
    if car["year"] <= 2020:
        base = min(F("0.012") * reach + F("0.8"), F(5))
        first = e <= line
        if e <= F("0.7") * line:
            return _cents(base * F("1.2"))
        return _cents(base if first else base / 2)
    _needs(car, "battery_energy_density_wh_per_kg")
    if car["year"] <= 2023:
        base = F(1) if reach < 150 else min(F("0.0056") * reach + F("0.4"), F("3.4"))
    else:
        base = F("0.6") if reach < 150 else min(F("0.0034") * reach + F("0.2"), F("2.3"))
    er = F("0.7") if reach < 150 else F("0.8") if reach < 200 else F("0.9") if reach < 300 else F(1)
    density = car["battery_energy_density_wh_per_kg"]
    bd = F(0) if density < 90 else F("0.8") if density < 105 else F("0.9") if density < 125 else F(1)
    ec = F(1, 2) if e > line else min(F(3, 2), line / e)
    return _cents(base * er * bd * ec)


def _least_phev_range(car: Mapping[str, Any]) -> F:
    cycle = car["test_cycle"] or ("NEDC" if car["year"] <= 2020 else "WLTC")
    if cycle == "NEDC":
        return F(50)
    if cycle == "WLTC" and car["year"] >= 2021:
        return F(43)
    raise _Lacks(*(name for name in ["electric_range_km"] if car[name] is None), "phev_minimum_range_km")


def _phev_far_enough(car: Mapping[str, Any]) -> bool:
    least = _least_phev_range(car)
    _needs(car, "electric_range_km")
    return bool(car["electric_range_km"] >= least)


def _phev_passes(car: Mapping[str, Any]) -> bool:
    if car["phev_conditions_met"] is not None:
        return bool(car["phev_conditions_met"])
    fuel, electricity = ["charge_sustaining_fuel_l_per_100km", "fuel_limit_l_per_100km"], [
        "energy_use_kwh_per_100km", "curb_mass_kg",
    ]  # fmt: skip
    if car["year"] <= 2020:
        if car["electric_range_km"] >= 80:
            _needs(car, *electricity)
            return bool(car["energy_use_kwh_per_100km"] <= _line(car))
        _needs(car, *fuel)
        return bool(car[fuel[0]] < F("0.7") * car[fuel[1]])
    if car["year"] <= 2023:
        _needs(car, *fuel, *electricity)
        return bool(car[fuel[0]] < F("0.7") * car[fuel[1]] and car[electricity[0]] <= F("1.35") * _line(car))
    _needs(car, *fuel)
    return bool(car[fuel[0]] < F("0.7") * car[fuel[1]])


def _phev(car: Mapping[str, Any]) -> F:
    if not _phev_far_enough(car):
        return F(0)
    base = F(2) if car["year"] <= 2020 else F("1.6") if car["year"] <= 2023 else F(1)
    return base if _phev_passes(car) else base / 2


def _strong_cell(car: Mapping[str, Any]) -> bool:
    _needs(car, "fuel_cell_power_kw", "drive_motor_power_kw")
    power = car["fuel_cell_power_kw"]
    return bool(power >= 10 and power * 10 >= 3 * car["drive_motor_power_kw"])


def _fcv(car: Mapping[str, Any]) -> F:
    _needs(car, "electric_range_km")
    if car["electric_range_km"] < 300:
        return F(0)
    strong = _strong_cell(car)
    slope, cap = (F("0.16"), 5) if car["year"] <= 2020 else (F("0.08"), 6) if car["year"] <= 2023 else (F("0.05"), 4)
    base = min(slope * car["fuel_cell_power_kw"], F(cap))
    return _cents(base if strong else base / 2)


def nev_credit(car: Mapping[str, Any]) -> F:
    _needs(car, "powertrain")
    ways = {"battery_electric": _bev, "plug_in_hybrid": _phev, "fuel_cell": _fcv}
    return ways[car["powertrain"]](car) if car["powertrain"] in ways else F(0)


def own_use(car: Mapping[str, Any]) -> bool:
    _needs(car, "powertrain")
    if car["powertrain"] == "battery_electric" and _bev_eligible(car):
        _needs(car, "curb_mass_kg", "energy_use_kwh_per_100km")
        return bool(car["energy_use_kwh_per_100km"] > _line(car))
    if car["powertrain"] == "plug_in_hybrid" and _phev_far_enough(car):
        return not _phev_passes(car)
    if car["powertrain"] == "fuel_cell":
        _needs(car, "electric_range_km")
        return car["electric_range_km"] >= 300 and not _strong_cell(car)
    return False


# ------------------------------------------------------------------------------------------------- fuel consumption


def target(car: Mapping[str, Any]) -> F:
    _needs(car, "seat_rows")
    _needs(car, "curb_mass_kg")
    m, more = car["curb_mass_kg"], F("0.2") if car["seat_rows"] >= 3 else F(0)
    if car["year"] <= 2020:
        return next((F(text) for edge, text in BINS if m <= edge), F("7.3")) + more
    if m <= 1090:
        return F("4.02") + more
    return (F("0.0018") * (m - 1415) + F("4.60") if m <= 2510 else F("6.57")) + more


def _fuel(car: Mapping[str, Any]) -> F:
    _needs(car, "powertrain")
    if car["powertrain"] in ("battery_electric", "fuel_cell"):
        return F(0)
    own = "NEDC" if car["year"] <= 2020 else "WLTC"
    if car["test_cycle"] not in (None, own):
        lacking = ["fuel_consumption_l_per_100km"] if car["fuel_consumption_l_per_100km"] is None else []
        raise _Lacks("cycle_factor", *lacking)
    _needs(car, "fuel_consumption_l_per_100km")
    return F(car["fuel_consumption_l_per_100km"])


def fuel_efficient(car: Mapping[str, Any]) -> bool:
    if car["year"] <= 2020:
        return False
    _needs(car, "powertrain")
    if car["powertrain"] in ("battery_electric", "plug_in_hybrid", "fuel_cell"):
        return False
    lacking: set[str] = set()
    values: list[F] = []
    for way in (_fuel, target):
        try:
            values.append(way(car))
        except _Lacks as lacks:
            lacking |= lacks.names
    if lacking:
        raise _Lacks(*lacking)
    return values[0] <= _cents(values[1] * RATIO[car["year"]])


def counted_fuel(car: Mapping[str, Any]) -> F:
    _needs(car, "powertrain")
    if car["powertrain"] in ("battery_electric", "fuel_cell"):
        return F(0)
    less, lacking = F(0), set()
    if car["year"] >= 2020:
        less = F(car["off_cycle_l_per_100km"] or 0)
        if car["braking_reduction_claimed"]:
            if 2021 <= car["year"] <= 2023:
                less += F("0.08")
            else:
                lacking.add("braking_reduction")
    try:
        fuel = _fuel(car)
    except _Lacks as lacks:
        raise _Lacks(*lacks.names, *lacking) from None
    if lacking:
        raise _Lacks(*lacking)
    return max(fuel - less, F(0))


def multiplier(car: Mapping[str, Any]) -> F:
    _needs(car, "powertrain")
    year = car["year"]
    if car["powertrain"] in ("battery_electric", "fuel_cell"):
        return W_NEV[year]
    if car["powertrain"] == "plug_in_hybrid" and ((car["approved_before_2021"] and year <= 2022) or _phev_far_enough(car)):
        return W_NEV[year]
    return W_LOW[year] if _fuel(car) <= (F("2.8") if year <= 2020 else F("3.2")) else F(1)


_WAYS = {
    "nev_credit_per_vehicle": nev_credit,
    "own_use_only": own_use,
    "target_l_per_100km": target,
    "is_fuel_efficient": fuel_efficient,
    "counted_fuel_l_per_100km": counted_fuel,
    "cafc_multiplier": multiplier,
}
