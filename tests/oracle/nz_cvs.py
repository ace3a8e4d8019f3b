"""New Zealand's Clean Vehicle Standard, written a second time as one straight procedure over one record.

Independent of ``src/cleanfleet`` on purpose: nothing is imported from there and every number below is typed from
``shared/facts/new-zealand.md`` (S.. are its source tags) and ``shared/cases/wltc-phase-distances.json``. What the words
mean (order of the scope checks, reasons, flags) is in the policy's README.

Inside, g/km are whole ten-thousandths and money is whole cents, so that everything is exact; :func:`assess` hands back
``fractions.Fraction``.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

# ---------------------------------------------------------------------------------------------------- law, typed in

STANDARD_BEGINS = dt.date(2023, 1, 1)
DISABILITY_EXCLUDED_FROM = dt.date(2024, 9, 5)
HEAVIEST_LIGHT_VEHICLE_KG = 3500

#: When a number could be known (chosen, see the brief; the exact days are not in the facts).
TARGETS_2024_KNOWN_FROM = dt.date(2024, 10, 3)
SLOPE_2026_KNOWN_FROM = dt.date(2025, 4, 30)  # to be published by 30 April of the year before
SLOPE_2027_28_KNOWN_FROM = dt.date(2026, 4, 23)
RATES_2025_ACT_KNOWN_FROM = dt.date(2025, 11, 30)

#: Annual targets, ten-thousandths of a g/km, as enacted in 2022 and as replaced in 2024 (section 2.1).
TARGETS_2022 = {
    "A": {2023: 145_0000, 2024: 133_9000, 2025: 112_6000, 2026: 84_5000, 2027: 63_3000},
    "B": {2023: 218_3000, 2024: 201_9000, 2025: 155_0000, 2026: 116_3000, 2027: 87_2000},
}
TARGETS_2024 = {
    "A": {2023: 145_0000, 2024: 133_9000, 2025: 112_6000, 2026: 108_0000, 2027: 103_0000, 2028: 76_0000, 2029: 65_0000},
    "B": {2023: 218_3000, 2024: 201_9000, 2025: 223_0000, 2026: 207_0000, 2027: 175_0000, 2028: 144_0000, 2029: 131_0000},
}

#: Slope (ten-thousandths of a g/km per kg), mean tare (kg), known from (section 2.3).
REFERENCE = {
    ("A", 2026): (343, 1482, SLOPE_2026_KNOWN_FROM),
    ("B", 2026): (526, 2098, SLOPE_2026_KNOWN_FROM),
    ("A", 2027): (374, 1549, SLOPE_2027_28_KNOWN_FROM),
    ("B", 2027): (486, 2174, SLOPE_2027_28_KNOWN_FROM),
    ("A", 2028): (374, 1549, SLOPE_2027_28_KNOWN_FROM),
    ("B", 2028): (486, 2174, SLOPE_2027_28_KNOWN_FROM),
}

#: Cents per gram (section 4.1): fleet new, fleet used, payg new, payg used.
RATES_2023 = {("fleet", "new"): 45_00, ("fleet", "used"): 22_50, ("payg", "new"): 36_00, ("payg", "used"): 18_00}
RATES_2025 = {("fleet", "new"): 67_50, ("fleet", "used"): 33_75, ("payg", "new"): 54_00, ("payg", "used"): 27_00}
RATES_2026 = {("fleet", "new"): 15_00, ("fleet", "used"): 7_50, ("payg", "new"): 12_00, ("payg", "used"): 6_00}
RATES_2028 = {("fleet", "new"): 67_50, ("fleet", "used"): 33_75, ("payg", "new"): 54_00, ("payg", "used"): 27_00}

#: Phase distances in tenths of a metre: low, medium, high, extra high. Class 1 has two phases only.
WLTC_DM = {
    "1": (33301, 47674),
    "2": (31006, 47373, 67918, 80194),
    "3a": (30945, 47210, 71239, 82541),
    "3b": (30945, 47559, 71617, 82541),
}

# ------------------------------------------------------------------------------------------------ columns, typed in

_WHOLE = {
    "seats": (1, 100),
    "wheels": (1, 20),
    "gross_vehicle_mass_kg": (100, 100_000),
    "tare_kg": (100, 50_000),
}
_DECIMAL4 = {
    "fuel_l_per_100km": (0, 100),
    "co2_g_per_km": (0, 1000),
    "co2_low_g_per_km": (0, 1000),
    "co2_medium_g_per_km": (0, 1000),
    "co2_high_g_per_km": (0, 1000),
    "co2_extra_high_g_per_km": (0, 1000),
}
_DATES = {
    "manufactured_on": (dt.date(1880, 1, 1), dt.date(2099, 12, 31)),
    "first_registered_on": (dt.date(1880, 1, 1), dt.date(2099, 12, 31)),
    "accepted_on": (dt.date(1900, 1, 1), dt.date(2099, 12, 31)),
    "certified_on": (dt.date(1900, 1, 1), dt.date(2099, 12, 31)),
}
CHOICES: dict[str, list[str]] = {
    "vehicle_class": ["MA", "MB", "MC", "MD1", "MD2", "MD3", "MD4", "ME", "NA", "NB", "NC", "LA", "LB", "LC", "LD", "LE", "TA", "TB", "TC", "TD"],
    "body": ["passenger", "goods"],
    "condition": ["new", "used"],
    "exclusion": [
        "none", "motorcycle", "moped", "trailer", "temporary", "no_entry_certification", "motorsport",
        "scratch_built", "special_interest", "agricultural", "disability",
    ],
    "powertrain": [
        "petrol", "diesel", "hybrid", "plug_in_hybrid", "battery_electric", "fuel_cell", "lpg", "cng", "ethanol",
    ],
    "fuel": ["petrol", "diesel", "lpg", "cng", "ethanol", "electricity", "hydrogen"],
    "co2_cycle": ["3P-WLTP", "JP-WLTC", "4P-WLTP", "NEDC", "JC08", "10-15", "US-combined"],
    "wltc_class": ["1", "2", "3a", "3b"],
    "scheme": ["payg", "fleet"],
}  # fmt: skip
ALIASES: dict[str, dict[str, str]] = {
    "vehicle_class": {"LB1": "LB", "LB2": "LB", "LE1": "LE", "LE2": "LE"},
    "exclusion": {"temporary_import": "temporary", "disability_vehicle": "disability"},
    "powertrain": {
        "bev": "battery_electric",
        "electric": "battery_electric",
        "phev": "plug_in_hybrid",
        "fcev": "fuel_cell",
        "hev": "hybrid",
        "gasoline": "petrol",
    },
    "fuel": {"gasoline": "petrol"},
}

#: What the class alone says about scope, and about the type.
_CLASS_OUT = {
    **dict.fromkeys(["LC", "LD", "LE"], "motorcycle"),
    **dict.fromkeys(["LA", "LB"], "moped"),
    **dict.fromkeys(["TA", "TB", "TC", "TD"], "trailer"),
    **dict.fromkeys(["MD3", "MD4", "ME", "NB", "NC"], "over_3500_kg"),
}
_CLASS_TYPE = {"MA": "A", "MB": "A", "MC": "A", "MD1": "B", "NA": "B"}
_TELLS_FUEL = {"petrol", "diesel", "lpg", "cng", "ethanol"}
_THREE_PHASE = {"3P-WLTP": "given_3p_wltp", "JP-WLTC": "given_jp_wltc"}

READINGS = {"deciding_event": "acceptance", "per_vehicle_rounding": "truncate", "weight_adjustment": None}

# ------------------------------------------------------------------------------------------------------ the answer


class Answer(NamedTuple):
    """One vehicle's answer in whole numbers: ten-thousandths of a g/km, grams, cents. None where there is no figure."""

    status: str
    reason: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    vehicle_type: str | None = None
    co2_e4: int | None = None
    co2_basis: str | None = None
    target_e4: int | None = None
    difference_e4: int | None = None
    credit_g: int | None = None
    charge_g: int | None = None
    charge_cents: int | None = None


