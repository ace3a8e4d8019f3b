"""Random vehicles for New Zealand's Clean Car Discount, crowded at its dates, grams, prices and stars; and the oracle over a frame.

``vehicles(n, seed)`` is a frame with the scheme's columns, about one row in ten with a bad cell; ``truth`` is the oracle's answer
for each row; ``differences`` compares both; ``reference`` is what the tool for mutants asks for.
"""

from __future__ import annotations

import datetime as dt
import io
import multiprocessing
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from .nz_ccd import CHOICES, Answer, answer

POLICY = "nz-clean-car-discount"

EDGES = [
    dt.date(2021, 6, 30), dt.date(2021, 7, 1), dt.date(2021, 12, 31), dt.date(2022, 1, 1), dt.date(2022, 3, 31), dt.date(2022, 4, 1),
    dt.date(2023, 6, 30), dt.date(2023, 7, 1), dt.date(2023, 12, 31), dt.date(2024, 1, 1),
]  # fmt: skip
GRAMS = [
    0, 0.0001, 0.4999, 0.5, 0.9999, 1, 1.5, 2, 55, 56, 56.5, 56.9999, 57, 57.0001, 58, 59, 60, 60.0001, 61, 99, 99.9999, 100, 100.0001,
    100.4999, 100.5, 101, 144, 145, 145.5, 145.9999, 146, 146.0001, 146.5, 147, 148, 149, 149.5, 149.9999, 150, 150.0001, 151, 185, 186,
    190, 191, 191.5, 191.9999, 192, 192.0001, 193, 252, 252.6666, 252.6667, 253, 259, 259.9999, 260, 260.0001, 261, 275, 275.9999, 276,
    276.0001, 277, 345, 350, 999.9999, 1000,
]  # fmt: skip
NUMBERS = {"gross_vehicle_mass_kg", "tare_kg", "safety_stars"}
COLUMNS = ["status", "period", "band"]
MONEY = {
    "rebate_excl_gst_nzd": "rebate_excl",
    "rebate_payable_nzd": "rebate_paid",
    "charge_excl_gst_nzd": "charge_excl",
    "charge_incl_gst_nzd": "charge_incl",
}


def vehicles(n: int, seed: int) -> pl.DataFrame:
    """``n`` vehicles; the same ``seed`` gives the same ones."""
    rng = np.random.default_rng(seed)

    def take(cells: Sequence[Any], weights: Sequence[float] | None = None, kind: Any = None) -> pl.Series:
        share = None if weights is None else np.array(weights) / sum(weights)
        places = rng.choice(len(cells), size=n, p=share).astype(np.uint32)
        return pl.Series(list(cells), dtype=kind, strict=False).gather(pl.Series(places))

    def words(column: str, weights: Mapping[str, float], empty: float, other: float = 0.0) -> pl.Series:
        """Words with their weights; the column's other words share ``other``, and one row in 150 has a word that isn't one."""
        rest = [word for word in CHOICES[column] if word not in weights]
        cells = [*weights, *rest, None, "no such thing"]
        per = other / max(len(rest), 1)
        total = sum(weights.values()) + other + empty
        return take(cells, [*weights.values(), *[per] * len(rest), empty, total / 150], pl.String)

    def either(chance: float, a: pl.Series, b: pl.Series) -> pl.Series:
        return a.zip_with(pl.Series(rng.random(n) < chance), b)

    def days(first: dt.date, last: dt.date) -> pl.Series:
        numbers = rng.integers(first.toordinal(), last.toordinal() + 1, n) - dt.date(1970, 1, 1).toordinal()
        return pl.Series(numbers, dtype=pl.Int32).cast(pl.Date)

    inside = days(dt.date(2021, 6, 1), dt.date(2024, 1, 31))
    registered = either(0.25, take([*EDGES, None, dt.date(1899, 12, 31)], [10] * 10 + [2, 1], pl.Date), inside)
    ordered = either(0.5, take([None, dt.date(2023, 6, 30), dt.date(2023, 7, 1)], [8, 1, 1], pl.Date), inside)
    grams = either(0.6, take(GRAMS, kind=pl.Float64), pl.Series(rng.integers(0, 4_000_000, n) / 10_000))
    grams = either(0.05, take([None, -1.0, 1000.5, 100.12345], [7, 1, 1, 1], pl.Float64), grams)
    price = either(
        0.2, take([79_999.99, 80_000.0, 80_000.01, 0.0], kind=pl.Float64), pl.Series(rng.integers(5, 110, n) * 1000.0)
    )
    price = either(0.08, take([None, -0.01, 12.345, 2e7], [7, 1, 1, 1], pl.Float64), price)
    frame = {
        "vin": pl.Series([f"7AT0CCD{i:010d}" for i in range(n)]),
        "vehicle_class": words("vehicle_class", {"MA": 40, "MB": 3, "MC": 20, "MD1": 3, "MD2": 3, "NA": 25}, 2, 4),
        "condition": words("condition", {"new": 50, "used": 47}, 3),
        "powertrain": words("powertrain", {"battery_electric": 12, "plug_in_hybrid": 10, "hybrid": 15, "petrol": 30}, 8, 20),
        "fuel": words("fuel", {"petrol": 30, "diesel": 10}, 50, 5),
        "exclusion": words("exclusion", {"none": 30, "disability": 12}, 50, 6),
        "co2_cycle": words("co2_cycle", {"3P-WLTP": 60, "JP-WLTC": 25, "4P-WLTP": 6}, 3, 3),
        "wltc_class": words("wltc_class", {"3b": 10, "3a": 4, "1": 3, "2": 3}, 80),
        "co2_g_per_km": grams,
        "fuel_l_per_100km": take([None, 5.5, 7.1234], [10, 1, 1], pl.Float64),
        "co2_low_g_per_km": take([None, 120.0, 99.9999, 61.5], [30, 1, 1, 1], pl.Float64),
        "co2_medium_g_per_km": take([None, 100.0, 150.25], [10, 5, 5], pl.Float64),
        "co2_high_g_per_km": take([None, 90.0, 175.125], [10, 5, 5], pl.Float64),
        "co2_extra_high_g_per_km": take([None, 110.0, 160.5], [10, 5, 5], pl.Float64),
        "gross_vehicle_mass_kg": take([None, 1900, 2500, 3500, 3501, 90, 200_000], [40, 20, 20, 10, 4, 0.5, 0.5], pl.Int64),
        "tare_kg": take([None, 1200, 1800, 3499, 3501, 50], [40, 30, 28, 1, 2, 0.5], pl.Int64),
        "registered_on": registered,
        "ordered_on": ordered,
        "first_registered_on": either(0.7, take([None], kind=pl.Date), days(dt.date(1980, 1, 1), dt.date(2023, 12, 31))),
        "manufactured_on": either(0.8, take([None], kind=pl.Date), days(dt.date(1979, 1, 1), dt.date(2023, 12, 31))),
        "price_incl_gst_nzd": price,
        "safety_stars": take([None, 0, 1, 2, 3, 4, 5, -1, 6], [5, 3, 3, 8, 20, 30, 30, 0.5, 0.5], pl.Int64),
        "public_authority": take([None, True, False], [40, 15, 45], pl.Boolean),
    }
    return pl.DataFrame(frame)


