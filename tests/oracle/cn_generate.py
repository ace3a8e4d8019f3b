"""Random cars for China's dual-credit rule, a fifth of them on boundaries, and the oracle over a frame."""

from __future__ import annotations

import multiprocessing
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl

from .cn_dual_credit import ALIASES, POWERTRAINS, Answer, answer

#: Number columns with their decimal places.
PLACES = {
    "volume": 0, "curb_mass_kg": 0, "seat_rows": 0, "fuel_consumption_l_per_100km": 2, "electric_range_km": 1,
    "battery_energy_density_wh_per_kg": 1, "energy_use_kwh_per_100km": 2, "fuel_cell_power_kw": 1, "drive_motor_power_kw": 1,
    "top_speed_30min_kmh": 1, "charge_sustaining_fuel_l_per_100km": 2, "fuel_limit_l_per_100km": 2, "off_cycle_l_per_100km": 2,
    "cafc_target": 2,
}  # fmt: skip
_EDGES = {
    "curb_mass_kg": [750, 865, 980, 1000, 1090, 1205, 1320, 1430, 1540, 1600, 1660, 1770, 1880, 2000, 2110, 2280, 2510],
    "electric_range_km": [430, 500, 800, 1000, 1500, 2000, 3000, 3500, 5357, 6176],
    "battery_energy_density_wh_per_kg": [900, 1050, 1250],
    "fuel_consumption_l_per_100km": [280, 320],
    "fuel_cell_power_kw": [100, 312, 750, 800],
    "top_speed_30min_kmh": [1000],
}
_NONE = -(2**40)
#: Slope and offset of the lines of energy use in 1/10,000, by year and mass class.
_LINES = {False: [(140, 5000), (120, 25000), (50, 137000)], True: [(112, 4000), (78, 38000), (48, 86000)]}


def cars(n: int, seed: int) -> pl.DataFrame:
    """``n`` cars; the same ``seed`` gives the same ones. Decimals are floats next to a decimal of the column's places."""
    rng = np.random.default_rng(seed)

    def some(share: float) -> Any:
        return rng.random(n) < share

    def whole(low: int, high: int) -> Any:
        return rng.integers(low, high + 1, n)

    edge = some(0.2)
    year = whole(2016, 2025)
    year = np.where(some(0.01), whole(2010, 2015), year)
    columns: dict[str, Any] = {
        "volume": whole(0, 50_000), "curb_mass_kg": whole(600, 3000), "seat_rows": whole(1, 4),
        "fuel_consumption_l_per_100km": whole(100, 1200), "electric_range_km": whole(200, 9000),
        "battery_energy_density_wh_per_kg": whole(700, 2000), "energy_use_kwh_per_100km": whole(700, 2600),
        "fuel_cell_power_kw": whole(50, 1500), "drive_motor_power_kw": whole(100, 3000), "top_speed_30min_kmh": whole(800, 2000),
        "charge_sustaining_fuel_l_per_100km": whole(200, 900), "fuel_limit_l_per_100km": whole(500, 1100),
        "off_cycle_l_per_100km": whole(1, 60), "cafc_target": whole(400, 700),
    }  # fmt: skip
    for name, edges in _EDGES.items():
        at = np.array(edges)[rng.integers(0, len(edges), n)] + rng.integers(-1, 2, n)
        columns[name] = np.where(edge & some(0.7), at, columns[name])
    mass = columns["curb_mass_kg"]
    place = np.where(mass <= 1000, 0, np.where(mass <= 1600, 1, 2))
    new = (year >= 2021).astype(int)
    lines = np.array([_LINES[False], _LINES[True]])[new, place]
    line = (lines[:, 0] * mass + lines[:, 1]) // 100  # in 0.01 kWh, cut
    share = np.choose(rng.integers(0, 5, n), [100, 70, 135, 67, 125])
    columns["energy_use_kwh_per_100km"] = np.where(
        edge & some(0.6), line * share // 100 + rng.integers(-1, 2, n), columns["energy_use_kwh_per_100km"]
    )
    limit = columns["fuel_limit_l_per_100km"]
    columns["charge_sustaining_fuel_l_per_100km"] = np.where(
        edge & some(0.6), limit * 7 // 10 + rng.integers(-1, 2, n), columns["charge_sustaining_fuel_l_per_100km"]
    )
    columns["drive_motor_power_kw"] = np.where(
        edge & some(0.4), columns["fuel_cell_power_kw"] * 10 // 3 + rng.integers(-1, 2, n), columns["drive_motor_power_kw"]
    )
    # on the bar of fuel-efficient cars
    ratio = np.array([0, 123, 120, 115, 108, 100])[np.clip(year - 2020, 0, 5)]
    bar = (46_000 + 18 * (mass - 1415)) * ratio // 10_000
    at_bar = edge & some(0.3) & (year >= 2021) & (mass > 1090) & (mass <= 2510)
    columns["fuel_consumption_l_per_100km"] = np.where(
        at_bar, bar + rng.integers(-1, 2, n), columns["fuel_consumption_l_per_100km"]
    )
    columns["off_cycle_l_per_100km"] = np.where(some(0.9), _NONE, columns["off_cycle_l_per_100km"])
    columns["top_speed_30min_kmh"] = np.where(some(0.8), _NONE, columns["top_speed_30min_kmh"])
    columns["cafc_target"] = np.where(some(0.99), _NONE, columns["cafc_target"])
    for name in PLACES:
        if name not in ("off_cycle_l_per_100km", "top_speed_30min_kmh", "cafc_target"):
            columns[name] = np.where(some(0.01), _NONE, columns[name])
    for name, bad in (("curb_mass_kg", 100), ("electric_range_km", 30_000), ("energy_use_kwh_per_100km", 5)):
        columns[name] = np.where(some(0.002), bad, columns[name])

    def told(words: list[str | None], weights: list[float]) -> list[str | None]:
        chosen = rng.choice(len(words), n, p=np.array(weights) / sum(weights))
        return [words[i] for i in chosen]

    def truth(yes: float, none: float) -> pl.Series:
        draw = rng.random(n)
        return pl.Series([None if d < none else bool(d < none + yes) for d in draw], dtype=pl.Boolean)

    words = [*POWERTRAINS, *ALIASES, "BEV", "steam", None]
    weights = [6, 2, 3, 1, 1, 2, 12, 10, 6, *[0.4] * len(ALIASES), 0.4, 0.1, 0.4]
    frame = {
        "model": [f"car {i}" for i in range(n)],
        "year": pl.Series(np.where(some(0.002), _NONE, year)).replace(_NONE, None).cast(pl.Int32),
        "powertrain": told(list(words), weights),
    }
    for name, places in PLACES.items():
        numbers = pl.Series(columns[name]).cast(pl.Int64)
        numbers = pl.select(pl.when(numbers == _NONE).then(None).otherwise(numbers)).to_series()
        frame[name] = numbers if places == 0 else numbers / 10**places
    frame["test_cycle"] = told([None, "NEDC", "WLTC", "CLTC"], [90, 4, 4, 2])
    frame["origin"] = told([None, "domestic", "import"], [1, 8, 2])
    frame["phev_conditions_met"] = truth(0.2, 0.7)
    frame["approved_before_2021"] = truth(0.1, 0.5)
    frame["braking_reduction_claimed"] = truth(0.05, 0.5)
    frame["exported"] = truth(0.02, 0.5)
    frame["importer_authorised"] = truth(0.6, 0.2)
    return pl.DataFrame(frame)


