"""Peer: the whole scheme in OpenFisca-core, as country packages are written: scope, CO2, target, result, money.

Inputs are clean (rows that a door would refuse are left out, words are known or 'unknown'); reasons and marks are not told.
Run by ``openfisca_country.py vehicles.parquet scheme``.
"""

from __future__ import annotations

from pathlib import Path

import law
import numpy as np
from openfisca_core.indexed_enums import Enum
from openfisca_core.periods import YEAR
from openfisca_core.variables import Variable

UNKNOWN = "unknown"


def vocabulary(name: str, words: list[str]) -> type[Enum]:
    return Enum(name, [(word, word) for word in [*words, UNKNOWN]])  # type: ignore[return-value]


def key(word: str) -> str:
    """A word as the name of a parameter and of an Enum's member."""
    return "w_" + word.replace("-", "_").lower()


WORDS = {name: vocabulary(name, [key(word) for word in words]) for name, words in law.VOCABULARIES.items()}
NUMBERS = [
    "tare_kg", "gross_vehicle_mass_kg", "co2_g_per_km", "co2_low_g_per_km", "co2_medium_g_per_km", "co2_high_g_per_km",
]  # fmt: skip


class Status(Enum):
    excluded = "excluded"
    not_determined = "not determined"
    determined = "determined"


class Basis(Enum):
    zero_tailpipe = "zero tailpipe"
    given_3p_wltp = "given 3P-WLTP"
    given_jp_wltc = "given Japanese WLTC"
    wltp_phases = "from WLTP phases"
    none = "none"


def input_variable(entity: object, of_name: str) -> type[Variable]:
    held = {"entity": entity, "definition_period": YEAR, "label": of_name}
    if of_name in WORDS:
        held |= {"value_type": Enum, "possible_values": WORDS[of_name], "default_value": WORDS[of_name][UNKNOWN]}
    else:
        held |= {"value_type": float, "default_value": np.nan}
    return type(of_name, (Variable,), held)


def variables(of: object) -> list[type[Variable]]:
    powertrain, cycle = WORDS["powertrain"], WORDS["co2_cycle"]

    class class_type(Variable):
        value_type, entity, definition_period, label = float, of, YEAR, "Type by class: 1 is A, 2 is B, 0 neither"

        def formula(vehicle, period, parameters):
            return parameters(period).scheme.classes[vehicle("vehicle_class", period)].type

    class is_excluded(Variable):
        value_type, entity, definition_period, label = bool, of, YEAR, "Outside the standard"

        def formula(vehicle, period, parameters):
            scope = parameters(period).scheme
            by_class = scope.classes[vehicle("vehicle_class", period)].excluded
            declared = scope.exclusions[vehicle("exclusion", period)]
            gross, tare = vehicle("gross_vehicle_mass_kg", period), vehicle("tare_kg", period)
            return (by_class > 0) | (declared > 0) | (np.where(np.isnan(gross), tare, gross) > scope.heaviest)

    class co2_basis(Variable):
        value_type, entity, definition_period, label = Enum, of, YEAR, "How the CO2 is found"
        possible_values, default_value = Basis, Basis.none

        def formula(vehicle, period):
            kind, which = vehicle("powertrain", period), vehicle("co2_cycle", period)
            given = ~np.isnan(vehicle("co2_g_per_km", period))
            phases = ~np.isnan(sum(vehicle(f"co2_{name}_g_per_km", period) for name in ("low", "medium", "high")))
            return np.select(
                [
                    (kind == powertrain.w_battery_electric) | (kind == powertrain.w_fuel_cell),
                    given & (which == cycle.w_3p_wltp),
                    given & (which == cycle.w_jp_wltc),
                    phases & (kind != powertrain.w_plug_in_hybrid),
                ],
                [Basis.zero_tailpipe, Basis.given_3p_wltp, Basis.given_jp_wltc, Basis.wltp_phases],
                Basis.none,
            )

    class three_phase_co2(Variable):
        value_type, entity, definition_period, label = float, of, YEAR, "3P-WLTP CO2, g/km"

        def formula(vehicle, period, parameters):
            basis, driven = vehicle("co2_basis", period), parameters(period).scheme.distances
            names = ("low", "medium", "high")
            total = sum(driven[name] for name in names)
            mean = sum(vehicle(f"co2_{name}_g_per_km", period) * driven[name] for name in names) / total
            return np.select(
                [
                    basis == Basis.zero_tailpipe,
                    (basis == Basis.given_3p_wltp) | (basis == Basis.given_jp_wltc),
                    basis == Basis.wltp_phases,
                ],
                [0, vehicle("co2_g_per_km", period), np.round(mean, 4)],
                np.nan,
            )

    class status(Variable):
        value_type, entity, definition_period, label = Enum, of, YEAR, "Status"
        possible_values, default_value = Status, Status.not_determined

        def formula(vehicle, period):
            condition = vehicle("condition", period)
            lacking = (
                (vehicle("class_type", period) == 0)
                | (condition == WORDS["condition"].unknown)
                | np.isnan(vehicle("three_phase_co2", period))
            )
            return np.select(
                [vehicle("is_excluded", period), lacking], [Status.excluded, Status.not_determined], Status.determined
            )

    class target(Variable):
        value_type, entity, definition_period, label = float, of, YEAR, "Weight-adjusted target, g/km"

        def formula(vehicle, period, parameters):
            kinds = np.where(vehicle("class_type", period) == 2, "B", "A")
            here = parameters(period).scheme.targets[kinds][vehicle("condition", period)]
            return here.annual + here.slope * (vehicle("tare_kg", period) - here.mean_tare)

    class difference(Variable):
        value_type, entity, definition_period, label = float, of, YEAR, "Target minus CO2, g/km"

        def formula(vehicle, period):
            return vehicle("target", period) - vehicle("three_phase_co2", period)

    class credit(Variable):
        value_type, entity, definition_period, label = float, of, YEAR, "Credit, whole grams"

        def formula(vehicle, period):
            return np.floor(np.maximum(vehicle("difference", period), 0))

    class charge(Variable):
        value_type, entity, definition_period, label = float, of, YEAR, "Charge, NZ$"

        def formula(vehicle, period, parameters):
            rate = parameters(period).scheme.rates[vehicle("scheme", period)][vehicle("condition", period)]
            return np.floor(np.maximum(-vehicle("difference", period), 0)) * rate

    inputs = [input_variable(of, name) for name in [*WORDS, *NUMBERS]]
    return [
        *inputs, class_type, is_excluded, co2_basis, three_phase_co2, status, target, difference, credit, charge,
    ]  # fmt: skip