def _table(frame: pl.DataFrame, readings: Mapping[str, str] | None) -> pl.DataFrame:
    found = [answer(row, readings) for row in frame.iter_rows(named=True)]
    words = {"status": pl.String(), "period": pl.String(), "band": pl.String()}
    lists = {"reason": pl.List(pl.String), "flags": pl.List(pl.String)}
    schema: dict[str, Any] = dict.fromkeys(Answer._fields, pl.Int64()) | words | lists
    return pl.DataFrame(
        [pl.Series(name, [one[place] for one in found], dtype=kind) for place, (name, kind) in enumerate(schema.items())]
    )


def _worker(packed: bytes, readings: Mapping[str, str] | None) -> bytes:
    buffer = io.BytesIO()
    _table(pl.read_ipc(io.BytesIO(packed)), readings).write_ipc(buffer)
    return buffer.getvalue()


def truth(frame: pl.DataFrame, readings: Mapping[str, str] | None = None, processes: int = 1) -> pl.DataFrame:
    """The oracle's answers, row for row: money in cents, reasons and flags as sorted lists."""
    if processes <= 1 or frame.height < 50_000:
        return _table(frame, readings)
    jobs = []
    for start in range(0, frame.height, 25_000):
        buffer = io.BytesIO()
        frame.slice(start, 25_000).write_ipc(buffer)
        jobs.append((buffer.getvalue(), readings))
    # spawn: polars' threads do not survive a fork
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return pl.concat([pl.read_ipc(io.BytesIO(part)) for part in pool.starmap(_worker, jobs, chunksize=1)])


def differences(answers: pl.DataFrame, right: pl.DataFrame) -> dict[str, int]:
    """Column -> number of rows in which ours and the oracle's differ."""
    lists = {
        name: pl.col(name)
        .cast(pl.String)
        .fill_null("")
        .str.split("; ")
        .list.eval(pl.element().filter(pl.element() != ""))
        .list.sort()
        for name in ("reason", "flags")
    }
    ours = answers.select(
        *(pl.col(name).cast(pl.String) for name in COLUMNS),
        *((pl.col(name).cast(pl.Decimal(38, 2)) * 100).cast(pl.Int64).alias(cents) for name, cents in MONEY.items()),
        **lists,
    )
    found = {name: int(ours[name].ne_missing(right[name]).sum()) for name in ours.columns}
    return {name: rows for name, rows in found.items() if rows}


def reference() -> tuple[pl.DataFrame, pl.DataFrame, Any]:
    """(vehicles, the oracle's answers, the comparison), for the tool that tries mutants of the rules."""
    frame = vehicles(20_000, 4)
    return frame, truth(frame), differences
