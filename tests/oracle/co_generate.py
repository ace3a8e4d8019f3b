"""Random test reports for Colombia's heavy-duty limits, crowded where mistakes are likely, as the text of a file's cells."""

from __future__ import annotations

import io
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from .co_heavy_duty import CYCLES, LIMITS, Answer, answer

COLUMNS = [
    "report", "fuel", "size_class", "gvw_kg", "obd", "in_circulation", "standard", "on", "cycle", "unit", "co", "hc", "thc",
    "nmhc", "ch4", "nox", "pm", "pn_per_kwh", "nh3_ppm",
]  # fmt: skip
RESULTS = COLUMNS[10:]
DATES = [
    "2009-12-31", "2010-01-01", "2012-12-31", "2013-01-01", "2014-12-31", "2015-01-01", "2022-12-31", "2023-01-01", "2024-06-30",
    "2034-12-31", "2035-01-01",
]  # fmt: skip
#: (fuel, standard, days on which it is likely to be admitted, how often)
KINDS: list[tuple[str, str, list[int], int]] = [
    ("diesel", "Euro I", [1], 1), ("diesel", "Euro II", [1, 4], 6), ("diesel", "Euro III", [1, 4], 3),
    ("diesel", "Euro IV", [5, 6], 10), ("diesel", "Euro V", [5, 6], 5), ("diesel", "Euro VI", [6, 7, 8, 8, 2, 3], 20),
    ("diesel", "US 1996", [1, 4], 3), ("diesel", "US 1998", [1, 4], 1), ("diesel", "US 2004", [4], 2),
    ("diesel", "US 2005", [4], 1), ("diesel", "US 2010", [6, 7], 4),
    ("cng", "Euro IV", [5, 6], 3), ("lng", "Euro IV", [5, 6], 2), ("lpg", "Euro IV", [5, 6], 4), ("cng", "Euro V", [6], 2),
    ("cng", "Euro VI", [7, 8], 4), ("lpg", "Euro VI", [7, 8], 4), ("cng", "US 2005", [5, 6], 3), ("lpg", "US 2010", [6, 7], 2),
    ("cng", "Euro II", [6], 1), ("gasoline", "US 1998", [1, 5, 6], 8), ("gasoline", "US 2005", [6], 2),
    ("gasoline", "US 2010", [6, 7], 2), ("gasoline", "Euro VI", [6], 1),
]  # fmt: skip
SPELLINGS = {
    "diesel": ["diesel", "Diesel", "ACPM"], "gasoline": ["gasoline", "Gasolina"], "Euro VI": ["Euro VI", "EURO VI", "Euro 6"],
    "US 1998": ["US 1998", "US EPA 1998"], "WHTC": ["WHTC", "whtc"], "ECE R-49": ["ECE R-49", "R49", "ece r-49"],
    "g/kWh": ["g/kWh", "g/kW-h"], "g/bhp-h": ["g/bhp-h", "g/bhp-hr"], "lpg": ["lpg", "GLP"],
}  # fmt: skip
#: Column and text of a cell that can't be read, or contradicts.
BAD: list[tuple[str, str]] = [
    ("co", "abc"), ("co", "-1"), ("nox", "0,5"), ("co", "1000.5"), ("nox", "0.0000001"), ("pn_per_kwh", "6x1011"),
    ("pn_per_kwh", "8 × 10 11"), ("pn_per_kwh", "1.5"), ("pn_per_kwh", "2e15"), ("nh3_ppm", "<x"), ("nh3_ppm", "0.0001"),
    ("gvw_kg", "12000.5"), ("gvw_kg", "50"), ("gvw_kg", "<4000"), ("on", "2024-13-01"), ("on", "31/12/2024"),
    ("on", "1980-01-01"), ("obd", "maybe"), ("in_circulation", "new"), ("fuel", "kerosene"), ("standard", "Euro VII"),
    ("cycle", "NEDC"), ("unit", "g/km"), ("size_class", "MHDGE"), ("report", ""), ("unit", "*other"), ("fuel", "*other"),
    ("obd", "*other"), ("gvw_kg", "7777"), ("standard", "*other"), ("on", "2016-06-06"), ("in_circulation", "*other"),
    ("size_class", "*other"), ("thc", "*differs"), ("ch4", "1.1.1"), ("pm", "n.d."), ("nmhc", "1,234"),
]  # fmt: skip
POWERS = ["{0}e11", "{0}E+11", "{0}x10^11", "{0} × 10¹¹", "{0}*10**11", "{0}·10^11"]