def parameter_file(place: Path) -> None:
    """All parameters of the scheme in one tree, with the keys of the law's own tables."""

    def value(number: object, indent: int) -> str:
        return f"{' ' * indent}values:\n{' ' * indent}  2020-01-01:\n{' ' * indent}    value: {number}\n"

    def yearly(values: dict[int, object], indent: int) -> str:
        lines = "".join(f"{' ' * indent}  {year}-01-01:\n{' ' * indent}    value: {n}\n" for year, n in values.items())
        return f"{' ' * indent}values:\n{lines}"

    text = "description: scheme\nheaviest:\n" + value(3500, 2) + "distances:\n"
    for name, metres in zip(("low", "medium", "high"), law.DISTANCES, strict=True):
        text += f"  {name}:\n" + value(metres, 4)
    text += "classes:\n"
    for word in [*law.CLASSES, None]:
        name = UNKNOWN if word is None else key(word)
        text += f"  {name}:\n    type:\n" + value({"A": 1, "B": 2}.get(law.TYPES.get(word or "", ""), 0), 6)
        text += "    excluded:\n" + value(int(word in law.EXCLUDED), 6)
    text += "exclusions:\n"
    for word in [*law.EXCLUSIONS, None]:
        name = UNKNOWN if word is None else key(word)
        text += f"  {name}:\n" + value(int(word not in (None, "none")), 4)
    text += "targets:\n"
    for letter in "AB":
        text += f"  {letter}:\n"
        for word in [*law.CONDITIONS, None]:
            text += f"    {UNKNOWN if word is None else key(word)}:\n"
            for n, number in enumerate(("annual", "slope", "mean_tare")):
                text += f"      {number}:\n" + yearly({year: law.TARGETS[year, letter][n] for year in law.YEARS}, 8)
    text += "rates:\n"
    for scheme in [*law.SCHEMES, None]:
        text += f"  {UNKNOWN if scheme is None else key(scheme)}:\n"
        for word in [*law.CONDITIONS, None]:
            rates = {year: law.RATES.get((year, word), 0) for year in law.YEARS}
            text += f"    {UNKNOWN if word is None else key(word)}:\n" + yearly(rates, 6)
    place.write_text(text)
