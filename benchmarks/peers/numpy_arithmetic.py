"""Peer: the bare arithmetic in NumPy, int64, in blocks, on inputs that are integers already and all there.

No reading of cells, no statuses, reasons or flags, no decimals out: what any engine on NumPy could reach at best.
"""

from __future__ import annotations

import numpy as np

from . import law

BLOCK = 16_384


def tables() -> tuple[np.ndarray, ...]:
    """Target, slope, mean tare and rate in cents by (year, type, condition)."""
    annual, slope, mean, rate = (np.zeros((3, 2, 2), dtype=np.int64) for _ in range(4))
    for y, year in enumerate(law.YEARS):
        for t, kind in enumerate("AB"):
            a, s, m = law.TARGETS[year, kind]
            annual[y, t], slope[y, t], mean[y, t] = round(float(a) * 10_000), round(float(s) * 10_000), m
            for c, condition in enumerate(law.CONDITIONS):
                rate[y, t, c] = law.RATES[year, condition] * 100
    return annual.ravel(), slope.ravel(), mean.ravel(), rate.ravel()


def assess(
    year: np.ndarray, kind: np.ndarray, condition: np.ndarray, tare: np.ndarray, co2: np.ndarray
) -> dict[str, np.ndarray]:
    """``year`` from 0, ``kind`` and ``condition`` 0 or 1, ``tare`` in kg, ``co2`` in 0.0001 g/km."""
    annual, slope, mean, rate = tables()
    rows = len(tare)
    out = {name: np.empty(rows, dtype=np.int64) for name in ("target", "difference", "credit_g", "charge_g", "cents")}
    for start in range(0, rows, BLOCK):
        part = slice(start, start + BLOCK)
        place = (year[part] * 4 + kind[part] * 2 + condition[part]).astype(np.uint8)
        target = annual[place] + slope[place] * (tare[part] - mean[place])
        difference = target - co2[part]
        out["target"][part] = target
        out["difference"][part] = difference
        out["credit_g"][part] = np.maximum(difference, 0) // 10_000
        charge = np.maximum(-difference, 0) // 10_000
        out["charge_g"][part] = charge
        out["cents"][part] = charge * rate[place]
    return out
