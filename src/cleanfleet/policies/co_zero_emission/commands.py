"""Colombia's own commands: ``zev-report``, ``zev-plan`` and ``zev-path``. Options and printing; the work is done beside it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from cleanfleet import charts, tables
from cleanfleet.cli import shared
from cleanfleet.law.columns import Refused
from cleanfleet.law.errors import InputError, near
from cleanfleet.law.policy import Policy
from cleanfleet.policies.co_zero_emission import bus_path
from cleanfleet.tables.assess_file import Outcome, assess_file

POLICY = "co-zero-emission"
#: Refused rows that the terminal shows; --refused FILE of 'assess' writes them all.
SHOWN = 10

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

Known = Annotated[str | None, typer.Option("--known", metavar="DATE", help="Read the law as it was known on this day.")]
Values = Annotated[list[str] | None, typer.Option("--values", metavar="OVERLAY", help="An overlay. Repeatable.")]
Reading = Annotated[
    list[str] | None, typer.Option("--reading", metavar="NAME=CHOICE", help="A reading other than the default.")
]
Grade = Annotated[str | None, typer.Option("--min-grade", metavar="GRADE", help="Leave out values graded worse.")]
Columns = Annotated[Path | None, typer.Option("--columns", metavar="MAP.yaml", help="A mapping of columns.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="COLUMN=VALUE", help="A column that the file lacks. Repeatable.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.command("zev-report")
def zev_report(
    file: Annotated[Path, typer.Argument(help="Plans, charging stations, car parks: CSV, XLSX, Parquet or JSON lines.")],
    entity: Annotated[str | None, typer.Option("--entity", metavar="NAME", help="Only this entity.")] = None,
    municipality: Annotated[
        str | None, typer.Option("--municipality", metavar="NAME", help="Only this municipality.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the table of duties.")] = None,
    chart: Annotated[
        Path | None, typer.Option("--chart", metavar="FILE", help="Draw the bus path with the plans (SVG or PNG).")
    ] = None,
    columns: Columns = None,
    set_: Set = None,
    known: Known = None,
    values: Values = None,
    reading: Reading = None,
    min_grade: Grade = None,
    json_: Json = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 where a duty is not met or not determined.")] = False,
) -> None:
    """All duties at once, for each entity, municipality and year: met or not, by how much, what would meet it.

    FILE holds purchase plans, charging stations and car parks, as for 'assess'. Rows of one entity and year are summed.
    """
    _different(file, out, chart)
    policy = _policy(known, values, reading, min_grade)
    if chart is not None:
        charts.check_target(chart)
    outcome = assess_file(
        file, policy, layout=_layout(columns, policy), constants=_pairs(set_, "--set"), summarise=True,
    )  # fmt: skip
    duties = _chosen(outcome, policy, entity, municipality)
    if chart is not None:
        bus_path.draw(policy, duties, chart)
    if out is not None:
        with tables.writer(out) as sink:
            sink.write(duties)
    written = [path for path in (out, chart) if path is not None]
    if json_:
        print(
            shared.dump({**_about(outcome), "duties": duties.rows(named=True), "written": [str(path) for path in written]})
        )
    else:
        _show(outcome, duties, written)
    if strict and duties.filter(pl.col("status").is_in(["not_met", "not_determined"])).height:
        raise typer.Exit(1)


@app.command("zev-plan")
def zev_plan(
    acquired: Annotated[int, typer.Option("--acquired", metavar="N", help="Vehicles acquired in a year.")],
    zero_emission: Annotated[
        int | None, typer.Option("--zero-emission", metavar="N", help="How many of them are zero-emission.")
    ] = None,
    entity_kind: Annotated[str, typer.Option("--entity-kind", metavar="KIND", help="Who acquires them.")] = "mass_transit",
    years: Annotated[str, typer.Option("--years", metavar="FIRST-LAST", help="The years.")] = "2025-2035",
    known: Known = None,
    values: Values = None,
    reading: Reading = None,
    min_grade: Grade = None,
    json_: Json = False,
) -> None:
    """What purchases of a given size owe, year by year, under Law 1964 and the laws beside it."""
    policy = _policy(known, values, reading, min_grade)
    kind = _cell(policy, "entity_kind", entity_kind, "--entity-kind")
    found = re.fullmatch(r"(\d{4})(?:-(\d{4}))?", years.strip())
    if not found:
        raise InputError(f"--years: {years!r} is not a year or FIRST-LAST, such as 2025-2035")
    first, last = int(found[1]), int(found[2] or found[1])
    for year in (first, last):
        _cell(policy, "year", str(year), "--years")
    if last < first:
        raise InputError(f"--years: {years!r} ends before it begins")
    _cell(policy, "vehicles_acquired", str(acquired), "--acquired")
    if zero_emission is not None:
        _cell(policy, "zero_emission_acquired", str(zero_emission), "--zero-emission")
        if zero_emission > acquired:
            raise InputError(f"--zero-emission: {zero_emission} is more than the {acquired} vehicles acquired")
    rows = bus_path.owed(policy, kind, acquired, zero_emission, first, last)
    if json_:
        print(shared.dump({"policy": POLICY, "known": policy.known, "values_digest": policy.digest, "entity_kind": kind,
                           "vehicles_acquired": acquired, "zero_emission_acquired": zero_emission, "years": rows}))  # fmt: skip
        return
    out = shared.console()
    out.print(
        f"[bold]{acquired} vehicles a year[/], {policy.definition.column('entity_kind').choices[kind]}", soft_wrap=True
    )
    names = [name for name in rows[0] if name not in ("flags",) and any(row[name] is not None for row in rows)]
    titles = {"required": "zero emission (art. 8)", "gas": "gas (Law 2128)", "needed": "zero emission (all duties)"}
    numbers = {"year", "required_share", "required", "gas", "needed", "shortfall", "extra"}
    headings = [(titles.get(name, name.replace("_", " ")), name in numbers) for name in names]
    lines = [tuple(row[name] for name in names) for row in rows]
    shared.show(out, shared.table("", headings, lines))
    doubtful = {flag[9:] for row in rows for flag in (row["flags"] or "").split("; ") if flag.startswith("doubtful:")}
    if doubtful:
        out.print(
            f"doubtful: used though recalled or inferred; {', '.join(sorted(doubtful))}. See --min-grade.", soft_wrap=True
        )


@app.command("zev-path")
def zev_path(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The picture (SVG or PNG).")],
    file: Annotated[Path | None, typer.Argument(help="Purchase plans to draw in, as for 'assess'.")] = None,
    columns: Columns = None,
    set_: Set = None,
    known: Known = None,
    values: Values = None,
    min_grade: Grade = None,
) -> None:
    """Draw the least zero-emission share of mass-transit acquisitions over the years, with plans drawn in."""
    charts.check_target(out)
    _different(file, out)
    policy = _policy(known, values, None, min_grade)
    duties = None
    if file is not None:
        outcome = assess_file(file, policy, layout=_layout(columns, policy), constants=_pairs(set_, "--set"), summarise=True)
        duties = outcome.summary
    bus_path.draw(policy, duties, out)
    shared.console().print(f"written: {out}", markup=False, soft_wrap=True)


def _policy(known: str | None, values: list[str] | None, reading: list[str] | None, min_grade: str | None) -> Policy:
    return shared.load(POLICY, known=known, values=values or [], readings=_pairs(reading, "--reading"), min_grade=min_grade)


def _cell(policy: Policy, column: str, text: str, option: str) -> Any:
    try:
        return policy.definition.column(column).read(text)
    except Refused as refused:
        raise InputError(f"{option}: {refused.message}") from None


def _chosen(outcome: Outcome, policy: Policy, entity: str | None, municipality: str | None) -> pl.DataFrame:
    """The table of duties, of one entity or municipality where asked for; raises :class:`InputError` where there is none."""
    duties = outcome.summary
    assert duties is not None
    if entity is not None:
        known = duties["entity"].drop_nulls().unique().sort().to_list()
        duties = duties.filter(pl.col("entity") == entity)
        if not duties.height:
            raise InputError(f"--entity: the file has no duty of {entity!r}; {near(entity, known or ['none'])}")
    if municipality is not None:
        duties = duties.filter(pl.col("municipality") == _cell(policy, "municipality", municipality, "--municipality"))
        if not duties.height:
            raise InputError(f"--municipality: the file has no duty of {municipality!r}")
    return duties


def _about(outcome: Outcome) -> dict[str, Any]:
    policy = outcome.policy
    return {
        "policy": policy.id, "known": policy.known, "values_digest": policy.digest,
        "overlays": [overlay.id for overlay in policy.program.overlays], "readings": dict(policy.program.readings),
        "rows": outcome.rows, "statuses": dict(outcome.statuses), "reasons": dict(outcome.reasons), "notes": outcome.notes,
    }  # fmt: skip


def _show(outcome: Outcome, duties: pl.DataFrame, written: list[Path]) -> None:
    out, policy = shared.console(), outcome.policy
    out.print(f"[bold]{policy.title}[/], law as known on {policy.known}, values {policy.digest}", soft_wrap=True)
    shown = duties.drop("flags").select(
        name
        for name in duties.columns
        if name != "flags" and (duties[name].null_count() < duties.height or not duties.height)
    )
    shown = shown.with_columns(pl.col("status", "duty").str.replace_all("_", " "))
    headings = [(name.replace("_", " "), dtype.is_numeric()) for name, dtype in shown.schema.items()]
    shared.show(out, shared.table("", headings, shown.rows(), narrow=["entity", "status", "duty", "municipality"]))
    counts = duties["status"].value_counts().sort("status").rows()
    told = ", ".join(f"{rows} {status.replace('_', ' ')}" for status, rows in counts) or "none: the file has only vehicles"
    out.print(f"[bold]duties[/]: {told}", soft_wrap=True)
    parts = [f"{rows:,} {status.replace('_', ' ')}" for status, rows in sorted(outcome.statuses.items())]
    out.print(f"{outcome.rows:,} rows = {' + '.join(parts)}", soft_wrap=True)
    marks = {mark for flags in duties["flags"].drop_nulls() for mark in flags.split("; ")}
    if marks:
        out.print(f"marks: {', '.join(sorted(marks))}", markup=False, soft_wrap=True)
    for note in outcome.notes:
        out.print(f"note: {note}", markup=False, soft_wrap=True)
    for path in written:
        out.print(f"written: {path}", markup=False, soft_wrap=True)


def _different(*paths: Path | None) -> None:
    given = [path.resolve() for path in paths if path is not None]
    if len(set(given)) < len(given):
        raise InputError("the file that is read and those that are written must be different files")


def _layout(mapping: Path | None, policy: Policy) -> tables.Layout | None:
    return tables.load_layout(None, mapping, policy.inputs) if mapping else None


def _pairs(texts: list[str] | None, option: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise InputError(f"{option}: {text!r} is not NAME=VALUE")
        found[name.strip()] = value.strip()
    return found
