"""Made-up vehicles for the measurements: the same rows for the same seed, a million at a time, straight into Parquet."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

CHUNK = 1_000_000
GROUP = 262_144
IMPORTERS = 5_000
CLASSES = ["MA", "MB", "MC", "MD1", "MD2", "NA", "LA", "LC", "TB", "NB", "NC", "ME", "XX"]  # XX is in no vocabulary
CONDITIONS = ["new", "used"]
POWERTRAINS = ["petrol", "diesel", "hybrid", "plug_in_hybrid", "battery_electric", "fuel_cell"]
CYCLES = ["3P-WLTP", "JP-WLTC", "4P-WLTP", "JC08", "NEDC", "WLTP?"]  # the last is in no vocabulary
EXCLUSIONS = ["none", "temporary", "motorsport", "scratch_built", "special_interest", "agricultural", "disability"]
_ALPHABET = np.frombuffer(b"ABCDEFGHJKLMNPRSTUVWXYZ0123456789", dtype=np.uint8)
_WORD = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("vin", pa.string()),
        ("make", pa.string()),
        ("model", pa.string()),
        ("importer", pa.string()),
        ("vehicle_class", _WORD),
        ("condition", _WORD),
        ("powertrain", _WORD),
        ("co2_cycle", _WORD),
        ("exclusion", _WORD),
        ("scheme", _WORD),
        ("tare_kg", pa.int32()),
        ("gross_vehicle_mass_kg", pa.int32()),
        ("seats", pa.int32()),
        ("co2_g_per_km", pa.float64()),
        ("co2_low_g_per_km", pa.float64()),
        ("co2_medium_g_per_km", pa.float64()),
        ("co2_high_g_per_km", pa.float64()),
        ("accepted_on", pa.date32()),
    ]
)


class Catalogue:
    """40 makes with 1,000 models between them; each model has its class, powertrain, weight and CO2."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed, 1])
        models = 1_000
        self.makes = [f"Make {chr(65 + i % 26)}{i:02}" for i in range(40)]
        self.make = rng.integers(0, len(self.makes), models)
        self.models = [f"{'XRTSKLM'[i % 7]}{i:03} {rng.integers(10, 40) / 10}" for i in range(models)]
        weight = 1 / np.arange(1, models + 1) ** 0.7
        self.cumulative = np.cumsum(rng.permutation(weight) / weight.sum())
        drawn = rng.random(models)
        self.vehicle_class = np.searchsorted(np.cumsum([0.70, 0.01, 0.09, 0.01]), drawn).astype(np.int32)
        self.vehicle_class[self.vehicle_class == 4] = CLASSES.index("NA")
        self.powertrain = np.searchsorted(np.cumsum([0.42, 0.17, 0.22, 0.07, 0.115]), rng.random(models)).astype(np.int32)
        goods = self.vehicle_class == CLASSES.index("NA")
        self.tare = np.where(goods, rng.integers(1600, 2400, models), rng.integers(950, 2100, models))
        per_kg = np.array([0.088, 0.092, 0.062, 0.022, 0.0, 0.0])[self.powertrain]
        self.co2 = self.tare * per_kg * rng.uniform(0.85, 1.2, models)


def _vins(rng: np.random.Generator, first: int, rows: int, model: np.ndarray) -> pa.Array:
    """Unique: the last eight characters count the rows, base 33, the others come from the model and from chance."""
    text = np.empty((rows, 17), dtype=np.uint8)
    for place in range(3):
        text[:, place] = _ALPHABET[(model // 33**place) % 23]
    text[:, 3:9] = _ALPHABET[rng.integers(0, 33, (rows, 6), dtype=np.uint8)]
    number = np.arange(first, first + rows, dtype=np.int64)
    for place in range(8):
        text[:, 16 - place] = _ALPHABET[number % 33]
        number //= 33
    offsets = np.arange(0, 17 * rows + 1, 17, dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(text)])


def _word(codes: np.ndarray, words: list[str], absent: np.ndarray | None = None) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=absent), pa.array(words))


