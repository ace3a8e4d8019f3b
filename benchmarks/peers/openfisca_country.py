"""Peer: the core formula in OpenFisca-core, as its country packages are written. Runs in a virtualenv of its own (AGPL).

``python openfisca_country.py vehicles.parquet``: columns year, kind (A, B), condition, tare_kg, co2_g_per_km. Prints JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import law
import numpy as np
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


class target(Variable):
    value_type = float
    entity = Vehicle
    definition_period = YEAR
    label = "Weight-adjusted target, g/km"

    def formula(vehicle, period, parameters):
        law = parameters(period).standard
        which = vehicle("kind", period)
        return law.annual[which] + law.slope[which] * (vehicle("tare", period) - law.mean_tare[which])


class difference(Variable):
    value_type = float
    entity = Vehicle
    definition_period = YEAR
    label = "Target minus CO2, g/km"

    def formula(vehicle, period):
        return vehicle("target", period) - vehicle("co2", period)


class charge(Variable):
    value_type = float
    entity = Vehicle
    definition_period = YEAR
    label = "Charge, NZ$"

    def formula(vehicle, period, parameters):
        rate = parameters(period).standard.rate[vehicle("condition", period)]
        return np.floor(np.maximum(-vehicle("difference", period), 0)) * rate


def parameter_folder(folder: Path) -> None:
    (folder / "standard").mkdir()
    for place, name in enumerate(("annual", "slope", "mean_tare")):
        text = f"description: {name}\n"
        for kind_ in "AB":
            text += f"{kind_}:\n  description: {name} of type {kind_}\n  values:\n"
            text += "".join(f"    {year}-01-01:\n      value: {law.TARGETS[year, kind_][place]}\n" for year in law.YEARS)
        (folder / "standard" / f"{name}.yaml").write_text(text)
    text = "description: rate\n"
    for word in law.CONDITIONS:
        text += f"{word}:\n  description: rate for {word}\n  values:\n"
        text += "".join(f"    {year}-01-01:\n      value: {law.RATES[year, word]}\n" for year in law.YEARS)
    (folder / "standard" / "rate.yaml").write_text(text)


def main() -> None:
    system = TaxBenefitSystem([Vehicle])
    system.add_variables(tare, co2, kind, condition, target, difference, charge)
    with tempfile.TemporaryDirectory() as folder:
        parameter_folder(Path(folder))
        system.load_parameters(folder)
    table = pq.read_table(sys.argv[1])
    held = {name: table.column(name).to_numpy() for name in table.column_names}
    parts = [(year, held["year"] == year) for year in law.YEARS]
    seconds, processor, totals = [], [], {}
    for _ in range(3):
        begun, busy = time.perf_counter(), time.process_time()
        totals = {"target": 0.0, "difference": 0.0, "charge": 0.0}
        for year, here in parts:
            rows = int(here.sum())
            simulation = SimulationBuilder().build_default_simulation(system, count=rows)
            simulation.set_input("tare", year, held["tare_kg"][here])
            simulation.set_input("co2", year, held["co2_g_per_km"][here])
            simulation.set_input("kind", year, held["kind"][here].astype(str))
            simulation.set_input("condition", year, held["condition"][here].astype(str))
            for name in totals:
                totals[name] += float(simulation.calculate(name, year).astype(np.float64).sum())
        seconds.append(time.perf_counter() - begun)
        processor.append(time.process_time() - busy)
    import importlib.metadata

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    version = importlib.metadata.version("OpenFisca-core")
    found = {"rows": table.num_rows, "seconds": seconds, "processor": processor, "peak": peak}
    print(json.dumps({**found, "totals": totals, "version": version}))


if __name__ == "__main__":
    main()
