"""New Zealand's Clean Car Discount, written a second time as one straight procedure over one record.

Independent of ``src/cleanfleet`` on purpose: nothing is imported from there and every number is typed from the fact sheet
(sections 9, 10 and 11) and, for the interim scheme and public authorities, from the agency's overview page. What the words mean
(order of the scope checks, reasons, bands) is in the policy's README.

Money is exact fractions of a dollar until the cent is rounded; grams are exact fractions of g/km.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

# ---------------------------------------------------------------------------------------------------- law, typed in

INTERIM_BEGINS = dt.date(2021, 7, 1)
APRIL_BEGINS = dt.date(2022, 4, 1)
JULY_BEGINS = dt.date(2023, 7, 1)
OVER = dt.date(2024, 1, 1)
GST = Fraction(15, 100)
PRICE_CAP = 80_000
STARS = 3
LIGHT_KG = 3500
QUESTIONABLE_AGE = 40

#: Section 9.1, incl. GST: battery-electric and plug-in hybrid.
INTERIM_INCL = {
    ("battery_electric", "new"): 8625, ("battery_electric", "used"): 3450,
    ("plug_in_hybrid", "new"): 5750, ("plug_in_hybrid", "used"): 2300,
}  # fmt: skip
#: Section 9.2, excl. GST: zero, 1 to below 57 g, gram rate, charge per gram from 186 g, cap.
APRIL = {"new": (7500, 5000, 50, Fraction(50), 4500), "used": (3000, 2000, 20, Fraction(75, 2), 2500)}
#: Section 9.3, incl. GST: zero, at 100 g, per gram, most; excl. GST: charge at 150 g, per gram, cap.
JULY = {
    "new": (Fraction(7015), Fraction(1725), Fraction(115, 2), Fraction(4025), 500, 50, 6000),
    "used": (Fraction(7015, 2), Fraction(1725, 2), Fraction(115, 4), Fraction(4025, 2), 250, 25, 3000),
}
#: Section 9.3, incl. GST.
DISABILITY_INCL = {"battery_electric": 11500, "hybrid": 5750, "plug_in_hybrid": 5750}

# ------------------------------------------------------------------------------------------------ columns, typed in

CHOICES: dict[str, list[str]] = {
    "vehicle_class": ["MA", "MB", "MC", "MD1", "MD2", "MD3", "MD4", "ME", "NA", "NB", "NC", "LA", "LB", "LC", "LD", "LE", "TA", "TB", "TC", "TD"],
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
}  # fmt: skip
NUMBERS: dict[str, tuple[int, int, int]] = {  # least, most, decimals
    "gross_vehicle_mass_kg": (100, 100_000, 0),
    "tare_kg": (100, 50_000, 0),
    "safety_stars": (0, 5, 0),
    "price_incl_gst_nzd": (0, 10_000_000, 2),
    "fuel_l_per_100km": (0, 100, 4),
    "co2_g_per_km": (0, 1000, 4),
    "co2_low_g_per_km": (0, 1000, 4),
    "co2_medium_g_per_km": (0, 1000, 4),
    "co2_high_g_per_km": (0, 1000, 4),
    "co2_extra_high_g_per_km": (0, 1000, 4),
}
DATES: dict[str, tuple[dt.date, dt.date]] = {
    "manufactured_on": (dt.date(1880, 1, 1), dt.date(2099, 12, 31)),
    "first_registered_on": (dt.date(1880, 1, 1), dt.date(2099, 12, 31)),
    "registered_on": (dt.date(1900, 1, 1), dt.date(2099, 12, 31)),
    "ordered_on": (dt.date(1900, 1, 1), dt.date(2099, 12, 31)),
}
#: What the class alone says; eligible are MA, MB, MC, MD1, MD2 and NA (section 9.4).
CLASS_OUT = {
    **dict.fromkeys(["LC", "LD", "LE"], "motorcycle"),
    **dict.fromkeys(["LA", "LB"], "moped"),
    **dict.fromkeys(["TA", "TB", "TC", "TD"], "trailer"),
    **dict.fromkeys(["MD3", "MD4", "ME", "NB", "NC"], "over_3500_kg"),
}
SURELY_OUT = {"motorcycle", "moped", "trailer", "no_entry_certification"}
#: Phase distances in tenths of a metre: low, medium, high, extra high. Class 1 has two phases only.
WLTC_DM = {
    "1": (33301, 47674),
    "2": (31006, 47373, 67918, 80194),
    "3a": (30945, 47210, 71239, 82541),
    "3b": (30945, 47559, 71617, 82541),
}
READINGS = {"rebate_limit_reading": "agency", "co2_grams": "as_given", "ordered_before_july_2023": "not_determined"}


class Answer(NamedTuple):
    """One vehicle's answer; money in whole cents, None where there is no figure."""

    status: str
    reason: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    period: str | None = None
    band: str | None = None
    rebate_excl: int | None = None
    rebate_paid: int | None = None
    charge_excl: int | None = None
    charge_incl: int | None = None