def _text(codes: np.ndarray, words: list[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(words)).cast(pa.string())


def chunk(catalogue: Catalogue, seed: int, number: int, rows: int) -> pa.Table:
    """Rows ``number * CHUNK`` and on."""
    rng = np.random.default_rng([seed, 2, number])

    def some(share: float) -> np.ndarray:
        return rng.random(rows) < share

    model = np.searchsorted(catalogue.cumulative, rng.random(rows)).clip(0, len(catalogue.models) - 1)
    vehicle_class = catalogue.vehicle_class[model]
    powertrain = catalogue.powertrain[model]
    electric = powertrain >= 4
    plug_in = powertrain == 3
    tare = (catalogue.tare[model] + rng.integers(-60, 200, rows)).astype(np.int64)
    co2 = np.round(catalogue.co2[model] * rng.uniform(0.95, 1.08, rows) * 10) / 10

    # the cycle, and phases instead of a combined value or beside a four-phase one
    cycle = np.where(some(0.35), 1, 0)
    phased = some(0.185) & ~electric & ~plug_in
    beside = some(0.5)
    cycle = np.where(phased, 2, cycle)
    no_co2 = (electric & ~some(0.004)) | (phased & ~beside)
    low, medium, high = (np.round(co2 * factor * rng.uniform(0.97, 1.03, rows)) for factor in (1.25, 1.0, 0.92))
    co2 = np.where(phased, np.round(co2 * 1.05), co2)
    co2 = np.where(electric, 12.0, co2)

    # what isn't determined: other cycles, a CO2 without its cycle, none at all
    drawn = rng.random(rows)
    plain = ~phased & ~electric
    other = plain & (drawn < 0.043)
    cycle = np.where(other, np.where(drawn < 0.031, 3, 4), cycle)
    no_co2 |= plain & (drawn > 0.985)
    no_cycle = no_co2 | (plain & (drawn > 0.982))

    # excluded: by class, by mass, by a declared ground
    drawn = rng.random(rows)
    for share, word in [
        (0.004, "LC"),
        (0.007, "LA"),
        (0.012, "TB"),
        (0.016, "NB"),
        (0.018, "NC"),
        (0.019, "ME"),
        (0.021, "MD2"),
    ]:
        new = CLASSES.index(word)
        vehicle_class = np.where((drawn < share) & (vehicle_class < 6), new, vehicle_class)
    heavy = some(0.008) & (vehicle_class == CLASSES.index("NA"))
    gross = tare + rng.integers(350, 900, rows)
    gross = np.where(heavy, rng.integers(3_501, 4_500, rows), np.minimum(gross, 3_500))
    no_gross = ~some(0.4) & ~heavy
    exclusion = np.where(some(0.014), rng.integers(1, len(EXCLUSIONS), rows), 0)
    no_exclusion = (exclusion == 0) & ~some(0.2)
    seats = np.where(vehicle_class == CLASSES.index("NA"), 3, rng.integers(4, 9, rows))
    seats = np.where(vehicle_class == CLASSES.index("MD1"), 11, np.where(some(0.001), 10, seats))

    # refused: out of range, in no vocabulary, too many decimals, in contradiction
    tare = np.where(some(0.004), np.where(some(0.5), 0, 99_999), tare)
    co2 = np.where(some(0.003), 2_500.5, np.where(some(0.0005), co2 + 0.123456, co2))
    gross = np.where(some(0.005), 900, gross)
    vehicle_class = np.where(some(0.002), CLASSES.index("XX"), vehicle_class)
    cycle = np.where(some(0.003), 5, cycle)

    days = (
        rng.integers(0, (dt.date(2029, 1, 1) - dt.date(2026, 1, 1)).days, rows) + dt.date(2026, 1, 1).toordinal() - 719_163
    )
    importer = (rng.random(rows) ** 2 * IMPORTERS).astype(np.int32)
    columns = [
        _vins(rng, number * CHUNK, rows, model),
        _text(catalogue.make[model], catalogue.makes),
        _text(model, catalogue.models),
        _text(importer, [f"Importer{i:04}" for i in range(IMPORTERS)]),
        _word(vehicle_class, CLASSES, some(0.0005)),
        _word(some(0.45), CONDITIONS, some(0.0005)),
        _word(powertrain, POWERTRAINS, some(0.0005) & ~electric),
        _word(cycle, CYCLES, no_cycle),
        _word(exclusion, EXCLUSIONS, no_exclusion),
        _word(np.zeros(rows), ["payg"]),
        pa.array(tare.astype(np.int32)),
        pa.array(gross.astype(np.int32), mask=no_gross),
        pa.array(seats.astype(np.int32), mask=~some(0.7)),
        pa.array(co2, mask=no_co2),
        pa.array(low, mask=~phased),
        pa.array(medium, mask=~phased),
        pa.array(high, mask=~phased),
        pa.array(days.astype(np.int32)).cast(pa.date32()),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def write(path: Path, rows: int, seed: int) -> None:
    """The file with so many vehicles; nothing is done where it is there already."""
    if path.exists():
        return
    catalogue = Catalogue(seed)
    part = path.with_suffix(".part")
    with parquet.ParquetWriter(part, SCHEMA, compression="zstd") as out:
        for number in range(-(-rows // CHUNK)):
            out.write_table(chunk(catalogue, seed, number, min(CHUNK, rows - number * CHUNK)), row_group_size=GROUP)
    part.replace(path)
