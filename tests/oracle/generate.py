"""Random vehicles for New Zealand's Clean Vehicle Standard, crowded where mistakes are likely, and the oracle over a frame.

``vehicles(n, seed)`` is a frame with all input columns of the policy except ``certified_on``; numbers with decimals are
floats next to a decimal of four places. ``records`` gives the frame's rows as the oracle reads them, ``assess_frame``
and ``assess_table`` the oracle's answers.
"""

from __future__ import annotations

import datetime as dt
import io
import math
import multiprocessing
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from .nz_cvs import ALIASES, CHOICES, REFERENCE, TARGETS_2024, Answer, answer, spelled_out

Ints = np.ndarray[Any, np.dtype[np.int64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]

ORDER = [
    "vin",
    "make",
    "model",
    "vehicle_class",
    "body",
    "seats",
    "wheels",
    "gross_vehicle_mass_kg",
    "tare_kg",
    "condition",
    "manufactured_on",
    "first_registered_on",
    "exclusion",
    "powertrain",
    "fuel",
    "fuel_l_per_100km",
    "co2_g_per_km",
    "co2_cycle",
    "co2_low_g_per_km",
    "co2_medium_g_per_km",
    "co2_high_g_per_km",
    "co2_extra_high_g_per_km",
    "wltc_class",
    "accepted_on",
    "importer",
    "scheme",
]
MODELS = {
    "Toyota": ["Aqua", "Hilux", "Land Cruiser Prado", "RAV4"],
    "Suzuki": ["Swift", "Jimny"],
    "Nissan": ["Leaf", "Navara", "Note e-Power"],
    "Mazda": ["CX-5", "Demio"],
    "Škoda": ["Octavia, Combi", "Enyaq"],
    "BYD": ["Shark 6", "Atto 3"],
}
#: The scheme that these vehicles are for; the tool that tries mutants of its rules finds it by this line.
POLICY = "nz-clean-vehicle-standard"
#: Empty, as an index or as a number.
NONE = -(2**40)

_PHASES = ["co2_low_g_per_km", "co2_medium_g_per_km", "co2_high_g_per_km", "co2_extra_high_g_per_km"]
_SPELLINGS = 4


def _day(*ymd: int) -> int:
    return (dt.date(*ymd) - dt.date(1970, 1, 1)).days


def _spelled(column: str) -> list[str]:
    """For each choice (and one that does not exist) four spellings, the canonical one first."""
    out = []
    for value in [*CHOICES[column], "no such thing"]:
        others = [alias for alias, meant in ALIASES.get(column, {}).items() if meant == value]
        loose = value.lower().replace("-", "_") if "-" in value else value.replace("_", "-").upper()
        out += [value, value.lower(), f"  {loose} ", others[-1] if others else value.replace("_", " ").swapcase()]
    return out


def vehicles(n: int, seed: int) -> pl.DataFrame:
    """``n`` vehicles; the same ``seed`` gives the same ones."""
    rng = np.random.default_rng(seed)

    def some(share: float) -> Bools:
        return rng.random(n) < share

    def pick(options: dict[str, float], column: str) -> Ints:
        """Positions in ``CHOICES[column]`` with the given weights; '' is empty."""
        weights = np.array(list(options.values()))
        values = np.array([CHOICES[column].index(name) if name else NONE for name in options])
        edges = np.cumsum(weights / weights.sum())
        return values[np.minimum(np.searchsorted(edges, rng.random(n), side="right"), len(values) - 1)]

    def whole(low: int, high: int) -> Ints:
        return rng.integers(low, high + 1, n)

    def among(values: list[int]) -> Ints:
        return np.array(values)[rng.integers(0, len(values), n)]

    def code(column: str, name: str) -> int:
        return CHOICES[column].index(name)

    # -- dates
    accepted = whole(_day(2026, 1, 1), _day(2028, 12, 31))
    draw = rng.random(n)
    accepted = np.where(draw < 0.04, whole(_day(2023, 1, 1), _day(2025, 12, 31)), accepted)
    accepted = np.where(draw < 0.015, whole(_day(2029, 1, 1), _day(2035, 12, 31)), accepted)
    accepted = np.where(draw < 0.005, whole(_day(1950, 1, 1), _day(2022, 12, 31)), accepted)
    edges = [_day(y, 12, 31) for y in range(2022, 2031)] + [_day(y, 1, 1) for y in range(2022, 2031)]
    edges += [_day(2024, 9, 4), _day(2024, 9, 5), _day(2028, 2, 28), _day(2028, 2, 29), _day(2028, 3, 1)]
    inner = [
        _day(2026, 1, 1),
        _day(2026, 12, 31),
        _day(2027, 1, 1),
        _day(2027, 12, 31),
        _day(2028, 1, 1),
        _day(2028, 12, 31),
    ]
    at_edge = some(0.045)
    accepted = np.where(at_edge, np.where(some(0.5), among(edges), among(inner)), accepted)

    # -- what it is
    klass = pick(
        {"MA": 40, "MB": 3, "MC": 18, "MD1": 3, "MD2": 0.7, "NA": 26, "": 5}
        | dict.fromkeys(["MD3", "MD4", "ME", "NB", "NC", "LA", "LB", "LC", "LD", "LE", "TA", "TB", "TC", "TD"], 0.12),
        "vehicle_class",
    )
    no_class = klass == NONE
    goods = (klass == code("vehicle_class", "NA")) ^ some(0.01)
    body = np.where(goods | (no_class & some(0.4)), code("body", "goods"), code("body", "passenger"))
    body = np.where(np.where(no_class, some(0.12), some(0.4)), NONE, body)
    bus = np.isin(klass, [code("vehicle_class", "MD1"), code("vehicle_class", "MD2")])
    seats = np.where(bus, among([9, 10, 11, 12, 13, 14]), among([2, 4, 5, 5, 5, 7, 8, 9]))
    seats = np.where(some(0.02) | (no_class & some(0.3)), among([8, 9, 10, 11, 1, 100]), seats)
    seats = np.where(np.where(no_class, some(0.12), some(0.25)), NONE, seats)
    wheels = np.where(some(0.5), 4, NONE)
    wheels = np.where(some(0.02), among([1, 2, 3, 3, 3, 3, 5, 6, 20]), wheels)
    tare = np.where(goods, whole(1300, 2700), whole(650, 2500))
    near = np.array([1200, 1482, 1549, 2098, 2174])[rng.integers(0, 5, n)] + rng.integers(-1, 2, n)
    tare = np.where(some(0.12), near, tare)
    mass = np.minimum(tare + whole(0, 900), 3500)
    heavy = some(0.012)
    tare = np.where(heavy, among([3499, 3500, 3501, 100, 50_000, 4200]), tare)
    mass = np.where(heavy, np.maximum(tare, among([3500, 3501, 3499, 100_000])), mass)
    mass = np.where(some(0.3), NONE, mass)
    narrow = wheels == 3
    tare = np.where(narrow, whole(300, 990), tare)
    mass = np.where(narrow, among([999, 1000, 1001, 1100, 1500, NONE]), mass)
    condition = pick({"new": 48, "used": 52}, "condition")

    manufactured = accepted - whole(20, 6000)
    manufactured = np.where(some(0.35), NONE, manufactured)
    registered = np.where(condition == code("condition", "used"), accepted - whole(10, 4000), NONE)
    registered = np.where(some(0.3), NONE, registered)
    registered = np.where((condition == code("condition", "new")) & some(0.03), accepted + whole(-2, 2), registered)
    old = some(0.012)
    since = accepted.astype("datetime64[D]")
    month = since.astype("datetime64[M]")
    forty = ((month - 480).astype("datetime64[D]") + (since - month.astype("datetime64[D]"))).astype(np.int64) + whole(-1, 1)
    by_making = some(0.6)
    manufactured = np.where(old, np.where(by_making, forty, NONE), manufactured)
    registered = np.where(old & ~by_making, forty, registered)

    exclusion = pick(
        {"": 50, "none": 46.5, "disability": 0.7} | dict.fromkeys(CHOICES["exclusion"][1:-1], 0.14), "exclusion"
    )
    before_2025 = (accepted >= _day(2023, 1, 1)) & (accepted < _day(2025, 1, 1))
    exclusion = np.where(before_2025 & some(0.08), code("exclusion", "disability"), exclusion)

    # -- its CO2, in ten-thousandths
    powertrain = pick(
        {"petrol": 34, "diesel": 18, "hybrid": 16, "plug_in_hybrid": 9, "battery_electric": 11, "fuel_cell": 0.6}
        | {"lpg": 0.8, "cng": 0.4, "ethanol": 0.4, "": 8},
        "powertrain",
    )
    fuel = pick(
        {"": 60, "petrol": 24, "diesel": 12, "lpg": 1, "cng": 1, "ethanol": 1, "electricity": 1, "hydrogen": 1}, "fuel"
    )
    cycle = pick(
        {"3P-WLTP": 52, "JP-WLTC": 44, "4P-WLTP": 1.5, "NEDC": 1, "JC08": 0.8, "10-15": 0.5, "US-combined": 0.5}, "co2_cycle"
    )
    electric = np.isin(powertrain, [code("powertrain", "battery_electric"), code("powertrain", "fuel_cell")])
    places = 10 ** among([0, 2, 3, 4, 4])  # rounded to 4, 2, 1 or no decimals
    co2 = np.where(some(0.15), whole(0, 60_0000), whole(60_0000, 320_0000)) // places * places
    target, has_target = _targets(klass, body, seats, tare, accepted)
    steps = np.where(some(0.4), 0, whole(-120, 120)) * 10_000
    close = target - steps - among([0, 0, 1, -1, 4999, 5000, 5001, -4999, -5000, -5001, 9999])
    co2 = np.where(has_target & some(0.35) & (close >= 0) & (close <= 1000_0000), close, co2)
    co2 = np.where(some(0.003), among([0, 1, 1000_0000]), co2)
    litres = np.where(some(0.15), whole(0, 20_0000) // places * places, NONE)

    wltc = pick({"3b": 55, "3a": 14, "2": 12, "1": 1.2, "": 18}, "wltc_class")
    phases = [whole(40_0000, 320_0000) // places * places for _ in _PHASES]
    level = some(0.1)
    phases = [np.where(level, phases[0], phase) for phase in phases]
    _make_ties(phases, (wltc == code("wltc_class", "3a")) & ~level & some(0.5))
    by_phases = some(0.16) & ~(electric & some(0.8))
    plug_in = powertrain == code("powertrain", "plug_in_hybrid")
    by_phases &= ~plug_in | some(0.15)
    phases = [np.where(by_phases, phase, NONE) for phase in phases]
    phases[3] = np.where(some(0.3), NONE, phases[3])
    stray = ~by_phases & some(0.03)
    for phase in phases:
        phase[stray] = np.where(some(0.5), whole(40_0000, 320_0000), NONE)[stray]
    wltc = np.where(by_phases | stray | some(0.05), wltc, NONE)
    four = by_phases & (phases[3] != NONE) & some(0.7)
    way = np.array([30945, 47559, 71617, 82541])
    mean = sum(phase * metres for phase, metres in zip(phases, way, strict=True)) // way.sum()
    cycle = np.where(four, code("co2_cycle", "4P-WLTP"), cycle)
    off = mean + among([0, 0, 1, 4999, 5000, 5001, -4999, -5000, -5001, 30_000])
    co2 = np.where(four, np.clip(off, 0, 1000_0000), co2)
    alone = by_phases & ~four & some(0.9)
    co2 = np.where(alone | (electric & some(0.85)), NONE, co2)
    co2 = np.where(some(0.004), NONE, co2)
    litres = np.where((co2 == NONE) & ~electric & ~by_phases & some(0.5), whole(3_0000, 20_0000), litres)
    cycle = np.where(alone | (co2 == NONE) & some(0.1), NONE, cycle)

    scheme = pick({"": 30, "payg": 42, "fleet": 28}, "scheme")

    # -- about 5 % of the rows lack something required or are bad: each of these for an equal part of them
    choices: dict[str, Ints] = {
        "vehicle_class": klass, "body": body, "condition": condition, "exclusion": exclusion, "powertrain": powertrain,
        "fuel": fuel, "co2_cycle": cycle, "wltc_class": wltc, "scheme": scheme,
    }  # fmt: skip
    integers: dict[str, Ints] = {"seats": seats, "wheels": wheels, "gross_vehicle_mass_kg": mass, "tare_kg": tare}
    dates: dict[str, Ints] = {"manufactured_on": manufactured, "first_registered_on": registered, "accepted_on": accepted}
    numbers = {"fuel_l_per_100km": litres, "co2_g_per_km": co2} | dict(zip(_PHASES, phases, strict=True))
    tens = {name: np.where(cells == NONE, NONE, cells * 10) for name, cells in numbers.items()}  # hundred-thousandths

    faults: list[tuple[Ints, int | None, list[int]]] = []  # column, sets with one place of a cell only, values
    for name, cells in choices.items():
        faults.append((cells, None, [len(CHOICES[name])]))
    for name in ("vehicle_class", "condition", "co2_cycle"):
        faults += [(choices[name], None, [NONE])] * 3
    faults += [(accepted, None, [NONE])] * 3 + [(tare, None, [NONE])] * 3 + [(tens["co2_g_per_km"], None, [NONE])] * 2
    faults += [(seats, None, [0, 101, -1]), (wheels, None, [0, 21, -4]), (mass, None, [99, 100_001, 0])]
    faults += [
        (tare, None, [99, 50, 0, 50_001, -1482]),
        (accepted, None, [_day(1890, 1, 1), _day(1899, 12, 31), _day(2100, 1, 1)]),
    ]
    faults += [
        (dates[name], None, [_day(1879, 12, 31), _day(2100, 1, 1)]) for name in ("manufactured_on", "first_registered_on")
    ]
    for name, cells in tens.items():
        top = 100_00000 if name == "fuel_l_per_100km" else 1000_00000
        faults += [(cells, None, [-5_00000, -10, top + 10, 2 * top]), (cells, 5, [])]
    faulty = some(0.05)
    fault = np.where(faulty, whole(0, len(faults)), -1)  # the last number is a mass below the tare
    for number, (cells, place, values) in enumerate(faults):
        rows = np.flatnonzero(fault == number)
        if place:
            cells[rows] = rng.integers(1_00000, 90_00000, len(rows)) // 10 * 10 + rng.integers(1, 10, len(rows))
        else:
            cells[rows] = np.array(values)[rng.integers(0, len(values), len(rows))]
    light = (fault == len(faults)) & (tare > 200)
    mass[light] = tare[light] - rng.integers(1, 100, int(light.sum()))

    # -- the frame
    def column(cells: Ints, kind: Any = pl.Int64) -> pl.Series:
        series = pl.Series(cells)
        return series.set(pl.Series(cells == NONE), None).cast(kind)

    def words(name: str, cells: Ints) -> pl.Series:
        spelling = np.where(some(0.88), 0, whole(1, _SPELLINGS - 1))
        places = column(np.where(cells == NONE, NONE, cells * _SPELLINGS + spelling), pl.UInt32)
        return pl.Series(_spelled(name)).gather(places)

    def fraction(cells: Ints) -> pl.Series:
        five = cells % 10 != 0
        exact = np.where(five, cells / 100_000, (cells // 10) / 10_000)  # one division, so next to the decimal
        return pl.Series(exact).set(pl.Series(cells == NONE), None)

    makes = [(make, model) for make, models in MODELS.items() for model in models]
    which = rng.integers(0, len(makes), n).astype(np.uint32)
    digits = pl.Series((np.arange(n) * 7_368_787 + seed) % 9_999_999_967)
    frame: dict[str, pl.Series] = {
        "vin": "7AT0H" + digits.cast(pl.String).str.zfill(12),
        "make": pl.Series([make for make, _ in makes]).gather(pl.Series(which)),
        "model": pl.Series([model for _, model in makes]).gather(pl.Series(which)),
        "importer": pl.Series([f"Importer {i:03d}" for i in range(1, 201)]).gather(
            pl.Series(rng.integers(0, 200, n).astype(np.uint32))
        ),
    }
    frame |= {name: words(name, cells) for name, cells in choices.items()}
    frame |= {name: column(cells) for name, cells in integers.items()}
    frame |= {name: column(cells, pl.Int32).cast(pl.Date) for name, cells in dates.items()}
    frame |= {name: fraction(cells) for name, cells in tens.items()}
    return pl.DataFrame({name: frame[name] for name in ORDER})


def _targets(klass: Ints, body: Ints, seats: Ints, tare: Ints, accepted: Ints) -> tuple[Ints, Bools]:
    """Targets of 2026-2028, only to place CO2 values near them."""
    is_b = np.isin(klass, [CHOICES["vehicle_class"].index(name) for name in ("NA", "MD1")])
    is_b |= (klass == NONE) & ((body == CHOICES["body"].index("goods")) | (seats > 9))
    year = accepted.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    out = np.zeros(len(tare), np.int64)
    has = np.zeros(len(tare), np.bool_)
    for (kind, of_year), (slope, mean, _) in REFERENCE.items():
        rows = (is_b == (kind == "B")) & (year == of_year)
        out[rows] = TARGETS_2024[kind][of_year] + slope * (tare[rows] - mean)
        has |= rows
    return out, has


def _make_ties(phases: list[Ints], rows: Bools) -> None:
    """Change the low phase so that the class 3a mean lies exactly halfway between two ten-thousandths."""
    medium, high = phases[1][rows], phases[2][rows]
    medium -= (medium - high) % 3
    rest = (74_697 - 47_210 * medium - 71_239 * high) // 3
    low = rest * pow(10_315, -1, 49_798) % 49_798
    phases[0][rows] = low + 49_798 * 30
    phases[1][rows] = medium


def records(frame: pl.DataFrame) -> Iterator[dict[str, object]]:
    """The rows as the oracle reads them: Decimal instead of float, None where empty."""
    columns: list[list[object]] = []
    for series in frame.iter_columns():
        cells = series.to_list()
        if series.dtype.is_float():
            cells = [None if cell is None or math.isnan(cell) else Decimal(repr(cell)) for cell in cells]
        columns.append(cells)
    names = frame.columns
    for row in zip(*columns, strict=True):
        yield dict(zip(names, row, strict=True))


def _table(frame: pl.DataFrame, known: dt.date, readings: Mapping[str, str] | None) -> pl.DataFrame:
    found = [answer(record, known, readings) for record in records(frame)]
    schema = dict.fromkeys(Answer._fields, pl.Int64()) | {
        "status": pl.String(),
        "reason": pl.List(pl.String),
        "flags": pl.List(pl.String),
        "vehicle_type": pl.String(),
        "co2_basis": pl.String(),
    }
    columns = zip(*found, strict=True) if found else [()] * len(schema)
    return pl.DataFrame(
        [pl.Series(name, list(cells), dtype=kind) for (name, kind), cells in zip(schema.items(), columns, strict=True)]
    )


def _worker(packed: bytes, known: dt.date, readings: Mapping[str, str] | None) -> bytes:
    buffer = io.BytesIO()
    _table(pl.read_ipc(io.BytesIO(packed)), known, readings).write_ipc(buffer)
    return buffer.getvalue()


def assess_table(
    frame: pl.DataFrame,
    processes: int = 2,
    known: dt.date = dt.date(2026, 11, 22),
    readings: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """The answers as a frame, for a comparison column by column: whole numbers (``co2_e4``, ``target_e4``,
    ``difference_e4`` in ten-thousandths of a g/km, ``charge_cents``), ``reason`` and ``flags`` as sorted lists of text."""
    if processes <= 1 or frame.height < 20_000:
        return _table(frame, known, readings)
    size = min(25_000, -(-frame.height // processes))
    jobs = []
    for start in range(0, frame.height, size):
        buffer = io.BytesIO()
        frame.slice(start, size).write_ipc(buffer)
        jobs.append((buffer.getvalue(), known, readings))
    # spawn: polars' threads do not survive a fork
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return pl.concat([pl.read_ipc(io.BytesIO(part)) for part in pool.starmap(_worker, jobs, chunksize=1)])


def assess_frame(
    frame: pl.DataFrame,
    processes: int = 2,
    known: dt.date = dt.date(2026, 11, 22),
    readings: Mapping[str, str] | None = None,
) -> list[dict[str, object]]:
    """:func:`nz_cvs.assess` for every row, in order."""
    table = assess_table(frame, processes, known, readings)
    return [spelled_out(Answer(*row)) for row in table.iter_rows()]


def reference() -> tuple[pl.DataFrame, pl.DataFrame, Any]:
    """(vehicles, the oracle's answers, the comparison), for the tool that tries mutants of the rules."""
    from .test_against_engines import differences

    frame = vehicles(20_000, 4)
    return frame, assess_table(frame, processes=1), differences
