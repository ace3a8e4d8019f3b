"""``cleanfleet assess``."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import polars as pl
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from cleanfleet import tables
from cleanfleet.law.columns import Refused
from cleanfleet.law.errors import InputError
from cleanfleet.law.policy import Policy
from cleanfleet.tables.assess_file import Engine, Outcome, assess_file

from .shared import console, date, dump, load, show, table

#: Rows that the terminal shows, and rows up to which --json holds them all.
SHOWN, JSON_ROWS = 40, 100_000
#: Characters of a text that the terminal's table shows.
WIDE = 26


def run_assess(
    file: Path,
    policy_ids: Sequence[str],
    *,
    preset: str | None,
    mapping: Path | None,
    constants: Mapping[str, str],
    on: str | None,
    known: str | None,
    scheme: str | None,
    values: Sequence[str],
    readings: Mapping[str, str],
    min_grade: str | None,
    engine: str,
    out: Path | None,
    refused: Path | None,
    fleet_out: Path | None,
    detail: Path | None,
    chart: Path | None,
    unique: Sequence[str],
    language: str | None,
    as_json: bool,
    strict: bool,
) -> int:
    """Assess ``file`` by one policy and print the outcome; returns the exit code (0, or 1 with ``strict`` for a refused row)."""
    policy = load(policy_ids[0], known=known, values=values, readings=readings, min_grade=min_grade, language=language)
    constants = dict(constants)
    if scheme is not None:
        if "scheme" not in {column.name for column in policy.inputs}:
            raise InputError(f"{policy.id} has no column scheme; leave --scheme out")
        constants["scheme"] = scheme
    if preset and mapping:
        raise InputError("--preset and --columns exclude each other")
    check_places(
        {
            "the input": file,
            "--out": out,
            "--refused": refused,
            "--fleet-out": fleet_out,
            "--detail": detail,
            "--chart": chart,
        }
    )
    if chart is not None:
        from cleanfleet.charts import check_target

        check_target(chart)
    limit = JSON_ROWS if as_json and out is None else SHOWN
    if chart is not None:
        limit = JSON_ROWS
    with (progress := bar()):
        task = progress.add_task(f"assessing {file.name}", total=None)
        outcome = assess_file(
            file,
            policy,
            layout=tables.load_layout(preset, mapping, policy.inputs) if preset or mapping else None,
            constants=constants,
            on=None if on is None else day_on(policy, on),
            engine=cast(Engine, engine),
            out=out,
            refused=refused,
            summary_out=fleet_out,
            detail=detail,
            unique=unique,
            spill=bool(unique),
            summarise=scheme == "fleet" or fleet_out is not None or policy.definition.summary.get("always") == "true",
            preview_rows=limit,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    if chart is not None:
        _draw(chart, outcome)
    if as_json:
        if out is None and outcome.rows > JSON_ROWS:
            raise InputError(f"{outcome.rows} rows are too many to print; write them with --out FILE")
        print(dump(as_content(outcome, with_rows=out is None)))
    else:
        show_outcome(outcome, file)
    return 1 if strict and outcome.refused_rows else 0


def day_on(policy: Policy, text: str) -> dt.date:
    """The date for rows without one, if the policy's date column takes it."""
    day = date(text, "--on")
    column = next((c for c in policy.inputs if c.required and c.kind == "date"), None)
    try:
        if column is not None:
            column.read(text)
    except Refused as refused:
        raise InputError(f"--on: {refused.message}") from None
    return day


def check_places(places: Mapping[str, Path | None]) -> None:
    """No file may be read and written, or written twice, by one call."""
    taken: dict[Path, str] = {}
    for option, path in places.items():
        if path is not None:
            other = taken.setdefault(path.resolve(), option)
            if other != option:
                raise InputError(f"{option}: {path} is {other} too; name another file")


def bar() -> Progress:
    """A progress bar on standard error, where that is a terminal."""
    from rich.console import Console

    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        transient=True, disable=not sys.stderr.isatty(), console=Console(stderr=True),
    )  # fmt: skip


def _draw(path: Path, outcome: Outcome) -> None:
    from cleanfleet.charts import draw_assessment

    if outcome.preview is None:
        raise InputError("there is no row to draw")
    draw_assessment(outcome.policy, outcome.preview, path, of_rows=outcome.rows)
    outcome.written.append(path)


def as_content(outcome: Outcome, *, with_rows: bool) -> dict[str, Any]:
    policy = outcome.policy
    content: dict[str, Any] = {
        "policy": policy.id,
        "known": policy.known,
        "values_digest": policy.digest,
        "overlays": [overlay.id for overlay in policy.program.overlays],
        "readings": dict(policy.program.readings),
        "rows": outcome.rows,
        **({} if outcome.read_rows is None else {"read_rows": outcome.read_rows}),
        "language": policy.texts.language,
        "statuses": dict(outcome.statuses),
        "reasons": dict(outcome.reasons),
        "flags": dict(outcome.flags),
        "meanings": outcome.meanings(),
        "totals": outcome.totals,
        "notes": outcome.notes,
        "written": [str(path) for path in outcome.written],
    }
    if outcome.summary is not None:
        content[outcome.summary_name] = outcome.summary.rows(named=True)
    if with_rows and outcome.preview is not None:
        content["results"] = outcome.preview.rows(named=True)
    return content


