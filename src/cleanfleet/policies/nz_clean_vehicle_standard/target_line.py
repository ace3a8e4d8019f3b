"""The target's slope and mean tare weight from a year's entries, as the regulator finds them: CO2 against tare weight."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import polars as pl

from cleanfleet import tables
from cleanfleet.law.columns import Refused
from cleanfleet.law.errors import InputError
from cleanfleet.law.policy import Policy
from cleanfleet.policies.nz_clean_vehicle_standard import fitting
from cleanfleet.policies.nz_clean_vehicle_standard.overlay_file import Record, overlay_text

#: Places at which CO2 is held, at which figures are shown unrounded, and of the published slope and mean tare weight.
GRAMS, SHOWN, SLOPE_PLACES, MEAN_PLACES = 4, 12, 4, 0
#: The rules that must be told for a vehicle to count.
NEEDED = ("exclusion_reason", "vehicle_type", "co2_3p_wltp", "fleet_condition")
_REFUSAL, _SEEN = "__refusal", "__seen"


@dataclass(frozen=True)
class Line:
    """The line of one type (and condition; '' = new and used together): CO2 [g/km] = slope × tare [kg] + intercept.

    ``mean_tare`` [kg] and ``mean_co2`` [g/km] are plain means over the ``n`` vehicles. ``slope`` is None where there is no
    line; then ``code`` and ``reason`` say why. All are exact.
    """

    vehicle_type: str
    condition: str
    n: int
    mean_tare: Fraction
    mean_co2: Fraction
    slope: Fraction | None = None
    code: str = ""
    reason: str = ""

    @property
    def published_slope(self) -> Decimal | None:
        """Half up at 4 decimals, g/km per kg."""
        return None if self.slope is None else fitting.half_up(self.slope, SLOPE_PLACES)

    @property
    def published_mean(self) -> Decimal:
        """Half up to whole kg."""
        return fitting.half_up(self.mean_tare, MEAN_PLACES)


@dataclass
class TargetLines:
    """What came of a file: ``rows`` = ``used`` + the rows in ``left_out`` (by status), whose reasons ``reasons`` counts.

    A row may have several reasons. ``entry_years`` counts the used vehicles by the year of their own date (None where they
    have none), ``bases`` by how their CO2 was found. ``types`` are the lines over new and used, ``conditions`` of each.
    """

    file: Path
    year: int
    rows: int = 0
    used: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    entry_years: Counter[int | None] = field(default_factory=Counter)
    bases: Counter[str] = field(default_factory=Counter)
    types: list[Line] = field(default_factory=list)
    conditions: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    overlays: tuple[str, ...] = ()


def line_of(vehicle_type: str, condition: str, sums: fitting.Sums) -> Line:
    """The least-squares line of CO2 [0.0001 g/km] on tare weight [kg]: slope = (n Σtc - Σt Σc) / (n Σt² - (Σt)²).

    Every vehicle counts once. Fewer than three vehicles, or one tare weight only, give no slope.
    """
    mean_tare, mean_co2 = Fraction(sums.x, sums.n), Fraction(sums.y, sums.n * 10**GRAMS)
    bare = Line(vehicle_type, condition, sums.n, mean_tare, mean_co2)
    try:
        slope, _ = fitting.line_of(sums)
    except fitting.NoFit as why:
        return dataclasses.replace(bare, code=why.code, reason=str(why))
    return dataclasses.replace(bare, slope=slope / 10**GRAMS)


def fit_target_lines(
    path: Path,
    policy: Policy,
    year: int,
    *,
    layout: tables.Layout | None = None,
    constants: Mapping[str, str] | None = None,
    on: dt.date | None = None,
) -> TargetLines:
    """The lines of the vehicles in ``path``, the entries that the target of obligation year ``year`` is drawn from.

    The file has the columns of an assessment. Those vehicles count that the policy finds inside its scope and whose type,
    condition, tare weight and three-phase CO2 are told; the others are counted by reason. Which years' entries are in the
    file is the user's business: no row is left out for its date. A row without a date is read as of ``on`` (default: the
    last day before ``year``), a date before the standard began as its first day, so that the scope can be told.

    Raises :class:`InputError` for a file that can't be used.
    """
    day_column = policy.definition.column("accepted_on")
    columns = [dataclasses.replace(c, required=False) if c is day_column else c for c in policy.inputs]
    table = tables.read(
        path, columns, layout=layout, constants=constants, zone=policy.definition.zone, unique=policy.definition.unique
    )
    found = TargetLines(path, year, notes=table.notes, overlays=tuple(one.title for one in policy.program.overlays))
    fallback = dt.date(year - 1, 12, 31) if on is None else on
    try:
        day_column.read(fallback)
    except Refused as refused:
        raise InputError(refused.message) from None
    start, _ = policy.value("standard_starts_on", on=fallback)
    fallback = max(fallback, start)
    names = _behind(policy)
    sums: dict[tuple[str, str], fitting.Sums] = {}
    undated = early = repeated = 0
    for batch in table.batches():
        frame = batch.typed.with_columns(batch.refusal.alias(_REFUSAL))
        if day_column.name not in frame.columns:
            frame = frame.with_columns(pl.lit(None, dtype=pl.Date).alias(day_column.name))
        day = pl.col(day_column.name)
        is_early = day.is_between(day_column.minimum, start, closed="left")
        frame = frame.with_columns(
            pl.when(is_early.fill_null(False)).then(pl.lit(start)).otherwise(day).fill_null(fallback).alias(day_column.name),
            day.dt.year().alias(_SEEN),
            (day.is_null() & pl.col(_REFUSAL).is_null()).alias("__undated"),
            is_early.fill_null(False).alias("__early"),
        )
        undated, early = undated + int(frame["__undated"].sum()), early + int(frame["__early"].sum())
        repeated += int(batch.flags.str.contains(tables.table.DUPLICATE_ROW).sum())
        _count(found, frame, policy, names, sums)
    if repeated:
        found.notes.append(f"{repeated:,} rows repeat an earlier one in every cell; each counts as a vehicle")
    if undated:
        found.notes.append(f"{undated:,} rows without a date are read as of {fallback}")
    if early:
        found.notes.append(f"{early:,} rows from before the standard began are read as of {start}")
    for type_, condition in sorted(sums):
        found.conditions.append(line_of(type_, condition, sums[type_, condition]))
    for type_ in sorted({key[0] for key in sums}):
        whole = sum((part for key, part in sums.items() if key[0] == type_), fitting.Sums())
        found.types.append(line_of(type_, "", whole))
    return found


def _count(
    found: TargetLines, frame: pl.DataFrame, policy: Policy, names: frozenset[str], sums: dict[tuple[str, str], fitting.Sums]
) -> None:
    """Count in one batch."""
    refused = policy.definition.outcome.refused
    given = frame.select(c.name for c in policy.inputs if c.name in frame.columns)
    told = policy.table(("exclusion_reason", "fleet_condition")).assess(given.hstack([frame[_REFUSAL]]), _REFUSAL)
    tare = frame["tare_kg"]
    tare = (tare.round() if tare.dtype.is_float() else tare).cast(pl.Int64, strict=False).alias("tare")
    whole = told.select(
        pl.col("status", "reason", "vehicle_type", "exclusion_reason", "fleet_condition", "co2_basis").cast(pl.String),
        (pl.col("co2_3p_wltp_g_per_km").cast(pl.Decimal(38, GRAMS)) * 10**GRAMS).cast(pl.Int64).alias("co2"),
    ).with_columns(frame[_SEEN], tare)
    counts = (
        (pl.col("status") != refused)
        & (pl.col("exclusion_reason") == "none")
        & pl.all_horizontal(pl.col("vehicle_type", "fleet_condition", "co2", "tare").is_not_null())
    ).fill_null(False)
    whole = whole.with_columns(counts.alias("counts"))
    used = whole.filter(pl.col("counts"))
    found.rows += whole.height
    found.used += used.height
    for year, rows in used[_SEEN].value_counts().iter_rows():
        found.entry_years[year] += rows
    for basis, rows in used["co2_basis"].value_counts().iter_rows():
        found.bases[basis] += rows
    # Whole numbers, well within 64 bits for a batch; batches are added up without bounds.
    parts = used.group_by("vehicle_type", "fleet_condition").agg(
        pl.len().cast(pl.Int64).alias("n"),
        pl.col("tare").sum().alias("x"),
        pl.col("co2").sum().alias("y"),
        (pl.col("tare") * pl.col("tare")).sum().alias("xx"),
        (pl.col("tare") * pl.col("co2")).sum().alias("xy"),
    )
    for type_, condition, *numbers in parts.iter_rows():
        sums[type_, condition] = sums.get((type_, condition), fitting.Sums()) + fitting.Sums(*numbers)
    _count_left_out(found, whole.filter(~pl.col("counts")), names, policy)


def _count_left_out(found: TargetLines, rest: pl.DataFrame, names: frozenset[str], policy: Policy) -> None:
    """Count the rows that aren't used by status and reason; of what is missing only that which the line needs."""
    undetermined = policy.definition.outcome.undetermined
    kinds = rest.group_by("status", "reason", pl.col("tare").is_null(), pl.col("fleet_condition").is_null()).agg(pl.len())
    for status, reason, no_tare, no_condition, rows in kinds.iter_rows():
        open_ = status in (undetermined, *policy.definition.outcome.answered)
        parts = [part for part in (reason or "").split("; ") if part]
        if open_:
            parts = [part for part in parts if part.removeprefix("missing:") in names]
            parts += ["missing:tare_kg"] * no_tare + ["missing:condition"] * no_condition
        found.left_out[undetermined if open_ else status] += rows
        for part in dict.fromkeys(parts):
            found.reasons[part] += rows


