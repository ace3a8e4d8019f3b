"""New Zealand's own commands: ``fit-conversion`` and ``target-line``. Options and printing; the work is done beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from cleanfleet import tables
from cleanfleet.cli import shared
from cleanfleet.law.columns import Column
from cleanfleet.law.errors import InputError
from cleanfleet.policies.nz_clean_vehicle_standard import conversion_fit, fitting, overlay_file, target_line

POLICY = "nz-clean-vehicle-standard"
#: Refused rows that the terminal shows; --json gives them all.
SHOWN = 10

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

File = Annotated[Path, typer.Argument(help="CSV, XLSX, Parquet or JSON lines.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the overlay; without it, it is printed.")]
Preset = Annotated[str | None, typer.Option("--preset", help="A known layout of columns, such as 'ademe'.")]
Columns = Annotated[Path | None, typer.Option("--columns", metavar="MAP.yaml", help="A mapping of columns.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="COLUMN=VALUE", help="A column that the file lacks. Repeatable.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace the file given with --out.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.command("fit-conversion")
def fit_conversion(
    file: File,
    out: Out = None,
    preset: Preset = None,
    columns: Columns = None,
    set_: Set = None,
    offset: Annotated[
        bool, typer.Option("--offset/--no-offset", help="Fit an offset too; without it the fit goes through the origin.")
    ] = False,
    force: Force = False,
    json_: Json = False,
) -> None:
    """Fit factors to 3P-WLTP to your own pairs of CO2 values, as an overlay.

    FILE has co2_g_per_km with co2_cycle, fuel (or a powertrain that tells it) and official_3p_wltp_g_per_km.
    One fit is made for each cycle and fuel. Use the overlay with --values; it marks what it is used for.
    """
    overlay_file.check_target(out, file, force=force)
    policy = shared.load(POLICY)
    found = conversion_fit.fit_conversion(
        file,
        policy,
        layout=_layout(preset, columns, conversion_fit.pair_columns(policy)),
        constants=_pairs(set_),
        with_offset=offset,
    )
    if not found.fitted:
        why = [f"{group.co2_cycle} {group.fuel}: {group.reason}" for group in found.groups]
        raise InputError("; ".join([f"{file}: no pairs could be fitted ({_counted(found)})", *why]))
    text = conversion_fit.conversion_overlay(found)
    overlay_file.check(policy, text)
    _finish(text, out, _conversion_json(found) if json_ else None, lambda to: _show_conversion(found, to))


def _counted(found: conversion_fit.ConversionFit) -> str:
    reasons = ", ".join(f"{reason} {rows:,}" for reason, rows in found.reasons.most_common(8))
    refused = f"{len(found.refused):,} refused" + (f" ({reasons})" if reasons else "")
    return f"{found.rows:,} rows = {found.used:,} used + {found.three_phase:,} three-phase already + {refused}"


def _show_conversion(found: conversion_fit.ConversionFit, to: Console) -> None:
    headings = [
        ("cycle", False), ("fuel", False), ("pairs", True), ("CO2 from g/km", True), ("to g/km", True), ("factor", True),
        ("offset g/km", True), ("residual RMS g/km", True), ("largest g/km", True), ("in row", True),
        ("no fit because", False),
    ]  # fmt: skip
    lines = [
        (g.co2_cycle, g.fuel, g.n, g.co2_from, g.co2_to, g.factor, g.offset, g.rms, g.largest, g.largest_row, g.reason)
        for g in found.groups
    ]
    to.print("[bold]3P-WLTP = factor x CO2 + offset[/]: fitted, not law", soft_wrap=True)
    to.print(shared.table("", headings, lines))
    to.print(_counted(found), markup=False, soft_wrap=True)
    for row, _, message in found.refused[:SHOWN]:
        to.print(f"row {row}: {message}", markup=False, soft_wrap=True)
    if len(found.refused) > SHOWN:
        to.print(f"... the first {SHOWN} of {len(found.refused):,} refused rows; --json gives them all")
    _notes(found.notes, to)


def _conversion_json(found: conversion_fit.ConversionFit) -> dict[str, Any]:
    return {
        "policy": POLICY,
        "file": str(found.file),
        "rows": found.rows,
        "used": found.used,
        "three_phase": found.three_phase,
        "refused": len(found.refused),
        "reasons": dict(found.reasons),
        "groups": [
            {
                "co2_cycle": group.co2_cycle,
                "fuel": group.fuel,
                "pairs": group.n,
                "co2_from_g_per_km": group.co2_from,
                "co2_to_g_per_km": group.co2_to,
                "conversion_factor": group.factor,
                "conversion_offset_g_per_km": group.offset,
                "rms_residual_g_per_km": group.rms,
                "largest_residual_g_per_km": group.largest,
                "largest_residual_row": group.largest_row,
                "reason": group.code or None,
                "message": group.reason or None,
            }
            for group in found.groups
        ],
        "refused_rows": [{"row": row, "reason": reason, "message": message} for row, reason, message in found.refused],
        "notes": found.notes,
    }


@app.command("target-line")
def target_line_(
    file: File,
    year: Annotated[int, typer.Option("--year", metavar="YEAR", help="The obligation year that the line is for.")],
    out: Out = None,
    by_condition: Annotated[
        bool, typer.Option("--by-condition", help="Give new and used vehicles lines of their own in the overlay.")
    ] = False,
    preset: Preset = None,
    columns: Columns = None,
    set_: Set = None,
    on: Annotated[
        str | None,
        typer.Option("--on", metavar="DATE", help="The date for rows without one; default: the last day before YEAR."),
    ] = None,
    known: Annotated[
        str | None, typer.Option("--known", metavar="DATE", help="Read the law as it was known on this day.")
    ] = None,
    values: Annotated[
        list[str] | None, typer.Option("--values", metavar="OVERLAY", help="An overlay to find CO2 with. Repeatable.")
    ] = None,
    force: Force = False,
    json_: Json = False,
) -> None:
    """Fit the target's slope and mean tare weight to a year's entries, as an overlay.

    FILE holds the vehicles that entered, as for 'assess'. Vehicles outside the standard, and those whose type or three-phase
    CO2 isn't determined, are left out and counted by reason.
    """
    overlay_file.check_target(out, file, force=force)
    policy = shared.load(POLICY, known=known, values=values or [])
    first, _ = policy.value("standard_starts_on", on=policy.known)
    last: Any = policy.definition.column("accepted_on").maximum
    if not first.year <= year <= last.year:
        raise InputError(f"--year: {year} is not an obligation year; allowed is a year from {first.year} to {last.year}")
    day = None if on is None else shared.date(on, "--on")
    found = target_line.fit_target_lines(
        file, policy, year, layout=_layout(preset, columns, policy.inputs), constants=_pairs(set_), on=day
    )
    chosen = found.conditions if by_condition else found.types
    if not any(line.slope is not None for line in chosen):
        why = [f"Type {line.vehicle_type} {line.condition}".strip() + f": {line.reason}" for line in chosen]
        why += [f"{reason} {rows:,}" for reason, rows in found.reasons.most_common(8)]
        raise InputError("; ".join([f"{file}: no line could be fitted ({_balance(found)})", *why]))
    text = target_line.target_overlay(found, chosen)
    overlay_file.check(policy, text, values or [])
    _finish(text, out, _lines_json(found) if json_ else None, lambda to: _show_lines(found, to))


def _balance(found: target_line.TargetLines) -> str:
    left = "".join(f" + {rows:,} {status.replace('_', ' ')}" for status, rows in sorted(found.left_out.items()))
    return f"{found.rows:,} rows = {found.used:,} used{left}"


def _show_lines(found: target_line.TargetLines, to: Console) -> None:
    headings = [
        ("type", False), ("condition", False), ("vehicles", True), ("mean tare kg", True), ("published kg", True),
        ("mean CO2 g/km", True), ("slope g/km per kg", True), ("published slope", True), ("no line because", False),
    ]  # fmt: skip
    lines = [
        (
            line.vehicle_type, line.condition or "new and used", line.n, _long(line.mean_tare), line.published_mean,
            _long(line.mean_co2), None if line.slope is None else _long(line.slope), line.published_slope, line.reason,
        )
        for line in [*found.types, *found.conditions]
    ]  # fmt: skip
    to.print(f"[bold]Target line of {found.year}[/], CO2 against tare weight: fitted, not law", soft_wrap=True)
    to.print(shared.table("", headings, lines))
    to.print(_balance(found), markup=False, soft_wrap=True)
    to.print(f"years of entry: {target_line.years_of(found)}", markup=False, soft_wrap=True)
    bases = ", ".join(f"{basis} ({rows:,})" for basis, rows in found.bases.most_common())
    to.print(f"CO2 found by: {bases}", markup=False, soft_wrap=True)
    if found.reasons:
        to.print(shared.table("", [("left out because", False), ("rows", True)], found.reasons.most_common(20)))
    _notes(found.notes, to)


def _long(number: Any) -> Any:
    return fitting.half_up(number, target_line.SHOWN)


def _lines_json(found: target_line.TargetLines) -> dict[str, Any]:
    return {
        "policy": POLICY,
        "file": str(found.file),
        "year": found.year,
        "rows": found.rows,
        "used": found.used,
        "left_out": dict(found.left_out),
        "reasons": dict(found.reasons),
        "entry_years": {"no date" if seen is None else seen: rows for seen, rows in found.entry_years.items()},
        "co2_bases": dict(found.bases),
        "overlays": list(found.overlays),
        "lines": [
            {
                "vehicle_type": line.vehicle_type,
                "condition": line.condition or None,
                "vehicles": line.n,
                "mean_tare_kg": _long(line.mean_tare),
                "mean_tare_kg_published": line.published_mean,
                "mean_co2_g_per_km": _long(line.mean_co2),
                "slope_g_per_km_per_kg": None if line.slope is None else _long(line.slope),
                "slope_published": line.published_slope,
                "reason": line.code or None,
                "message": line.reason or None,
            }
            for line in [*found.types, *found.conditions]
        ],
        "notes": found.notes,
    }


def _layout(preset: str | None, mapping: Path | None, columns: Any) -> tables.Layout | None:
    if preset and mapping:
        raise InputError("--preset and --columns exclude each other")
    known: list[Column] = list(columns)
    return tables.load_layout(preset, mapping, known) if preset or mapping else None


def _pairs(texts: list[str] | None) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise InputError(f"--set: {text!r} is not COLUMN=VALUE")
        found[name.strip()] = value.strip()
    return found


def _notes(notes: list[str], to: Console) -> None:
    for note in notes:
        to.print(f"note: {note}", markup=False, soft_wrap=True)


def _finish(text: str, out: Path | None, content: dict[str, Any] | None, show: Any) -> None:
    """Save the overlay, or print it: then what else there is to say goes to standard error, or all of it into the JSON."""
    if out is not None:
        overlay_file.save(out, text)
    if content is not None:
        print(shared.dump({**content, "overlay": text, "written": [] if out is None else [str(out)]}))
    elif out is not None:
        to = shared.console()
        show(to)
        to.print(f"written: {out}", markup=False, soft_wrap=True)
        to.print(f"use it: cleanfleet assess FILE -p {POLICY} --values {out}", markup=False, soft_wrap=True)
    else:
        err = Console(stderr=True, highlight=False)
        show(err if err.is_terminal else Console(stderr=True, highlight=False, width=200))
        print(text, end="")
