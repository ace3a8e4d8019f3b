"""Factors to 3P-WLTP from a user's own pairs: the CO2 of one test cycle and the official three-phase value beside it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl

from cleanfleet import tables
from cleanfleet.law.columns import Column, Refused
from cleanfleet.law.errors import InputError
from cleanfleet.law.policy import Policy
from cleanfleet.policies.nz_clean_vehicle_standard import fitting
from cleanfleet.policies.nz_clean_vehicle_standard.overlay_file import Record, overlay_text

#: The column that holds the official value, beside those of the policy.
OFFICIAL = "official_3p_wltp_g_per_km"
#: The policy's columns that a pair is made of.
TAKEN = ("powertrain", "fuel", "co2_g_per_km", "co2_cycle")
#: The first day on which a conversion is dated: the Vehicle Efficiency and Emissions Data Rule 2022 in force.
APPLIES_FROM = "2022-04-01"
#: Places of grams as they are read, of the residuals, and of the values ``conversion_factor`` and ``conversion_offset``.
GRAMS, FACTOR_PLACES, OFFSET_PLACES = 4, 6, 4
_REFUSAL = "__refusal"

#: Why a row can't be a pair, beside the reasons for single cells; ``{}`` is the column.
REASONS = {
    "missing": "{} is empty",
    "not_above_zero": "{} is 0: a vehicle that burns fuel emits CO2, and 0 often stands for 'unknown'",
    "zero_tailpipe": "{} is of a vehicle without tailpipe CO2, for which nothing is converted",
    "too_few_pairs": "its cycle and fuel have too few pairs",
    "no_spread": "its cycle and fuel have no spread of CO2",
    "factor_not_positive": "its cycle and fuel give a factor of 0 or less",
}


@dataclass(frozen=True)
class Pair:
    """One vehicle in both cycles, in units of 0.0001 g/km, with its row in the file."""

    row: int
    co2: int
    official: int


@dataclass(frozen=True)
class Group:
    """The fit of one cycle and fuel: 3P-WLTP = ``factor`` × CO2 + ``offset``; or why there is none (``code``, ``reason``).

    ``factor`` has 6 decimals, ``offset`` [g/km] 4 (0.0000 where none was fitted). The residuals [g/km] are the official
    value minus what these rounded figures give: the root of their mean square, and the largest by its size with its row.
    ``co2_from`` to ``co2_to`` [g/km] is the range of CO2 seen; outside it the fit is a guess.
    """

    co2_cycle: str
    fuel: str
    n: int
    co2_from: Decimal
    co2_to: Decimal
    factor: Decimal | None = None
    offset: Decimal | None = None
    rms: Decimal | None = None
    largest: Decimal | None = None
    largest_row: int | None = None
    code: str = ""
    reason: str = ""


@dataclass
class ConversionFit:
    """What came of a file: ``rows`` = ``used`` + ``three_phase`` (left out, nothing to convert) + the refused rows."""

    file: Path
    rows: int = 0
    used: int = 0
    three_phase: int = 0
    groups: list[Group] = field(default_factory=list)
    refused: list[tuple[int, str, str]] = field(default_factory=list)  # row, reasons, message
    notes: list[str] = field(default_factory=list)

    @property
    def reasons(self) -> Counter[str]:
        """Reason -> refused rows that have it."""
        return Counter(part for _, reasons, _ in self.refused for part in reasons.split("; "))

    @property
    def fitted(self) -> list[Group]:
        return [group for group in self.groups if group.factor is not None]


def fit_group(co2_cycle: str, fuel: str, pairs: Sequence[Pair], *, with_offset: bool = False) -> Group:
    """Fit 3P-WLTP = factor × CO2 + offset to ``pairs`` by least squares of the three-phase grams.

    Without an offset (the default) the line goes through the origin: factor = Σ(CO2 × official) / ΣCO2². That is the sounder
    form for a user's own handful of pairs: no fuel burnt in one cycle is none in the other; one figure needs fewer pairs
    than two; and beyond the range seen it stays in proportion, where a free offset turns scatter into a slope and an offset
    of opposite signs, which together fit the pairs but mislead for smaller and larger vehicles. ``with_offset`` fits both:
    worth it for many pairs over a wide range, where the root mean square falls clearly.

    All is exact until the factor is rounded half up at 6 decimals and the offset at 4. Never raises for its pairs: a group
    of fewer than three, with an offset and one CO2 only, or with a factor of 0 or less has no fit and says why.
    """
    places = [pair.co2 for pair in pairs]
    bare = Group(co2_cycle, fuel, len(pairs), _grams(min(places)), _grams(max(places)))
    sums = fitting.Sums.of((pair.co2, pair.official) for pair in pairs)
    try:
        factor, offset = fitting.line_of(sums) if with_offset else (fitting.factor_of(sums), Fraction(0))
    except fitting.NoFit as why:
        return dataclasses.replace(bare, code=why.code, reason=str(why))
    shown = fitting.half_up(factor, FACTOR_PLACES)
    if shown <= 0:
        why_not = f"the factor would be {shown}; it must be above 0"
        return dataclasses.replace(bare, code="factor_not_positive", reason=why_not)
    shift = fitting.half_up(offset / 10**GRAMS, OFFSET_PLACES)
    # Residuals as whole numbers of units of 10^-10 g/km: of the factor's 6 places and the grams' 4.
    step, unit = int(shown.scaleb(FACTOR_PLACES)), 10**FACTOR_PLACES
    level = int(shift.scaleb(GRAMS)) * unit
    left = [pair.official * unit - step * pair.co2 - level for pair in pairs]
    worst = max(range(len(pairs)), key=lambda place: abs(left[place]))
    return dataclasses.replace(
        bare,
        factor=shown,
        offset=shift,
        rms=fitting.root_half_up(Fraction(sum(one * one for one in left), len(pairs) * (unit * 10**GRAMS) ** 2), GRAMS),
        largest=fitting.half_up(Fraction(abs(left[worst]), unit * 10**GRAMS), GRAMS),
        largest_row=pairs[worst].row,
    )


def _grams(units: int) -> Decimal:
    return fitting.half_up(Fraction(units, 10**GRAMS), GRAMS)


def pair_columns(policy: Policy) -> list[Column]:
    """The columns of a file of pairs: four of the policy's, and ``official_3p_wltp_g_per_km``."""
    found = [policy.definition.column(name) for name in TAKEN]
    found = [dataclasses.replace(one, required=one.name in ("co2_g_per_km", "co2_cycle")) for one in found]
    like = policy.definition.column("co2_g_per_km")
    return [*found, dataclasses.replace(like, name=OFFICIAL, required=True, description="official three-phase WLTP CO2")]


