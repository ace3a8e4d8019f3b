"""Peru's own commands: ``fuel-map`` and ``fuel-limits``. Options and printing; the work is done in ``limits``."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.console import Console

from cleanfleet import charts
from cleanfleet.cli import shared
from cleanfleet.law.errors import InputError
from cleanfleet.law.policy import Policy
from cleanfleet.policies.pe_fuel_quality import limits
from cleanfleet.tables import writer

POLICY = "pe-fuel-quality"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Fuel(StrEnum):
    diesel = "diesel"
    regular = "regular"
    premium = "premium"


class Stage(StrEnum):
    wholesale = "wholesale"
    retail = "retail"


Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Draw the picture (SVG or PNG).")]
TableOut = Annotated[
    Path | None, typer.Option("--table", metavar="FILE", help="Write the table (CSV, XLSX, Parquet or JSON lines).")
]
StageOption = Annotated[Stage, typer.Option("--stage", help="Whose dates: wholesale or filling stations.")]
Known = Annotated[str | None, typer.Option("--known", metavar="DATE", help="Read the law as it was known on this day.")]
Values = Annotated[
    list[str] | None, typer.Option("--values", metavar="OVERLAY", help="An overlay: its name, or a YAML file. Repeatable.")
]
Lang = Annotated[str | None, typer.Option("--lang", metavar="LANGUAGE", help="Language of names and headings: en or es.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.command("fuel-map")
def fuel_map(
    on: Annotated[str | None, typer.Option("--on", metavar="DATE", help="The day; today where it is left out.")] = None,
    fuel: Annotated[
        Fuel, typer.Option("--fuel", help="diesel; regular (84, 90, Regular); premium (95, 97, 98).")
    ] = Fuel.diesel,
    stage: StageOption = Stage.retail,
    out: Out = None,
    table: TableOut = None,
    known: Known = None,
    values: Values = None,
    lang: Lang = None,
    json_: Json = False,
) -> None:
    """Draw the sulfur limit of each department on a day, as a tile map with its table."""
    policy = _policy(known, values, lang, out, table)
    day = policy.known if on is None else shared.date(on, "--on")
    rows = limits.limits_on(policy, day, fuel=fuel.value, stage=stage.value)
    if out is not None:
        charts.draw(limits.map_spec(policy, rows, day, fuel=fuel.value), out)
    shown = rows.drop("colour")
    _finish(
        policy,
        shown,
        out,
        table,
        as_json=json_,
        title=limits.said(policy, "map", on=day, fuel=limits.said(policy, fuel.value)),
    )


@app.command("fuel-limits")
def fuel_limits(
    stage: StageOption = Stage.retail,
    out: Out = None,
    table: TableOut = None,
    known: Known = None,
    values: Values = None,
    lang: Lang = None,
    json_: Json = False,
) -> None:
    """Draw the sulfur limits over time, by fuel and department, with their table."""
    policy = _policy(known, values, lang, out, table)
    rows = limits.timelines(policy, stage=stage.value)
    if out is not None:
        charts.draw(limits.timeline_spec(policy, rows, stage=stage.value), out)
    _finish(policy, rows, out, table, as_json=json_, title=limits.said(policy, "time"))


def _policy(known: str | None, values: list[str] | None, lang: str | None, out: Path | None, table: Path | None) -> Policy:
    if out is not None:
        charts.check_target(out)
        if table is not None and out.resolve() == table.resolve():
            raise InputError(f"--table: {table} is --out too; name another file")
    return shared.load(POLICY, known=known, values=values or [], language=lang)


def _finish(policy: Policy, rows: pl.DataFrame, out: Path | None, table: Path | None, *, as_json: bool, title: str) -> None:
    written = [path for path in (out, table) if path is not None]
    if table is not None:
        with writer(table) as sink:
            sink.write(rows)
    if as_json:
        content: dict[str, Any] = {"policy": policy.id, "known": policy.known, "values_digest": policy.digest}
        print(shared.dump({**content, "rows": rows.rows(named=True), "written": [str(path) for path in written]}))
        return
    to: Console = shared.console()
    shown = rows.with_columns(
        pl.col("kind").map_elements(lambda kind: limits.kind_said(policy, kind), return_dtype=pl.String)
    )
    headings = [(name.replace("_", " "), dtype.is_numeric()) for name, dtype in shown.schema.items()]
    cells = [["" if isinstance(cell, str) and cell == "none" else _plain(cell) for cell in row] for row in shown.rows()]
    to.print(f"[bold]{title}[/], {limits.said(policy, 'known', known=policy.known)}, mg/kg", soft_wrap=True)
    shared.show(to, shared.table("", headings, cells))
    for path in written:
        to.print(policy.texts.say("written: {path}", path=path), markup=False, soft_wrap=True)


def _plain(cell: Any) -> Any:
    return cell.isoformat() if isinstance(cell, dt.date) else cell