def _key(text: str) -> str:
    """Spelling for comparison: no outer blanks, no case, every run of blanks, hyphens and underscores one underscore."""
    out: list[str] = []
    for char in text.strip().casefold():
        if char.isspace() or char in "-_":
            if not out or out[-1] != "_":
                out.append("_")
        else:
            out.append(char)
    return "".join(out)


_SPELLINGS = {
    column: {
        **{_key(value): value for value in values},
        **{_key(alias): value for alias, value in ALIASES.get(column, {}).items()},
    }
    for column, values in CHOICES.items()
}
_seen: dict[tuple[str, str], str | None] = {}


def _choice(column: str, cell: Any) -> str | None:
    """The allowed value that ``cell`` stands for; None for an unknown one."""
    text = cell if type(cell) is str else str(cell)
    try:
        return _seen[column, text]
    except KeyError:
        found = _SPELLINGS[column].get(_key(text))
        if len(_seen) < 10_000:
            _seen[column, text] = found
        return found


def _empty(cell: Any) -> bool:
    """Blank text, or a number that is none."""
    return (type(cell) is str and not cell.strip()) or (type(cell) is float and math.isnan(cell))


def _number(cell: Any, low: int, high: int, scale: int) -> int | str:
    """``cell`` x ``scale`` as a whole number, or the code of its refusal."""
    if type(cell) is not int:
        try:
            if isinstance(cell, bool):
                return "not_a_number"
            if isinstance(cell, float):
                cell = Fraction(repr(cell))
            elif isinstance(cell, str):
                cell = Fraction(cell)
            over, under = cell.as_integer_ratio()
        except (ValueError, OverflowError, ZeroDivisionError):
            return "not_a_number"
        if not low * under <= over <= high * under:
            return "out_of_range"
        whole, rest = divmod(over * scale, under)
        if rest:
            return "not_whole" if scale == 1 else "too_many_decimals"
        return int(whole)
    return cell * scale if low <= cell <= high else "out_of_range"