def fit_conversion(
    path: Path,
    policy: Policy,
    *,
    layout: tables.Layout | None = None,
    constants: Mapping[str, str] | None = None,
    with_offset: bool = False,
) -> ConversionFit:
    """Fit the pairs of ``path``, one group for each test cycle and fuel (:func:`fit_group`).

    The file has ``co2_g_per_km`` with ``co2_cycle``, ``official_3p_wltp_g_per_km`` [g/km, up to 4 decimals, 0 to 1000], and
    ``fuel`` or a ``powertrain`` that tells it by the policy's own rule. Rows whose CO2 is three-phase already are left out;
    bad cells, empty ones, zeros, vehicles without tailpipe CO2 and rows of a group without a fit are refused with a reason.
    Raises :class:`InputError` for a file that can't be used.
    """
    columns = pair_columns(policy)
    table = tables.read(path, columns, layout=layout, constants=constants, zone=policy.definition.zone)
    found = ConversionFit(path, notes=table.notes)
    pairs: dict[tuple[str, str], list[Pair]] = {}
    for batch in table.batches():
        if {"fuel", "powertrain"}.isdisjoint(batch.typed.columns):
            has = ", ".join(table.original_columns)
            raise InputError(f"{path}: lacks the column fuel, or powertrain that could tell it; it has {has}")
        found.rows += batch.typed.height
        for place, line in enumerate(_lines(batch, policy, columns)):
            if line.pair is not None:
                pairs.setdefault((line.co2_cycle, line.fuel), []).append(line.pair)
            elif line.problems:
                cells = batch.original.row(place, named=True)
                message = " ".join(_message(problem, table, cells) for problem in line.problems)
                found.refused.append((line.row, "; ".join(line.problems), message))
            else:
                found.three_phase += 1
    for cycle, fuel in sorted(pairs):
        group = fit_group(cycle, fuel, pairs[cycle, fuel], with_offset=with_offset)
        found.groups.append(group)
        if group.factor is not None:
            found.used += group.n
        else:
            found.refused += [
                (one.row, group.code, f"{cycle}, {fuel}: {REASONS[group.code]}.") for one in pairs[cycle, fuel]
            ]
    found.refused.sort()
    return found