def _exact(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """The rows as the oracle reads them."""
    rows = frame.drop("model").rows(named=True)
    for row in rows:
        for name, places in PLACES.items():
            if places and row[name] is not None:
                row[name] = Fraction(round(row[name] * 10**places), 10**places)
    return rows


def _answers(frame: pl.DataFrame) -> list[Answer]:
    return [answer(row) for row in _exact(frame)]


def oracle(frame: pl.DataFrame, processes: int) -> pl.DataFrame:
    """The oracle's answers: words, sorted reasons, and figures as whole numbers of their last place."""
    size = 20_000
    parts = [frame.slice(start, size) for start in range(0, frame.height, size)]
    if processes > 1:
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            found = [_frame(answers) for answers in pool.imap(_answers, parts)]
    else:
        found = [_frame(_answers(part)) for part in parts]
    return pl.concat(found)


SCALES = {
    "nev_credit_per_vehicle": 100, "target_l_per_100km": 10_000, "counted_fuel_l_per_100km": 100, "cafc_multiplier": 10,
}  # fmt: skip


def _frame(answers: list[Answer]) -> pl.DataFrame:
    columns: dict[str, Any] = {
        "status": [a.status for a in answers],
        "reason": ["; ".join(sorted(a.reasons)) for a in answers],
        "own_use_only": [a.own_use_only for a in answers],
        "is_fuel_efficient": [a.is_fuel_efficient for a in answers],
    }
    for name, scale in SCALES.items():
        numbers = [getattr(a, name) for a in answers]
        scaled = [None if number is None else number * scale for number in numbers]
        assert all(number is None or number.denominator == 1 for number in scaled)
        columns[name] = pl.Series([None if number is None else int(number) for number in scaled], dtype=pl.Int64)
    return pl.DataFrame(columns, schema_overrides={"own_use_only": pl.Boolean, "is_fuel_efficient": pl.Boolean})