def _behind(policy: Policy) -> frozenset[str]:
    """The names of all rules, columns and values that a line needs of a vehicle."""
    graph = policy.graph()
    found: set[str] = {"tare_kg"}
    open_ = list(NEEDED)
    while open_:
        name = open_.pop()
        if name not in found:
            found.add(name)
            open_ += graph.get(name, ())
    return frozenset(found)


def years_of(found: TargetLines) -> str:
    """The years of entry seen, in words: '2024 (12), 2025 (340), no date (3)'."""
    order = sorted(found.entry_years.items(), key=lambda item: (item[0] is None, item[0] or 0))
    return ", ".join(f"{'no date' if year is None else year} ({rows:,})" for year, rows in order)


def target_overlay(found: TargetLines, lines: Sequence[Line]) -> str:
    """The lines that have a slope as an overlay of ``slope`` and ``mean_tare_kg`` for the obligation year, graded L."""
    slopes: list[Record] = []
    means: list[Record] = []
    under = f"; with the overlays: {', '.join(found.overlays)}" if found.overlays else ""
    for line in lines:
        if line.slope is None:
            continue
        place: Record = {"vehicle_type": line.vehicle_type, "obligation_year": str(found.year)}
        if line.condition:
            place["condition"] = line.condition
        about = {
            "reference": {
                "title": f"fitted, not law: least squares over {line.n} vehicles of {found.file.name} "
                f"({found.used} of {found.rows} rows; years of entry {years_of(found)}){under}"
            },
            "confidence": "L",
        }
        slope = fitting.half_up(line.slope, SHOWN)
        mean = fitting.half_up(line.mean_tare, SHOWN)
        slopes.append({**place, "value": str(line.published_slope), **about, "note": f"unrounded {slope}"})
        means.append({**place, "value": str(line.published_mean), **about, "note": f"unrounded {mean}"})
    what = f"target line of {found.year}, from {found.file.name}"
    return overlay_text(found.file, what, {"slope": slopes, "mean_tare_kg": means})
