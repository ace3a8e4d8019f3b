"""China's own commands: ``dual-credit report`` and ``dual-credit plan``. Options and printing; the work is done beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import polars as pl
import typer

from cleanfleet import tables
from cleanfleet.cli import shared
from cleanfleet.law.errors import InputError
from cleanfleet.law.policy import Policy
from cleanfleet.policies.cn_dual_credit import inputs, report
from cleanfleet.policies.cn_dual_credit.history import History, Result
from cleanfleet.policies.cn_dual_credit.planner import WAYS, LeastCost, least_cost
from cleanfleet.tables.assess_file import Outcome, assess_file

POLICY = "cn-dual-credit"
#: Vehicles up to which a report lists each one.
LISTED = 100_000

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
group = typer.Typer(no_args_is_help=True, help="Company balances, the bank of credits and least-cost plans (China).")
app.add_typer(group, name="dual-credit")


@app.callback()
def _commands() -> None:
    pass


File = Annotated[Path, typer.Argument(help="Vehicle variants or published company lines: CSV, XLSX, Parquet or JSON lines.")]
Columns = Annotated[Path | None, typer.Option("--columns", metavar="MAP.yaml", help="A mapping of columns.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="COLUMN=VALUE", help="A column that the file lacks. Repeatable.")
]
Known = Annotated[str | None, typer.Option("--known", metavar="DATE", help="Read the law as it was known on this day.")]
Values = Annotated[list[str] | None, typer.Option("--values", metavar="OVERLAY", help="An overlay. Repeatable.")]
Reading = Annotated[list[str] | None, typer.Option("--reading", metavar="NAME=CHOICE", help="Another reading of the law.")]
Grade = Annotated[str | None, typer.Option("--min-grade", metavar="GRADE", help="Leave out values graded worse.")]
Owners = Annotated[
    Path | None,
    typer.Option(
        "--ownership", metavar="FILE", help="Holdings, roles, authorisations: holder, relation, held, share_percent."
    ),
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Write the report (XLSX, PDF; CSV and others: one table).")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@group.command("report")
def report_command(
    file: File,
    events: Annotated[
        Path | None,
        typer.Option(
            "--events", metavar="FILE", help="What companies chose: entity, year, kind, event, amount, counterparty."
        ),
    ] = None,
    ownership: Owners = None,
    bank: Annotated[
        bool, typer.Option("--bank", help="Run the bank over the years of the file (implied by --events).")
    ] = False,
    settle: Annotated[
        str, typer.Option(help="Deficits that no event meets: own (met with own credits, the oldest first) or none.")
    ] = "own",
    supply_demand: Annotated[
        list[str] | None,
        typer.Option("--supply-demand", metavar="YEAR=RATIO", help="NEV credits for sale over deficits (credit pool)."),
    ] = None,
    columns: Columns = None,
    set_: Set = None,
    known: Known = None,
    values: Values = None,
    reading: Reading = None,
    min_grade: Grade = None,
    out: Out = None,
    json_: Json = False,
) -> None:
    """Each company's year: NEV and CAFC targets, actual values and balances, and the ways to meet each deficit.

    A published company line (entity, year, volume, cafc_target, cafc_actual) stands for its vehicles.
    """
    if settle not in ("own", "none"):
        raise InputError(f"--settle: {settle!r} is not own or none")
    policy = _policy(known, values, reading, min_grade)
    _check_out(out, file, events, ownership)
    owners = inputs.read_ownership(ownership) if ownership is not None else None
    chosen = inputs.read_events(events) if events is not None else []
    outcome, summary = _assessed(file, policy, columns, set_, rows=LISTED if out is not None else 0)
    companies = summary.years()
    history = History(
        policy, companies, chosen, ownership=owners, settle=cast(Literal["own", "none"], settle),
        supply_demand=_numbers(supply_demand, "--supply-demand", Fraction),
    )  # fmt: skip
    banked = bank or events is not None
    result = history.run() if banked else history.options_only()
    frame = summary.frame()
    if out is not None:
        report.write(out, policy, outcome, frame, result, banked=banked)
    if json_:
        print(shared.dump(_report_json(policy, outcome, frame, result, banked, out)))
    else:
        _show_report(policy, outcome, frame, result, banked, out)


@group.command("plan")
def plan_command(
    file: File,
    price: Annotated[
        list[str] | None, typer.Option("--price", metavar="YEAR=RMB", help="Price of one NEV credit. Repeatable.")
    ] = None,
    supply: Annotated[
        list[str] | None, typer.Option("--supply", metavar="YEAR=CREDITS", help="How many can be bought. Repeatable.")
    ] = None,
    opening: Annotated[
        Path | None,
        typer.Option("--opening", metavar="FILE", help="Credits held at the start: entity, kind, vintage, amount."),
    ] = None,
    ownership: Owners = None,
    trade_within: Annotated[
        bool,
        typer.Option("--trade-within/--no-trade-within", help="Companies of the file may buy each other's NEV credits."),
    ] = True,
    columns: Columns = None,
    set_: Set = None,
    known: Known = None,
    values: Values = None,
    reading: Reading = None,
    min_grade: Grade = None,
    out: Out = None,
    json_: Json = False,
) -> None:
    """The cheapest way to clear the deficits of the companies in FILE, over its years, at the prices given.

    Prices are used for this call only and kept nowhere.
    """
    policy = _policy(known, values, reading, min_grade)
    _check_out(out, file, opening, ownership)
    if out is not None and out.suffix.lower() == ".pdf":
        raise InputError(f"{out}: a plan is written as XLSX, CSV, Parquet or JSON lines")
    owners = inputs.read_ownership(ownership) if ownership is not None else None
    _, summary = _assessed(file, policy, columns, set_, rows=0)
    found = least_cost(
        policy, summary.years(), prices=_numbers(price, "--price", Decimal), ownership=owners,
        supply=_numbers(supply, "--supply", int), opening=inputs.read_opening(opening) if opening is not None else [],
        trade_within=trade_within,
    )  # fmt: skip
    if out is not None:
        with tables.writer(out) as sink:
            sink.write(_steps(found))
    if json_:
        print(shared.dump(_plan_json(policy, found, out)))
    else:
        _show_plan(policy, found, out)


def _policy(known: str | None, values: list[str] | None, reading: list[str] | None, min_grade: str | None) -> Policy:
    readings = _pairs(reading, "--reading")
    return shared.load(POLICY, known=known, values=values or [], readings=readings, min_grade=min_grade)


def _assessed(file: Path, policy: Policy, columns: Path | None, set_: list[str] | None, *, rows: int) -> tuple[Outcome, Any]:
    """The file through the rules, and the summary that holds its companies."""
    layout = tables.load_layout(None, columns, policy.inputs) if columns is not None else None
    outcome = assess_file(file, policy, layout=layout, constants=_pairs(set_, "--set"), summarise=True, preview_rows=rows)
    return outcome, outcome.summed


def _pairs(texts: list[str] | None, option: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise InputError(f"{option}: {text!r} is not NAME=VALUE")
        found[name.strip()] = value.strip()
    return found


def _numbers(texts: list[str] | None, option: str, kind: Any) -> dict[int, Any]:
    """YEAR=NUMBER, repeated."""
    found: dict[int, Any] = {}
    for year, text in _pairs(texts, option).items():
        try:
            found[int(year)] = kind(text)
        except (ValueError, InvalidOperation, ZeroDivisionError):
            raise InputError(f"{option}: {year}={text} is not a year and a number, such as 2024=1200") from None
        if found[int(year)] < 0 or not 2001 <= int(year) <= 2099:
            raise InputError(f"{option}: {year}={text}: the year must be from 2001 to 2099, the number 0 or more")
    return found


def _check_out(out: Path | None, *others: Path | None) -> None:
    if out is None:
        return
    if not out.absolute().parent.is_dir():
        raise InputError(f"--out: the folder of {out} does not exist")
    if out.resolve() in {other.resolve() for other in others if other is not None}:
        raise InputError(f"--out: {out} is read too; name another file")
    if out.suffix.lower() == ".pdf":
        report.check_pdf()


def _report_json(
    policy: Policy, outcome: Outcome, frame: pl.DataFrame, result: Result, banked: bool, out: Path | None
) -> dict[str, Any]:
    content: dict[str, Any] = {
        "policy": policy.id,
        "known": policy.known,
        "values_digest": policy.digest,
        "readings": dict(policy.program.readings),
        "overlays": [overlay.id for overlay in policy.program.overlays],
        "rows": outcome.rows,
        "statuses": dict(outcome.statuses),
        "reasons": dict(outcome.reasons),
        "companies": frame.rows(named=True),
        "ways": [dataclasses.asdict(option) for option in result.options],
        "notes": outcome.notes,
        "written": [] if out is None else [str(out)],
    }
    if banked:
        content["statement"] = [dataclasses.asdict(event) for event in result.statement]
        content["positions"] = [dataclasses.asdict(position) for position in result.positions]
        content["uncovered"] = [dataclasses.asdict(event) for event in result.uncovered]
        content["not_determined"] = result.not_determined
    return content


SHOWN = (
    "entity", "year", "status", "volume", "conventional_volume", "nev_target", "nev_actual", "nev_balance", "cafc_target",
    "cafc_actual", "cafc_balance", "cafc_difference", "nev_difference", "reason",
)  # fmt: skip


def _show_report(
    policy: Policy, outcome: Outcome, frame: pl.DataFrame, result: Result, banked: bool, out: Path | None
) -> None:
    to = shared.console()
    to.print(f"[bold]{policy.title}[/], law as known on {policy.known}, values {policy.digest}", soft_wrap=True)
    shown = frame.select(name for name in SHOWN if frame[name].null_count() < frame.height or name in ("entity", "status"))
    shared.show(to, _table("companies", shown))
    if result.options:
        ways = pl.DataFrame([dataclasses.asdict(option) for option in result.options], infer_schema_length=None)
        shared.show(to, _table("ways to meet each deficit, each by itself", ways))
    if banked:
        positions = pl.DataFrame([dataclasses.asdict(position) for position in result.positions], infer_schema_length=None)
        if positions.height:
            shared.show(to, _table("positions at the end of each year", positions))
        for event in result.uncovered:
            to.print(
                f"uncovered: {event.entity}, {event.kind} deficit of {event.deficit_year}: {event.amount:,}; {event.note}.",
                markup=False, soft_wrap=True,
            )  # fmt: skip
        for line in result.not_determined:
            to.print(f"not determined: {line}", markup=False, soft_wrap=True)
    parts = [f"{rows:,} {status.replace('_', ' ')}" for status, rows in sorted(outcome.statuses.items())]
    to.print(f"{outcome.rows:,} rows = {' + '.join(parts)}", markup=False, soft_wrap=True)
    doubtful = sorted(
        {flag for flags in frame["flags"].drop_nulls() for flag in flags.split("; ") if flag[:9] == "doubtful:"}
    )
    if doubtful:
        to.print(f"doubtful (inferred or recalled): {', '.join(f[9:] for f in doubtful)}. See --min-grade.", soft_wrap=True)
    for note in outcome.notes:
        to.print(f"note: {note}", markup=False, soft_wrap=True)
    if out is not None:
        to.print(f"written: {out}", markup=False, soft_wrap=True)


def _table(title: str, frame: pl.DataFrame) -> Any:
    headings = [(name.replace("_", " "), dtype.is_numeric() and name != "year") for name, dtype in frame.schema.items()]
    return shared.table(title, headings, frame.rows(), narrow=["entity", "status", "year", "way"])


STEPS: dict[str, pl.DataType | type[pl.DataType]] = {
    "year": pl.Int64, "entity": pl.String, "deficit": pl.String, "deficit_year": pl.Int64, "way": pl.String, "amount": pl.Int64,
    "giver": pl.String, "vintage": pl.Int64, "cost": pl.Decimal(18, 2),
}  # fmt: skip


def _steps(found: LeastCost) -> pl.DataFrame:
    return pl.DataFrame([dataclasses.asdict(step) for step in found.steps], schema=STEPS)


def _plan_json(policy: Policy, found: LeastCost, out: Path | None) -> dict[str, Any]:
    return {
        "policy": policy.id,
        "known": policy.known,
        "values_digest": policy.digest,
        "steps": [dataclasses.asdict(step) for step in found.steps],
        "cost_rmb": found.cost,
        "gap_rmb": found.gap,
        "uncovered": [
            {"entity": entity, "kind": kind, "deficit_year": year, "amount": amount}
            for (entity, kind, year), amount in sorted(found.uncovered.items())
        ],
        "consequence": found.consequence or None,
        "not_determined": found.not_determined,
        "written": [] if out is None else [str(out)],
    }


def _show_plan(policy: Policy, found: LeastCost, out: Path | None) -> None:
    to = shared.console()
    to.print(f"[bold]{policy.title}[/], law as known on {policy.known}, values {policy.digest}", soft_wrap=True)
    steps: Mapping[str, Any] = {step.way: WAYS[step.way] for step in found.steps}
    if found.steps:
        shared.show(to, _table("least-cost plan", _steps(found)))
    for way, words in steps.items():
        to.print(f"{way}: {words}", markup=False, soft_wrap=True)
    to.print(f"cost {found.cost:,} RMB; no plan is cheaper by more than {found.gap:,} RMB", markup=False, soft_wrap=True)
    for (entity, kind, year), amount in sorted(found.uncovered.items()):
        to.print(f"uncovered: {entity}, {kind} deficit of {year}: {amount:,}", markup=False, soft_wrap=True)
    if found.consequence:
        to.print(f"consequence: {found.consequence}.", markup=False, soft_wrap=True)
    for line in found.not_determined:
        to.print(f"not determined: {line}", markup=False, soft_wrap=True)
    if out is not None:
        to.print(f"written: {out}", markup=False, soft_wrap=True)
