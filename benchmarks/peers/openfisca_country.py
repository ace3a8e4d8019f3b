"""Peer: OpenFisca-core, in several ways. Runs in a virtualenv of its own (AGPL).

``python openfisca_country.py vehicles.parquet WAY`` prints JSON. One simulation for each year, as OpenFisca has one period for a
whole population. WAY is ``scheme`` for the whole scheme (:mod:`openfisca_scheme`), or for target, difference and charge alone
(columns year, kind, condition, tare_kg, co2_g_per_km):

- ``country``: as country packages are written. The parameters are a tree with the keys that the law's tables have (type and
  condition; scheme and condition), indexed by the variables, and the numbers are taken from what comes back by name, as
  OpenFisca-France does for its housing benefits (``par_zone[zone_apl]``, then ``.degressivite``, ``.suppression``).
- ``flat``: a tree of each number by itself with no key more than 2026 to 2028 need, so that each is one index of one level.
- ``tuned``: no fancy index at all; each number of the law is read as a scalar and chosen with ``numpy.where``.
"""

from __future__ import annotations

import importlib.metadata
import json
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import law
import numpy as np
import openfisca_scheme
import pyarrow.parquet as pq
from openfisca_core.entities import build_entity
from openfisca_core.indexed_enums import Enum
from openfisca_core.periods import YEAR
from openfisca_core.simulation_builder import SimulationBuilder
from openfisca_core.taxbenefitsystems import TaxBenefitSystem
from openfisca_core.variables import Variable

Vehicle = build_entity(key="vehicle", plural="vehicles", label="A vehicle", is_person=True)


class Kind(Enum):
    A = "Type A"
    B = "Type B"


class Condition(Enum):
    new = "new"
    used = "used"


class Scheme(Enum):
    payg = "Pay as you go"
    fleet = "Fleet average"


class tare(Variable):
    value_type = float
    entity = Vehicle
    definition_period = YEAR
    label = "Tare weight, kg"


class co2(Variable):
    value_type = float
    entity = Vehicle
    definition_period = YEAR
    label = "CO2, g/km"


class kind(Variable):
    value_type = Enum
    possible_values = Kind
    default_value = Kind.A
    entity = Vehicle
    definition_period = YEAR
    label = "Type"


class condition(Variable):
    value_type = Enum
    possible_values = Condition
    default_value = Condition.new
    entity = Vehicle
    definition_period = YEAR
    label = "Condition"


class scheme(Variable):
    value_type = Enum
    possible_values = Scheme
    default_value = Scheme.payg
    entity = Vehicle
    definition_period = YEAR
    label = "Scheme"


def weighed(vehicle, period, annual, slope, mean_tare):
    return annual + slope * (vehicle("tare", period) - mean_tare)


def country_target(vehicle, period, parameters):
    law = parameters(period).standard.targets[vehicle("kind", period)][vehicle("condition", period)]
    return weighed(vehicle, period, law.annual, law.slope, law.mean_tare)


def country_rate(vehicle, period, parameters):
    return parameters(period).standard.rates[vehicle("scheme", period)][vehicle("condition", period)]


def flat_target(vehicle, period, parameters):
    law, which = parameters(period).standard, vehicle("kind", period)
    return weighed(vehicle, period, law.annual[which], law.slope[which], law.mean_tare[which])


def flat_rate(vehicle, period, parameters):
    return parameters(period).standard.rate[vehicle("condition", period)]


def tuned_target(vehicle, period, parameters):
    law, is_a = parameters(period).standard, vehicle("kind", period) == Kind.A
    numbers = (np.where(is_a, node.A, node.B) for node in (law.annual, law.slope, law.mean_tare))
    return weighed(vehicle, period, *numbers)


def tuned_rate(vehicle, period, parameters):
    rate = parameters(period).standard.rate
    return np.where(vehicle("condition", period) == Condition.new, rate.new, rate.used)


WAYS = {
    "country": (country_target, country_rate),
    "flat": (flat_target, flat_rate),
    "tuned": (tuned_target, tuned_rate),
}


class difference(Variable):
    value_type = float
    entity = Vehicle
    definition_period = YEAR
    label = "Target minus CO2, g/km"

    def formula(vehicle, period):
        return vehicle("target", period) - vehicle("co2", period)


def variables(way: str) -> list[type[Variable]]:
    find_target, find_rate = WAYS[way]

    class target(Variable):
        value_type = float
        entity = Vehicle
        definition_period = YEAR
        label = "Weight-adjusted target, g/km"

        def formula(vehicle, period, parameters):
            return find_target(vehicle, period, parameters)

    class charge(Variable):
        value_type = float
        entity = Vehicle
        definition_period = YEAR
        label = "Charge, NZ$"

        def formula(vehicle, period, parameters):
            rate = find_rate(vehicle, period, parameters)
            return np.floor(np.maximum(-vehicle("difference", period), 0)) * rate

    return [tare, co2, kind, condition, scheme, target, difference, charge]