def show_outcome(outcome: Outcome, file: Path) -> None:
    out, policy = console(), outcome.policy
    texts, say = policy.texts, policy.texts.say
    known = say("law as known on {known}, values {digest}", known=policy.known, digest=policy.digest)
    out.print(f"[bold]{escape(policy.title)}[/], {known}", soft_wrap=True)
    for overlay in policy.program.overlays:
        out.print(f"overlay: {overlay.title}{' (fictitious)' if overlay.fictitious else ''}", markup=False, soft_wrap=True)
    if outcome.preview is not None and outcome.preview.height:
        show(out, _rows(outcome))
        if outcome.rows > min(SHOWN, outcome.preview.height):
            first = min(SHOWN, outcome.preview.height)
            out.print(
                say("... the first {first} of {rows} rows; --out FILE writes them all", first=first, rows=outcome.rows)
            )
    parts = [f"{rows:,} {status.replace('_', ' ')}" for status, rows in sorted(outcome.statuses.items())]
    rows = say("{rows} rows", rows=f"{outcome.rows:,}")
    if outcome.read_rows is not None:
        read = say("{rows} rows", rows=f"{outcome.read_rows:,}")
        rows = f"{outcome.rows:,} {_records(outcome)} ({read})"
    out.print(f"[bold]{rows}[/] {say('of')} {escape(file.name)} = {' + '.join(parts)}", soft_wrap=True)
    told = [("reason", outcome.reasons, texts.reason), ("flag", outcome.flags, texts.flag)]
    if texts.language != policy.definition.languages[0]:  # whose codes are words of another language
        told.insert(0, ("status", outcome.statuses, texts.status))
    for what, counter, meaning in told:
        if counter:
            most = sorted(counter.items(), key=lambda item: (-item[1], item[0]))[:20]  # ties by name: the same each time
            lines = [(name, f"{n:,}", meaning(name)) for name, n in most]
            show(out, table("", [(say(what), False), (say("rows"), True), (say("meaning"), False)], lines))
    some = {output.name for output in policy.outputs if output.where}  # 0 in all: a column of other kinds of rows
    totals = {
        name: total for name, total in outcome.totals.items() if not name.endswith("_per_km") and (total or name not in some)
    }
    if totals:
        sums = [(name.replace("_", " "), f"{total:,f}") for name, total in totals.items()]
        show(out, table("", [(say("total over determined rows"), False), ("", True)], sums))
    if outcome.summary is not None:
        frame = outcome.summary.drop("flags", strict=False)
        frame = frame.select(name for name in frame.columns if not frame.height or frame[name].null_count() < frame.height)
        headings = [(_heading(name), dtype.is_numeric()) for name, dtype in frame.schema.items()]
        show(
            out, table(outcome.summary_name, headings, frame.rows(), narrow=["importer", "entity", "status", "vehicle type"])
        )
    doubtful = sorted({flag for flag in outcome.flags if flag.startswith("doubtful:")})
    if doubtful:
        names = ", ".join(flag.removeprefix("doubtful:") for flag in doubtful)
        out.print(say("doubtful: used though only inferred or weakly sourced; {names}. See --min-grade.", names=names))
    lacking = sorted({reason[8:] for reason in outcome.reasons if reason.startswith("missing:")})
    laws = [name for name in lacking if name in policy.definition.values]
    if laws:
        out.print(say("not known to us: {names}. An overlay supplies them: --values my.yaml.", names=", ".join(laws)))
        out.print(say("'cleanfleet explain' of such a row prints the form of that overlay."))
    for note in outcome.notes:
        out.print(say("note: {note}", note=note), markup=False, soft_wrap=True)
    for path in outcome.written:
        out.print(say("written: {path}", path=path), markup=False, soft_wrap=True)


def _records(outcome: Outcome) -> str:
    group = outcome.policy.definition.group
    return "rows" if group is None else f"{group.by}s".replace("_", " ")


def _rows(outcome: Outcome) -> Any:
    policy, frame = outcome.policy, outcome.preview
    assert frame is not None
    texts = [c.name for c in policy.inputs if c.kind == "text" and c.name in frame.columns]
    texts = [name for name in texts if frame[name].fill_null("").str.strip_chars().ne("").any()][:2]
    names = ["row", *texts, "status", *(output.name for output in policy.outputs), "reason"]
    names = [name for name in names if name in ("row", "status") or frame[name].null_count() < frame.height]
    shown = frame.head(SHOWN).with_columns(
        pl.col("status").str.replace_all("_", " "),
        pl.col("reason").str.replace_all("missing:", "missing ").str.replace_all("; missing", ","),
    )
    columns = [(_heading(name), frame.schema[name].is_numeric()) for name in names]
    shown = shown.with_columns(
        pl.when(pl.col(name).str.len_chars() > WIDE)
        .then(pl.col(name).str.head(WIDE - 1) + "…")
        .otherwise(pl.col(name))
        .alias(name)
        for name in texts
    )
    return table(
        "", columns, shown.select(names).rows(), narrow=["status", "co2 basis", *(name.replace("_", " ") for name in texts)]
    )


def _heading(name: str) -> str:
    return name.replace("_g_per_km", " g/km").replace("_", " ")