def _read(record: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The filled cells, typed and checked, and the refusals."""
    got: dict[str, Any] = {}
    bad: list[str] = []
    for column in CHOICES:
        cell = record.get(column)
        if cell is None or _empty(cell):
            continue
        value = _choice(column, cell)
        if value is None:
            bad.append(f"unknown_value:{column}")
        else:
            got[column] = value
    for numbers, scale in ((_WHOLE, 1), (_DECIMAL4, 10_000)):
        for column, (low, high) in numbers.items():
            cell = record.get(column)
            if cell is None or _empty(cell):
                continue
            number = _number(cell, low, high, scale)
            if type(number) is str:
                bad.append(f"{number}:{column}")
            else:
                got[column] = number
    for column, (first, last) in _DATES.items():
        cell = record.get(column)
        if cell is None:
            continue
        day = cell.date() if isinstance(cell, dt.datetime) else cell
        if first <= day <= last:
            got[column] = day
        else:
            bad.append(f"out_of_range:{column}")
    if got.get("gross_vehicle_mass_kg", 10**9) < got.get("tare_kg", 0):
        bad.append("contradiction:gross_vehicle_mass_kg")
    return got, bad


def answer(
    record: Mapping[str, Any],
    known: dt.date = dt.date(2026, 11, 22),
    readings: Mapping[str, str] | None = None,
) -> Answer:
    """The answer for one record, in whole numbers; see :func:`assess`."""
    chosen = readings or {}
    if unknown := set(chosen) - set(READINGS):
        raise ValueError(f"no such reading: {sorted(unknown)}")
    got, bad = _read(record)
    if bad:
        return Answer("refused", tuple(sorted(bad)))
    get = got.get

    day_name = "certified_on" if chosen.get("deciding_event") == "certification" else "accepted_on"
    day: dt.date | None = get(day_name)
    klass = get("vehicle_class")
    body = get("body")
    seats = get("seats")
    condition: Any = get("condition")
    scheme = get("scheme", "payg")
    wheels = get("wheels")
    mass = get("gross_vehicle_mass_kg")
    tare = get("tare_kg")

    # -- type
    kind: str | None = None
    lacks_type: str | None = None
    if klass is not None:
        kind = _CLASS_TYPE.get(klass)
        if klass == "MD2":
            lacks_type = "vehicle_type_of_class"
    elif body == "goods":
        kind = "B"
    elif body is None:
        lacks_type = "vehicle_class"
    elif seats is None:
        lacks_type = "seats"
    else:
        kind = "A" if seats <= 9 else "B"

    if day is None and not (klass is None and body == "goods"):  # the type of a class, the seats of Type A: dated law
        kind = None

    # -- scope: excluded, or undecided for want of something, or in
    undecided: str | None = None
    if day is None:
        undecided = day_name
    else:
        out = None
        excluded_as = get("exclusion", "none")
        born = get("manufactured_on") or get("first_registered_on")
        if day < STANDARD_BEGINS:
            out = "before_standard"
        elif excluded_as not in ("none", "disability"):
            out = excluded_as
        elif excluded_as == "disability" and day >= DISABILITY_EXCLUDED_FROM and known >= DISABILITY_EXCLUDED_FROM:
            out = "disability"
        elif klass in _CLASS_OUT:
            out = _CLASS_OUT[klass]
        elif (mass if mass is not None else tare if tare is not None else 0) > HEAVIEST_LIGHT_VEHICLE_KG:
            out = "over_3500_kg"
        elif born is not None and (born.year + 40, born.month, born.day) < (day.year, day.month, day.day):
            out = "over_40_years"
        elif wheels is not None and wheels < 4:
            if lacks_type:
                undecided = lacks_type
            elif kind == "A":
                if wheels < 3:
                    out = "fewer_than_three_wheels"
                elif mass is None:
                    undecided = "gross_vehicle_mass_kg"
                elif mass <= 1000:
                    out = "three_wheels_light"
        if out is not None:
            return Answer("excluded", (out,))

    lacks: set[str] = set()
    flags: set[str] = set()
    if lacks_type:
        lacks.add(lacks_type)

    # -- three-phase CO2
    co2: int | None = None
    basis: str | None = None
    powertrain = get("powertrain")
    given = get("co2_g_per_km")
    cycle = get("co2_cycle")
    litres = get("fuel_l_per_100km")
    phases: list[Any] = [get(f"co2_{phase}_g_per_km") for phase in ("low", "medium", "high", "extra_high")]
    wltc = get("wltc_class")
    distances = WLTC_DM[wltc or "3b"]
    if powertrain in ("battery_electric", "fuel_cell"):
        co2, basis = 0, "zero_tailpipe"
        if given:
            flags.add("electric_with_co2")
    elif given is not None and cycle in _THREE_PHASE:
        co2, basis = given, _THREE_PHASE[cycle]
    elif None not in phases[:3] and powertrain != "plug_in_hybrid":
        if wltc == "1":
            lacks.add("phase_distance_high_m")
        else:
            way = sum(distances[:3])
            grams = sum(gram * metres for gram, metres in zip(phases[:3], distances, strict=False))
            co2, basis = (2 * grams + way) // (2 * way), "wltp_phases"  # half up
            if wltc is None:
                flags.add("wltc_class_assumed_3b")
    elif given is None and litres is None:
        lacks.add("co2_g_per_km")
    elif cycle is None:
        lacks.add("co2_cycle")
    elif get("fuel") is None and powertrain not in _TELLS_FUEL:
        lacks.add("fuel")
    else:  # no coefficients are known to anyone here
        if given is None:
            lacks.add("fuel_co2_factor")
        if cycle not in _THREE_PHASE:
            lacks.update(("conversion_factor", "conversion_offset"))

    # -- target
    target: int | None = None
    weighed = chosen.get("weight_adjustment") != "none"
    if condition is None:
        lacks.add("condition")
    if weighed and tare is None:
        lacks.add("tare_kg")
    if kind is not None and condition is not None and day is not None:
        table = TARGETS_2024 if known >= TARGETS_2024_KNOWN_FROM else TARGETS_2022
        annual = table[kind].get(day.year)
        if annual is None:
            lacks.add("annual_target")
        if weighed:
            reference = REFERENCE.get((kind, day.year))
            if reference is None or known < reference[2]:
                lacks.update(("slope", "mean_tare_kg"))
            elif annual is not None and tare is not None:
                target = annual + reference[0] * (tare - reference[1])
        else:
            target = annual

    # -- grams and money
    difference = credit = charge = cents = None
    doubtful_rate = False
    if target is not None and co2 is not None:
        difference = target - co2
        size = abs(difference)
        whole = (size + 5000) // 10_000 if chosen.get("per_vehicle_rounding") == "half_up" else size // 10_000
        credit = whole if difference > 0 else 0
        charge = whole if difference < 0 else 0
        assert day is not None
        if day.year < 2025:
            rates = RATES_2023
        elif day.year < 2026 or known < RATES_2025_ACT_KNOWN_FROM:
            rates = RATES_2025
        elif day.year < 2028:
            rates = RATES_2026
        else:
            rates = RATES_2028
            doubtful_rate = scheme == "fleet"
        cents = charge * rates[scheme, condition]

    # -- flags
    if seats is not None and day is not None:  # how many seats a Type A vehicle may have is dated law
        if klass in ("MA", "MB", "MC") and seats > 9:
            flags.add("class_seats_conflict")
        if klass in ("MD1", "MD2") and seats <= 9:
            flags.add("class_seats_conflict")
    if klass is not None and ((klass[0] == "M" and body == "goods") or (klass == "NA" and body == "passenger")):
        flags.add("class_body_conflict")
    registered = get("first_registered_on")
    if condition == "new" and registered is not None and day is not None and registered < day:
        flags.add("condition_conflict")
    if cycle == "4P-WLTP" and given is not None and None not in phases and wltc != "1":
        way = sum(distances)
        grams = sum(gram * metres for gram, metres in zip(phases, distances, strict=True))
        if abs(grams - given * way) > 5000 * way:  # |grams / way - given| > 0.5
            flags.add("phases_contradict_combined")
    if scheme == "fleet":
        flags.add("fleet_share")

    if undecided:
        lacks = {undecided}
    status = "not_determined" if lacks else "determined"
    if not lacks:
        flags.add("doubtful:per_vehicle_rounding")
        if doubtful_rate:
            flags.add("doubtful:charge_rate")
        flags.update(
            f"reading:{name}={option}"
            for name, option in chosen.items()
            if option != READINGS[name] and (name != "weight_adjustment" or option == "none")
        )
    names = tuple(f"missing:{name}" for name in sorted(lacks))
    return Answer(status, names, tuple(sorted(flags)), kind, co2, basis, target, difference, credit, charge, cents)


def spelled_out(found: Answer) -> dict[str, object]:
    """``found`` with exact fractions and sets, under the output columns' names."""

    def part(number: int | None, scale: int) -> Fraction | None:
        return None if number is None else Fraction(number, scale)

    return {
        "status": found.status,
        "reason": set(found.reason),
        "flags": set(found.flags),
        "vehicle_type": found.vehicle_type,
        "co2_3p_wltp_g_per_km": part(found.co2_e4, 10_000),
        "co2_basis": found.co2_basis,
        "target_g_per_km": part(found.target_e4, 10_000),
        "difference_g_per_km": part(found.difference_e4, 10_000),
        "credit_g": found.credit_g,
        "charge_g": found.charge_g,
        "charge_nzd": part(found.charge_cents, 100),
    }


def assess(
    record: Mapping[str, object],
    known: dt.date = dt.date(2026, 11, 22),
    readings: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """What the standard says of one vehicle, by the law as known on ``known``.

    ``record`` holds typed cells (text, int, Decimal, date) under the names of the input columns; None, or no entry, is
    missing. ``readings`` may choose ``deciding_event`` (``certification``), ``weight_adjustment`` (``none``) and
    ``per_vehicle_rounding`` (``half_up``).
    """
    return spelled_out(answer(record, known, readings))