def _choices(column: str, kind: tuple[str, str], cycle: str) -> list[str]:
    """Twelve texts for a result: about its limit where it has one, otherwise mostly empty."""
    line = {"pn_per_kwh": "pn", "nh3_ppm": "nh3"}.get(column, column)
    limits = LIMITS.get(kind, {}).get(cycle, {})
    limit = limits.get(line)
    if limit is None and column in ("nmhc", "nox"):
        limit = limits.get("nmhc_nox")
        limit = limit / 2 if isinstance(limit, Decimal) else None
    if limit is None and column in ("hc", "thc") and ("hc" in limits or "thc" in limits):
        limit = limits.get("hc", limits.get("thc"))
    if limit is None:
        return ["", "", "", "", "", "", "", "", "", "", "0.3", "<0.2"]
    low, high = limit if isinstance(limit, tuple) else (limit, limit)
    assert isinstance(low, Decimal)
    assert isinstance(high, Decimal)
    if column == "pn_per_kwh":
        lead = low.scaleb(-11).normalize()
        return [*(power.format(lead) for power in POWERS), f"{low - 1:f}", f"{low + 1:f}", "1e10", "<1e10", "<9e11", ""]
    step = Decimal("0.001")
    texts = [low / 2, low / 4, low / 2, low / 3 // step * step, low, low - step, low + step, high + step]
    out = [f"{value.normalize():f}" for value in texts]
    doubtful = {("nox", "Euro IV"): "5.25", ("nmhc", "Euro IV"): "0.5", ("pm", "Euro III"): "0.12"}
    return [*out, f"<{low:f}", f"<{low + step:f}", doubtful.get((column, kind[0]), out[0]), ""]


_CACHE: dict[tuple[str, str, str, str], list[str]] = {}


def reports(n: int, seed: int, *, bad: float = 0.1) -> pl.DataFrame:
    """The rows of ``n`` reports, every cell a text; ``bad`` is the share of rows with a cell that is wrong."""
    rng = np.random.default_rng(seed)
    weights = np.array([kind[3] for kind in KINDS], dtype=float)
    kinds = rng.choice(len(KINDS), size=n, p=weights / weights.sum())
    sizes = rng.choice(["LHDGE", "HHDGE", ""], size=n, p=[0.5, 0.42, 0.08])
    cells: dict[str, Any] = {}
    cells["fuel"] = np.array([kind[0] for kind in KINDS], dtype=object)[kinds]
    cells["standard"] = np.array([kind[1] for kind in KINDS], dtype=object)[kinds]
    spark = (cells["fuel"] != "diesel") & np.array([kind[1].startswith("US") for kind in KINDS])[kinds]
    cells["size_class"] = np.where(spark, sizes, "").astype(object)
    likely = np.array([rng.choice(KINDS[kind][2]) for kind in range(len(KINDS) * 16) if kind < len(KINDS)])
    likely = np.array([[KINDS[k][2][i % len(KINDS[k][2])] for i in range(16)] for k in range(len(KINDS))])
    anywhen = rng.integers(0, len(DATES), size=n)
    when = np.where(rng.random(n) < 0.85, likely[kinds, rng.integers(0, 16, size=n)], anywhen)
    cells["on"] = np.array(DATES, dtype=object)[when]
    cells["gvw_kg"] = rng.choice(
        np.array(["12000", "26000", "5000", "3501", "3500", "3499", "6350", "6351", ""], dtype=object),
        size=n, p=[0.4, 0.2, 0.15, 0.06, 0.04, 0.03, 0.05, 0.05, 0.02],
    )  # fmt: skip
    cells["obd"] = rng.choice(np.array(["true", "yes", "false", ""], dtype=object), size=n, p=[0.7, 0.15, 0.06, 0.09])
    cells["in_circulation"] = rng.choice(
        np.array(["false", "no", "true", ""], dtype=object), size=n, p=[0.7, 0.2, 0.07, 0.03]
    )
    unit = np.array(["g/bhp-h" if kind[1].startswith("US") else "g/kWh" for kind in KINDS], dtype=object)[kinds]
    engine = np.where(cells["fuel"] == "diesel", "diesel", np.where(spark, cells["size_class"], "gas"))
    # which rows: each report's cycles, sometimes one left out, one added, one twice
    report: list[np.ndarray[Any, Any]] = []
    cycle: list[np.ndarray[Any, Any]] = []
    for place, word in enumerate(CYCLES):
        has = np.array([any(word in LIMITS.get((k[1], e), {}) for e in ("diesel", "gas", "LHDGE")) for k in KINDS])
        fits = has & np.array([not (k[0] == "diesel" and word == "US HDTC" and k[1] == "US 2005") for k in KINDS])
        chance = np.where(fits[kinds], 0.95, 0.01)
        for _ in range(2):
            picked = np.flatnonzero(rng.random(n) < chance)
            report.append(picked)
            cycle.append(np.full(len(picked), place))
            chance = np.where(fits[kinds], 0.004, 0.0)
    lone = np.setdiff1d(np.arange(n), np.concatenate(report))
    report.append(lone)
    cycle.append(rng.integers(0, len(CYCLES), size=len(lone)))
    of, which = np.concatenate(report), np.concatenate(cycle)
    order = np.argsort(of + rng.normal(0, 3, size=len(of)), kind="stable")  # a report's rows need not stand together
    of, which = of[order], which[order]
    rows = len(of)
    table: dict[str, Any] = {name: values[of].copy() for name, values in cells.items()}
    table["report"] = np.array([f"R{number:07d}" for number in range(n)], dtype=object)[of]
    table["cycle"] = np.array(CYCLES, dtype=object)[which]
    table["unit"] = unit[of].copy()
    keys = {
        key: number for number, key in enumerate(sorted({(s, e) for s, e in zip(cells["standard"], engine, strict=True)}))
    }
    of_key = np.array([keys[key] for key in zip(cells["standard"], engine, strict=True)])[of] * len(CYCLES) + which
    for column in RESULTS:
        texts = np.array([_choices(column, key, word) for key in keys for word in CYCLES], dtype=object)
        table[column] = texts[of_key, rng.choice(12, size=rows, p=_WEIGHTS)].copy()
    both = rng.random(rows)
    table["hc"] = np.where((both < 0.4) & (table["thc"] != ""), "", table["hc"])
    table["thc"] = np.where(both > 0.6, "", np.where(both >= 0.4, table["hc"], table["thc"]))
    silent = rng.random(rows) < 0.1
    first = np.zeros(rows, dtype=bool)
    first[np.unique(of, return_index=True)[1]] = True
    for name in ("fuel", "gvw_kg", "obd", "in_circulation", "standard", "on", "size_class"):
        table[name] = np.where(silent & ~first & (rng.random(rows) < 0.6), "", table[name])
    lost = rng.random(rows)
    for number, name in enumerate(("cycle", "unit", "on", "fuel", "standard")):
        table[name] = np.where((lost > number * 0.002) & (lost < number * 0.002 + 0.001), "", table[name])
    for name in ("fuel", "standard", "cycle", "unit"):
        for word, ways in SPELLINGS.items():
            hit = np.flatnonzero(table[name] == word)
            table[name][hit] = np.array(ways, dtype=object)[rng.integers(0, len(ways), size=len(hit))]
    _spoil(table, rng, bad)
    return pl.DataFrame({name: pl.Series(table[name].tolist(), dtype=pl.String) for name in COLUMNS})


_WEIGHTS = [0.28, 0.2, 0.2, 0.14, 0.05, 0.03, 0.014, 0.014, 0.03, 0.01, 0.022, 0.01]


def _spoil(table: dict[str, Any], rng: np.random.Generator, share: float) -> None:
    rows = len(table["report"])
    hit = rng.choice(rows, size=int(rows * share), replace=False)
    kind = rng.integers(0, len(BAD), size=len(hit))
    others = {
        "unit": ("g/kWh", "g/bhp-h"), "fuel": ("diesel", "cng"), "obd": ("true", "false"), "standard": ("Euro II", "US 1998"),
        "in_circulation": ("true", "false"), "size_class": ("LHDGE", "HHDGE"),
    }  # fmt: skip
    for number, (column, text) in enumerate(BAD):
        where = hit[kind == number]
        if text == "*differs":
            table["hc"][where], table["thc"][where] = "0.0123", "0.0456"
        elif text == "*other":
            a, b = others[column]
            here = np.char.lower(table[column][where].astype(str))
            is_a = np.isin(here, [a.lower(), "g/kw-h", "acpm", "yes"]) | ((column == "unit") & (here == ""))
            table[column][where] = np.where(is_a, b, a)
        else:
            table[column][where] = text


def csv(frame: pl.DataFrame) -> bytes:
    """The frame as a file."""
    held = io.BytesIO()
    frame.write_csv(held)
    return held.getvalue()


def answers(frame: pl.DataFrame) -> Iterator[tuple[str | None, int, Answer]]:
    """The oracle's answer for each report: its name (None for all rows without one), number of rows, answer."""
    groups: dict[str | None, list[dict[str, str]]] = {}
    for row in frame.iter_rows(named=True):
        groups.setdefault((row["report"] or "").strip() or None, []).append(row)
    for name, rows in groups.items():
        yield name, len(rows), answer(rows)