def dated(values: dict[int, object], indent: str) -> str:
    return f"{indent}values:\n" + "".join(f"{indent}  {year}-01-01:\n{indent}    value: {values[year]}\n" for year in values)


def parameter_folder(folder: Path) -> None:
    """The same numbers twice: by all keys that the law's tables have, and each number with its fewest keys."""
    place = folder / "standard"
    place.mkdir()
    names = ("annual", "slope", "mean_tare")
    text = "description: targets\n"
    for letter in "AB":
        text += f"{letter}:\n"
        for word in law.CONDITIONS:
            text += f"  {word}:\n"
            for n, name in enumerate(names):
                text += f"    {name}:\n" + dated({year: law.TARGETS[year, letter][n] for year in law.YEARS}, "      ")
    (place / "targets.yaml").write_text(text)
    for n, name in enumerate(names):
        text = f"description: {name}\n"
        for letter in "AB":
            text += f"{letter}:\n" + dated({year: law.TARGETS[year, letter][n] for year in law.YEARS}, "  ")
        (place / f"{name}.yaml").write_text(text)
    rates = {word: {year: law.RATES[year, word] for year in law.YEARS} for word in law.CONDITIONS}
    (place / "rate.yaml").write_text(
        "description: rate\n" + "".join(f"{word}:\n" + dated(values, "  ") for word, values in rates.items())
    )
    text = "description: rates\n"
    for name in ("payg", "fleet"):  # the made-up vehicles are all payg
        text += f"{name}:\n" + "".join(f"  {word}:\n" + dated(values, "    ") for word, values in rates.items())
    (place / "rates.yaml").write_text(text)


def prepared(table: pq.Table, way: str) -> dict[str, np.ndarray]:
    """The columns as OpenFisca takes them: words as NumPy strings, numbers as floats."""
    if way != "scheme":
        held = {name: table.column(name).to_numpy() for name in table.column_names}
        held = {"tare": held["tare_kg"], "co2": held["co2_g_per_km"], **{n: held[n] for n in ("year", "kind", "condition")}}
        held["scheme"] = np.full(table.num_rows, "payg")
        return {n: column.astype(str) if column.dtype == object else column for n, column in held.items()}
    found = {name: table.column(name).to_numpy().astype(np.float64) for name in openfisca_scheme.NUMBERS}
    for name in openfisca_scheme.WORDS:
        words = table.column(name).to_pylist()
        found[name] = np.array([openfisca_scheme.UNKNOWN if w is None else openfisca_scheme.key(w) for w in words])
    return {"year": table.column("year").to_numpy(), **found}


def main() -> None:
    way = sys.argv[2]
    system = TaxBenefitSystem([Vehicle])
    system.add_variables(*(openfisca_scheme.variables(Vehicle) if way == "scheme" else variables(way)))
    with tempfile.TemporaryDirectory() as folder:
        if way == "scheme":
            openfisca_scheme.parameter_file(Path(folder) / "scheme.yaml")
        else:
            parameter_folder(Path(folder))
        system.load_parameters(folder)
    table = pq.read_table(sys.argv[1])
    held = prepared(table, way)
    year = held.pop("year")
    parts = [(y, {name: column[year == y] for name, column in held.items()}) for y in law.YEARS]
    seconds, processor, totals = [], [], {}
    for _ in range(3):
        begun, busy = time.perf_counter(), time.process_time()
        totals = {"target": 0.0, "difference": 0.0, "charge": 0.0}
        counts: Counter[str] = Counter()
        for y, columns in parts:
            rows = len(columns["condition"])
            simulation = SimulationBuilder().build_default_simulation(system, count=rows)
            for name, column in columns.items():
                simulation.set_input(name, y, column)
            counted = np.ones(rows, dtype=bool)
            if way == "scheme":
                status = simulation.calculate("status", y)
                counts.update({item.name: int((status == item).sum()) for item in openfisca_scheme.Status})
                counted = status == openfisca_scheme.Status.determined
                simulation.calculate("credit", y)
            for name in totals:
                totals[name] += float(simulation.calculate(name, y)[counted].astype(np.float64).sum())
        seconds.append(time.perf_counter() - begun)
        processor.append(time.process_time() - busy)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    found = {"rows": table.num_rows, "seconds": seconds, "processor": processor, "peak": peak}
    print(json.dumps({**found, "totals": totals, "counts": counts, "version": importlib.metadata.version("OpenFisca-core")}))


if __name__ == "__main__":
    main()