@dataclass(frozen=True)
class _Line:
    """A row of the file: a pair, or refused for its ``problems``, or neither, for its CO2 is three-phase already."""

    row: int
    problems: tuple[str, ...] = ()
    co2_cycle: str = ""
    fuel: str = ""
    pair: Pair | None = None


def _lines(batch: tables.Batch, policy: Policy, columns: Sequence[Column]) -> Iterator[_Line]:
    """The rows of a batch. Fuel, three-phase cycles and zero tailpipes are told by the policy's own rules."""
    frame = batch.typed.with_columns(batch.refusal.alias(_REFUSAL))
    lacking = [column.name for column in policy.inputs if column.required and column.name not in frame.columns]
    frame = frame.with_columns(pl.lit(None).alias(name) for name in lacking)
    told = policy.table(("engine_fuel", "is_three_phase", "is_zero_tailpipe")).assess(frame, _REFUSAL)
    read = {column.name: column for column in columns}
    cells = frame.select(batch.row, "co2_g_per_km", "co2_cycle", OFFICIAL).iter_rows()
    for (row, *given), answer in zip(cells, told.iter_rows(named=True), strict=True):
        refused = answer["status"] == policy.definition.outcome.refused
        problems: list[str] = answer["reason"].split("; ") if refused else []
        co2, cycle, official = (
            _read(read[name], cell, problems)
            for name, cell in zip(("co2_g_per_km", "co2_cycle", OFFICIAL), given, strict=True)
        )
        if problems:
            yield _Line(row, tuple(dict.fromkeys(problems)))
        elif answer["is_three_phase"]:
            yield _Line(row)
        elif answer["is_zero_tailpipe"] or answer["engine_fuel"] in ("electricity", "hydrogen"):
            yield _Line(row, (f"zero_tailpipe:{'powertrain' if answer['is_zero_tailpipe'] else 'fuel'}",))
        else:
            fuel = answer["engine_fuel"]
            named = {"co2_g_per_km": co2, "co2_cycle": cycle, "fuel": fuel, OFFICIAL: official}
            problems += [f"missing:{name}" for name, value in named.items() if value is None]
            problems += [f"not_above_zero:{name}" for name, value in named.items() if value == 0]
            yield _Line(row, tuple(problems)) if problems else _Line(row, (), cycle, fuel, Pair(row, co2, official))


def _read(column: Column, cell: object, problems: list[str]) -> Any:
    """One cell as :meth:`Column.read` gives it; a refusal is added to ``problems``."""
    try:
        return column.read(cell)
    except Refused as refused:
        problems.append(refused.reason)
        return None


def _message(problem: str, table: tables.Table, cells: Mapping[str, object]) -> str:
    code, _, name = problem.partition(":")
    return f"{REASONS[code].format(name)}." if code in REASONS else table.explain(problem, cells)


def conversion_overlay(found: ConversionFit) -> str:
    """The fitted groups as an overlay of ``conversion_factor`` and ``conversion_offset``, graded L, from 1 April 2022."""
    factors: list[Record] = []
    offsets: list[Record] = []
    for group in found.fitted:
        place = {"co2_cycle": group.co2_cycle, "engine_fuel": group.fuel, "from": APPLIES_FROM}
        about = {
            "reference": {
                "title": f"fitted, not law: least squares over {group.n} pairs of {found.file.name}; residuals {group.rms} "
                f"g/km (root mean square), at most {group.largest} g/km (row {group.largest_row})"
            },
            "confidence": "L",
            "note": f"fitted to CO2 from {group.co2_from} to {group.co2_to} g/km",
        }
        factors.append({**place, "value": str(group.factor), **about})
        offsets.append({**place, "value": str(group.offset), **about})
    values = {"conversion_factor": factors, "conversion_offset": offsets}
    return overlay_text(found.file, f"conversion to 3P-WLTP, from {found.file.name}", values)
