"""Made-up fuel batches as texts: real spellings, dates and results at and beside each boundary, one in ten with a bad cell."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

DIESEL = ["Diesel B5 S-50 UV", "DIESEL B5 UV S-50", "DB5 S-50", "diesel b5  s-50", "Diésel B5", "DIESEL B5 GE", "Diesel B5 S-50 GE",
          "DIESEL B5 UV", "Diesel 2 S-50", "Diesel 2 S-50 UV", "DIESEL 2 UV", "diesel_2", "Diesel B2", "DIESEL B2 S-50 UV",
          "Diesel 1", "Diesel 2 Especial"]  # fmt: skip
GASOLINE = ["GASOHOL 84 PLUS", "GASOHOL 90 PLUS", "Gasohol 95 Plus", "gasohol  97  plus", "GASOHOL 98 PLUS", "GASOHOL REGULAR",
            "Gasohol Premium", "GASOLINA REGULAR", "gasolina-premium", "GASOLINA 84", "GASOLINA 84 SP", "GASOLINA SUPER 90 SP",
            "GASOLINA 95", "GASOLINA SUPER EXTRA 97 SP", "GASOLINA 98"]  # fmt: skip
DEPARTMENTS = ["Amazonas", "Áncash", "Apurímac", "AREQUIPA", "Ayacucho", "cajamarca", "Callao", "Cusco", "Cuzco", "Huancavelica",
               "HUANUCO", "Ica", "Junín", "La Libertad", "Lambayeque", "LIMA", "15", "Loreto", "Madre de Dios", "Moquegua",
               "Pasco", "Piura", "Puno", "San Martin", "Tacna", "Tumbes", "UCAYALI"]  # fmt: skip
BOUNDARIES = [(2006, 1, 1), (2009, 1, 1), (2010, 1, 1), (2011, 1, 1), (2012, 6, 29), (2012, 7, 29), (2016, 1, 1), (2018, 1, 1),
              (2018, 4, 1), (2021, 7, 1), (2022, 7, 1), (2022, 7, 15), (2022, 7, 31), (2022, 8, 30), (2023, 1, 1), (2023, 5, 1),
              (2023, 7, 1), (2024, 1, 1), (2024, 3, 31), (2024, 7, 1), (2025, 10, 1), (2026, 12, 31), (2027, 12, 31)]  # fmt: skip
LIMITS = [10, 50, 500, 3000, 5000]
METHODS = ["D5453", "ASTM D5453", "D2622", "ASTM D4294", "D7039", "other", ""]
USES = ["", "", "", "vehicle", "UV", "uso vehicular", "GE", "Generación eléctrica", "otro"]
STAGES = ["", "retail", "minorista", "grifo", "EVPC", "wholesale", "MAYORISTA", "importador"]
UNITS = ["", "mg/kg", "ppm", "PPM m/m"]
#: Bad cells: column and what stands there.
BAD = [
    ("sulfur_mg_per_kg", "much"), ("sulfur_mg_per_kg", "-0.5"), ("sulfur_mg_per_kg", "100000.5"), ("sulfur_mg_per_kg", "<"),
    ("sulfur_mg_per_kg", "12.0001"), ("sulfur_mg_per_kg", "50 ppm"), ("sulfur_mg_per_kg", "<abc"), ("sulfur_mg_per_kg", ">50"),
    ("product", "Kerosene"), ("product", "GASOHOL 99 PLUS"), ("department", "Limma"), ("department", "Bogotá"),
    ("sampled_on", "2026-02-30"), ("sampled_on", "next week"), ("sampled_on", "1999-12-31"), ("sampled_on", "2100-01-01"),
    ("sulfur_unit", "%"), ("sulfur_unit", "mg/L"), ("ron", "high"), ("ron", "9.5"), ("ron", "131"), ("ron", "95.25"),
    ("method", "D9999"), ("use", "heating"), ("stage", "middle"), ("volume_m3", "-1"), ("volume_m3", "1.2345"),
    ("volume_m3", "10000001"), ("volume_m3", "lots"), ("use", "contradiction"),
]  # fmt: skip
COLUMNS = ["batch", "product", "department", "sampled_on", "sulfur_mg_per_kg", "sulfur_unit", "ron", "method", "use", "stage",
           "distributor", "volume_m3"]  # fmt: skip


def batches(rows: int, seed: int) -> pl.DataFrame:
    """``rows`` batches, all columns texts; the same for the same seed."""
    rng = np.random.default_rng(seed)

    def pick(words: list[str], share_empty: float = 0.0) -> np.ndarray:
        found = np.array([*words, ""], dtype=object)[rng.integers(0, len(words), rows)]
        found[rng.random(rows) < share_empty] = ""
        return found

    product = np.where(rng.random(rows) < 0.5, pick(DIESEL), pick(GASOLINE))
    product[rng.random(rows) < 0.01] = ""
    edges = np.array([np.datetime64(dt.date(*day)) for day in BOUNDARIES])
    near = edges[rng.integers(0, len(edges), rows)] + rng.integers(-1, 2, rows)
    far = np.datetime64("2005-06-01") + rng.integers(0, 8700, rows)
    day = np.where(rng.random(rows) < 0.6, near, far).astype("datetime64[D]").astype(str).astype(object)
    day[rng.random(rows) < 0.01] = ""
    limit = np.array(LIMITS)[rng.choice(len(LIMITS), rows, p=[0.3, 0.45, 0.05, 0.05, 0.15])] * 1000
    at_limit = limit + rng.integers(-1, 2, rows)
    anywhere = np.where(rng.random(rows) < 0.7, rng.integers(0, 90_000, rows), rng.integers(0, 9_000_000, rows))
    exact = np.where(rng.random(rows) < 0.5, at_limit, anywhere)
    sulfur = np.array(
        [f"{one // 1000}.{one % 1000:03d}" if one % 1000 else str(one // 1000) for one in exact.tolist()], dtype=object
    )
    bounded = rng.random(rows) < 0.06
    sulfur[bounded] = np.array(["<1", "< 1.0", "<10", "<50", "<60", "<17"], dtype=object)[rng.integers(0, 6, bounded.sum())]
    sulfur[rng.random(rows) < 0.01] = ""
    tenths = np.array([84, 90, 91, 95, 96, 97, 98])[rng.integers(0, 7, rows)] * 10 + rng.integers(-1, 2, rows)
    ron = np.array([f"{one // 10}.{one % 10}" for one in tenths.tolist()], dtype=object)
    ron[rng.random(rows) < 0.05] = ""
    volume = np.array([f"{one // 1000}.{one % 1000:03d}" for one in rng.integers(0, 500_000, rows).tolist()], dtype=object)
    volume[rng.random(rows) < 0.02] = ""
    columns: dict[str, np.ndarray] = {
        "product": product, "department": pick(DEPARTMENTS, 0.01), "sampled_on": day, "sulfur_mg_per_kg": sulfur,
        "sulfur_unit": pick(UNITS), "ron": ron, "method": pick(METHODS), "use": pick(USES), "stage": pick(STAGES),
        "distributor": np.array([f"D{one:02d}" for one in rng.integers(0, 40, rows).tolist()], dtype=object), "volume_m3": volume,
    }  # fmt: skip
    bad = np.flatnonzero(rng.random(rows) < 0.1)
    kinds = rng.integers(0, len(BAD), len(bad))
    for kind, (name, cell) in enumerate(BAD):
        where = bad[kinds == kind]
        if cell == "contradiction":
            columns["product"][where], columns["use"][where] = "Diesel B5 S-50 GE", "vehicle"
        else:
            columns[name][where] = cell
    # a use that contradicts the name would be one bad cell more
    named = np.array([("UV" in name, "GE" in name.split(" ")) for name in columns["product"].tolist()])
    said = columns["use"]
    keeps = np.ones(rows, dtype=bool)
    keeps[bad] = False
    clash = keeps & ((named[:, 0] & (said != "vehicle")) | (named[:, 1] & (said != "GE")))
    columns["use"][clash] = ""
    batch = [f"B{place:07d}" for place in range(rows)]
    return pl.DataFrame({"batch": batch, **{name: cells.tolist() for name, cells in columns.items()}}).select(COLUMNS)
