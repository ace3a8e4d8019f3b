"""``cleanfleet assess`` with several policies at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from cleanfleet import policies, tables
from cleanfleet.law.definition import Definition
from cleanfleet.law.errors import CleanfleetError, InputError, UnknownName, near
from cleanfleet.law.policy import Policy
from cleanfleet.law.values import Overlay
from cleanfleet.tables.assess_file import Engine
from cleanfleet.tables.together import Together, assess_file_together

from .assess import JSON_ROWS, SHOWN, as_content, bar, check_places, day_on, show_outcome
from .shared import console, date, dump


def run_together(
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
    """Assess ``file`` by several policies and print each one's outcome; returns the exit code as ``run_assess`` does."""
    if chart is not None:
        raise InputError("--chart draws one policy; leave out the others, or the chart")
    if detail is not None:
        raise InputError("several policies together have no detail to write; name one policy, or leave --detail out")
    if preset and mapping:
        raise InputError("--preset and --columns exclude each other")
    loaded = load_together(policy_ids, known=known, values=values, readings=readings, min_grade=min_grade, language=language)
    constants = dict(constants)
    if scheme is not None:
        if not any(column.name == "scheme" for policy in loaded for column in policy.inputs):
            raise InputError(f"none of {', '.join(policy_ids)} has a column scheme; leave --scheme out")
        constants["scheme"] = scheme
    check_places({"the input": file, "--out": out, "--refused": refused, "--fleet-out": fleet_out})
    columns = [column for policy in loaded for column in policy.inputs]
    days = [] if on is None else [day_on(policy, on) for policy in loaded]
    with (progress := bar()):
        task = progress.add_task(f"assessing {file.name}", total=None)
        found = assess_file_together(
            file,
            loaded,
            layout=tables.load_layout(preset, mapping, columns) if preset or mapping else None,
            constants=constants,
            on=days[0] if days else None,
            engine=cast(Engine, engine),
            out=out,
            refused=refused,
            summary_out=fleet_out,
            unique=unique,
            spill=bool(unique),
            summarise=scheme == "fleet" or fleet_out is not None,
            preview_rows=JSON_ROWS if as_json and out is None else SHOWN,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    if as_json:
        if out is None and found.rows > JSON_ROWS:
            raise InputError(f"{found.rows} rows are too many to print; write them with --out FILE")
        print(dump(_content(found, with_rows=out is None)))
    else:
        _show(found, file)
    return 1 if strict and found.refused_rows else 0


def load_together(
    ids: Sequence[str],
    *,
    known: str | None = None,
    values: Sequence[str] = (),
    readings: Mapping[str, str] | None = None,
    min_grade: str | None = None,
    language: str | None = None,
) -> list[Policy]:
    """The policies, each with the overlays and readings that fit it; one that fits none is an error."""
    if known is not None:
        date(known, "--known")
    stated = [policies.definition(id_) for id_ in ids]
    chosen: dict[str, dict[str, str]] = {d.id: {} for d in stated}
    for name, choice in (readings or {}).items():
        having = [d for d in stated if name in d.values and d.values[name].kind == "reading" and d.values[name].allowed]
        if not having:
            every = [n for d in stated for n, value in d.values.items() if value.kind == "reading" and value.allowed]
            raise UnknownName(f"none of {', '.join(ids)} has a reading {name!r}; {near(name, every)}")
        for d in having:
            chosen[d.id][name] = choice
    laid: dict[str, list[Overlay]] = {d.id: [] for d in stated}
    for text in values:
        for id_, overlay in _fitting(text, stated).items():
            laid[id_].append(overlay)
    return [
        policies.load(d.id, known=known, values=laid[d.id], readings=chosen[d.id], min_grade=min_grade, language=language)
        for d in stated
    ]


def _fitting(text: str, stated: Sequence[Definition]) -> dict[str, Overlay]:
    """The overlay, named as one of the policies names it or by its path, for each policy whose values it has."""
    owners = [d for d in stated if text in d.overlays()]
    place = owners[0].overlays()[text] if owners else text
    found: dict[str, Overlay] = {}
    errors: list[CleanfleetError] = []
    for d in [*owners, *(d for d in stated if d not in owners)]:
        try:
            found[d.id] = d.overlay(place)
        except CleanfleetError as error:
            if d in owners:
                raise
            errors.append(error)
    if not found:
        raise errors[0]
    return found


def _content(found: Together, *, with_rows: bool) -> dict[str, object]:
    content: dict[str, object] = {
        "policies": [as_content(outcome, with_rows=False) for outcome in found.outcomes],
        "rows": found.rows,
        "columns": found.names,
        "written": [str(path) for path in found.written],
    }
    if with_rows and found.preview is not None:
        content["results"] = found.preview.rows(named=True)
    return content


def _show(found: Together, file: Path) -> None:
    for number, outcome in enumerate(found.outcomes):
        if number:
            console().print()
        show_outcome(outcome, file)
    for path in found.written:
        console().print(f"written: {path}", markup=False, soft_wrap=True)