def _cents(dollars: Fraction | int) -> int:
    return math.floor(Fraction(dollars) * 100 + Fraction(1, 2))


def _exact(cell: Any) -> Fraction:
    return Fraction(repr(cell)) if isinstance(cell, float) else Fraction(cell)


def _read(record: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    got: dict[str, Any] = {}
    bad: list[str] = []
    for column, words in CHOICES.items():
        cell = record.get(column)
        if cell is None or not str(cell).strip():
            continue
        same = [word for word in words if word.casefold() == str(cell).strip().casefold()]
        if same:
            got[column] = same[0]
        else:
            bad.append(f"unknown_value:{column}")
    for column, (least, most, decimals) in NUMBERS.items():
        cell = record.get(column)
        if cell is None:
            continue
        number = _exact(cell)
        if not least <= number <= most:
            bad.append(f"out_of_range:{column}")
        elif (number * 10**decimals).denominator != 1:
            bad.append(f"{'too_many_decimals' if decimals else 'not_whole'}:{column}")
        else:
            got[column] = number
    for column, (first, last) in DATES.items():
        day = record.get(column)
        if day is not None:
            if first <= day <= last:
                got[column] = day
            else:
                bad.append(f"out_of_range:{column}")
    if record.get("public_authority") is not None:
        got["public_authority"] = bool(record["public_authority"])
    if "gross_vehicle_mass_kg" in got and got["gross_vehicle_mass_kg"] < got.get("tare_kg", 0):
        bad.append("contradiction:gross_vehicle_mass_kg")
    return got, bad


def _co2(got: Mapping[str, Any], flags: set[str]) -> Fraction | set[str]:
    """The three-phase CO2, or the names of what it lacks."""
    get = got.get
    powertrain, given, cycle = get("powertrain"), get("co2_g_per_km"), get("co2_cycle")
    phases = [get(f"co2_{phase}_g_per_km") for phase in ("low", "medium", "high", "extra_high")]
    wltc = get("wltc_class")
    metres = WLTC_DM[wltc or "3b"]
    if cycle == "4P-WLTP" and given is not None and None not in phases and wltc != "1":
        whole = sum(gram * way for gram, way in zip(phases, metres, strict=True)) / sum(metres)
        if abs(whole - given) > Fraction(1, 2):
            flags.add("phases_contradict_combined")
    if powertrain in ("battery_electric", "fuel_cell"):
        if given:
            flags.add("electric_with_co2")
        return Fraction(0)
    if given is not None and cycle in ("3P-WLTP", "JP-WLTC"):
        return Fraction(given)
    if None not in phases[:3] and powertrain != "plug_in_hybrid":
        if wltc is None:
            flags.add("wltc_class_assumed_3b")
        if wltc == "1":
            return {"phase_distance_high_m"}
        mean = sum(gram * way for gram, way in zip(phases[:3], metres[:3], strict=True)) / sum(metres[:3])
        return Fraction(math.floor(mean * 10_000 + Fraction(1, 2)), 10_000)
    if given is None and get("fuel_l_per_100km") is None:
        return {"co2_g_per_km"}
    if cycle is None:
        return {"co2_cycle"}
    if get("fuel") is None and powertrain not in ("petrol", "diesel", "lpg", "cng", "ethanol"):
        return {"fuel"}
    lacks = {"fuel_co2_factor"} if given is None else set()
    return lacks | ({"conversion_factor", "conversion_offset"} if cycle not in ("3P-WLTP", "JP-WLTC") else set())


def answer(record: Mapping[str, Any], readings: Mapping[str, str] | None = None) -> Answer:
    """The answer for one record (typed cells under the input columns' names; None or no entry is missing)."""
    chosen = {**READINGS, **(readings or {})}
    got, bad = _read(record)
    if bad:
        return Answer("refused", tuple(sorted(bad)))
    get = got.get
    flags: set[str] = set()
    co2 = _co2(got, flags)
    registered: dt.date | None = get("registered_on")
    ordered: dt.date | None = get("ordered_on")
    early = ordered is not None and ordered < JULY_BEGINS
    if registered is None:
        return Answer("not_determined", ("missing:registered_on",), tuple(sorted(flags)))

    # -- when
    day = registered
    late = early and JULY_BEGINS <= registered < OVER
    if late and chosen["ordered_before_july_2023"] == "old_law":
        day = dt.date(2023, 6, 30)
    if day < INTERIM_BEGINS:
        return Answer("excluded", ("before_scheme",))
    if day >= OVER:
        return Answer("excluded", ("scheme_ended",))
    period = "interim" if day < APRIL_BEGINS else "april_2022" if day < JULY_BEGINS else "july_2023"
    if get("condition") == "new" and get("first_registered_on") is not None and get("first_registered_on") < day:
        flags.add("condition_conflict")
    if period == "july_2023" and ordered is None:
        flags.add("order_date_unknown")
    if period != "interim" and isinstance(co2, Fraction) and co2.denominator != 1:
        flags.add("fraction_of_gram")

    # -- scope
    undecided: set[str] = set()
    ground = get("exclusion", "none")
    mass = get("gross_vehicle_mass_kg", get("tare_kg", 0))
    born = get("manufactured_on") or get("first_registered_on")
    if ground in SURELY_OUT:
        return Answer("excluded", (ground,))
    if ground not in ("none", "disability"):
        undecided = {"exclusion_counts"}
    elif get("vehicle_class") is None:
        undecided = {"vehicle_class"}
    elif get("vehicle_class") in CLASS_OUT:
        return Answer("excluded", (CLASS_OUT[get("vehicle_class")],))
    elif mass > LIGHT_KG:
        return Answer("excluded", ("over_3500_kg",))
    elif born is not None and (born.year + QUESTIONABLE_AGE, born.month, born.day) < (day.year, day.month, day.day):
        undecided = {"over_age_is_excluded"}

    # -- band
    marks: set[str] = set()
    band: str | None = None
    lacks: set[str] = set()
    grams = Fraction(0)
    disability = ground == "disability"
    if disability and period == "april_2022":
        lacks = {"disability_vehicles"}
    elif disability and period == "july_2023":
        band = "disability"
    elif period == "interim":
        if disability:
            marks.add("doubtful:disability_vehicles")
        if get("powertrain") is None:
            lacks = {"powertrain"}
        else:
            band = get("powertrain") if get("powertrain") in ("battery_electric", "plug_in_hybrid") else "neutral"
    elif isinstance(co2, set):
        lacks = co2
    else:
        grams = {
            "as_given": co2,
            "half_up": Fraction(math.floor(co2 + Fraction(1, 2))),
            "truncate": Fraction(math.floor(co2)),
        }[chosen["co2_grams"]]
        if chosen["co2_grams"] != "as_given":
            marks.add(f"reading:co2_grams={chosen['co2_grams']}")
        april = period == "april_2022"
        if april and grams != 0 and chosen["rebate_limit_reading"] != "agency":
            marks.add(f"reading:rebate_limit_reading={chosen['rebate_limit_reading']}")
        if grams == 0:
            band = "zero_emission"
        elif april and (grams < 146 or (grams == 146 and chosen["rebate_limit_reading"] == "agency")):
            band = "low_emission"
        elif not april and grams <= 100:
            band = "low_emission"
        else:
            band = "neutral" if grams < (192 if april else 150) else "charged"
    if late:
        if chosen["ordered_before_july_2023"] == "not_determined":
            lacks = lacks | {"transitional_clause"}
            band = None
        else:
            marks.add(f"reading:ordered_before_july_2023={chosen['ordered_before_july_2023']}")

    # -- rebate, unrounded and without GST; then the charge
    condition = get("condition")
    rebate: Fraction | None = None
    charge: Fraction | None = None
    why: tuple[str, ...] = ()
    if band is not None:
        entitled = band not in ("neutral", "charged")
        if not entitled:
            rebate = Fraction(0)
            if period == "interim":
                why = ("not_plug_in",)
        elif get("price_incl_gst_nzd", 0) >= PRICE_CAP:
            rebate, why = Fraction(0), ("price_cap",)
        elif get("safety_stars", 5) < STARS:
            rebate, why = Fraction(0), ("safety_rating",)
        elif get("price_incl_gst_nzd") is None or get("safety_stars") is None:
            lacks = lacks | {name for name in ("price_incl_gst_nzd", "safety_stars") if get(name) is None}
        elif band == "disability":
            if get("powertrain") in DISABILITY_INCL:
                rebate = DISABILITY_INCL[get("powertrain")] / (1 + GST)
        elif band == "low_emission" and grams < 1:
            lacks = lacks | {"rebate_below_lowest"}
            if period == "july_2023" and condition is None:
                lacks = lacks | {"condition"}
        elif condition is None:
            lacks = lacks | {"condition"}
        elif period == "interim":
            rebate = INTERIM_INCL[band, condition] / (1 + GST)
        elif period == "april_2022":
            zero, flat, rate, _, _ = APRIL[condition]
            rebate = Fraction(zero if grams == 0 else flat if grams < 57 else zero - grams * rate * Fraction(130, 145))
        else:
            zero, at_100, per_gram, most, _, _, _ = JULY[condition]
            rebate = (zero if grams == 0 else min(at_100 + (100 - grams) * per_gram, most)) / (1 + GST)
        if band == "disability":
            if get("powertrain") is None:
                lacks = lacks | {"powertrain"}
            elif get("powertrain") not in DISABILITY_INCL:
                lacks = lacks | {"disability_rebate"}
            else:
                charge = Fraction(0)
        elif band != "charged":
            charge = Fraction(0)
        elif condition is None:
            lacks = lacks | {"condition"}
        elif period == "april_2022":
            charge = min((grams - 186) * APRIL[condition][3], Fraction(APRIL[condition][4]))
        else:
            start, per_gram, cap = JULY[condition][4:]
            charge = min(start + (grams - 150) * per_gram, Fraction(cap))

    lacks = undecided or lacks
    if not lacks:
        flags |= marks
    paid = None if rebate is None else rebate if get("public_authority") else rebate * (1 + GST)
    return Answer(
        "not_determined" if lacks else "determined",
        tuple(f"missing:{name}" for name in sorted(lacks)) if lacks else why,
        tuple(sorted(flags)),
        period,
        band,
        None if rebate is None else _cents(rebate),
        None if paid is None else _cents(paid),
        None if charge is None else _cents(charge),
        None if charge is None else _cents(charge * (1 + GST)),
    )
