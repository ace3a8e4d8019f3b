"""``cleanfleet explain``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from cleanfleet import tables
from cleanfleet.law.errors import InputError
from cleanfleet.law.policy import Policy

from .shared import console, dump, load


def run_explain(
    policy_id: str,
    pairs: Sequence[str],
    *,
    row: int | None,
    preset: str | None,
    mapping: Path | None,
    known: str | None,
    values: Sequence[str],
    readings: Mapping[str, str],
    min_grade: str | None,
    language: str | None,
    as_json: bool,
) -> None:
    """Print the steps of one record, given as COLUMN=VALUE or as a row of a file."""
    policy = load(policy_id, known=known, values=values, readings=readings, min_grade=min_grade, language=language)
    group = policy.definition.group
    record: dict[str, Any] = {}
    rows: list[dict[str, Any]] = [record]
    files: list[str] = []
    refusal = ""
    for pair in pairs:
        name, equals, value = pair.partition("=")
        name = name.strip()
        if not equals:
            files.append(pair)
            continue
        if group is not None and name in record:  # what is said once counts for all rows
            record = {}
            rows.append(record)
        record[name] = value
    if row is not None:
        if len(files) != 1:
            raise InputError("explain --row N takes one file after the policy")
        record, refusal = row_of(policy, Path(files[0]), row, preset, mapping, record)
        rows = [record] if group is None else _group_of(policy, Path(files[0]), record, preset, mapping)
    elif files:
        raise InputError(f"{files[0]!r} is not COLUMN=VALUE; a file needs --row N")
    elif not record:
        raise InputError(f"explain needs COLUMN=VALUE; the columns are {', '.join(c.name for c in policy.inputs)}")
    found = policy.explain(record if group is None else rows)
    if refusal and found.answer["status"] != policy.definition.outcome.refused:
        raise InputError(f"{files[0]}, row {row} is refused: {refusal}")
    if as_json:
        print(dump(found.as_dict()))
        return
    out = console()
    out.print(str(found), markup=False, soft_wrap=True)
    for flag, meaning in found.flags:
        out.print(f"{flag}: {meaning}", markup=False, soft_wrap=True)
    for name in (found.answer["reason"] or "").split("; "):
        if name.startswith("missing:"):
            out.print(remedy(policy, name.removeprefix("missing:")), markup=False, soft_wrap=True)


def remedy(policy: Policy, name: str) -> str:
    """How to supply what is missing."""
    say = policy.texts.say
    what = say("missing {name}: {meaning}", name=name, meaning=policy.texts.named(name))
    if name in policy.definition.values:
        value = policy.definition.values[name]
        grade = policy.definition.grades[0].grade
        return (
            f"{what}. {say('Not known to us; supply it with --values my.yaml:')}\n"
            f"  overlay: my-values\n  title: ...\n  values:\n    {name}:\n"
            f"      - {{{_example(value)}, value: ..., reference: {{title: ...}}, confidence: {grade}}}"
        )
    allowed = policy.definition.column(name).allowed_in(policy.texts.language)
    return f"{what}; {say('give {allowed}', allowed=allowed)}"


def _example(value: Any) -> str:
    keys = [f"{key}: ..." for key in value.keys]
    when = {"standing": ['from: "2023-01-01"'], "per_period": [f"{value.period}: 2023"], "reading": []}[value.kind]
    return ", ".join([*keys, *when])


def row_of(
    policy: Policy, file: Path, row: int, preset: str | None, mapping: Path | None, given: Mapping[str, str]
) -> tuple[dict[str, Any], str]:
    """Row ``row`` of ``file`` as a record, and why the reader refuses it ('' where it doesn't).

    ``given`` fills columns that the file lacks. A cell that can't be read stays as it is.
    """
    columns = [dataclasses.replace(column, required=False) for column in policy.inputs]
    layout = tables.load_layout(preset, mapping, columns) if preset or mapping else None
    table = tables.read(file, columns, layout=layout, zone=policy.definition.zone, unique=policy.definition.unique)
    for batch in table.batches():
        where = (batch.row == row).arg_true()
        if len(where):
            place = int(where[0])
            record = {**given, **{k: _plain(v) for k, v in batch.typed.row(place, named=True).items() if v is not None}}
            reasons = batch.refusal[place] or ""
            originals = batch.original.row(place, named=True)
            for part in reasons.split("; "):
                name = part.partition(":")[2]
                if name in table.sources:
                    record[name] = originals.get(table.sources[name])
            return record, table.explain(reasons, originals, batch.first_row[place])
    raise InputError(f"{file} has {table.rows} rows; there is no row {row}")


def _group_of(
    policy: Policy, file: Path, record: Mapping[str, Any], preset: str | None, mapping: Path | None
) -> list[dict[str, Any]]:
    """The rows of ``file`` that belong together with ``record``, one of them."""
    group = policy.definition.group
    assert group is not None
    if not record.get(group.by):
        return [dict(record)]
    columns = [dataclasses.replace(column, required=False) for column in policy.inputs]
    layout = tables.load_layout(preset, mapping, columns) if preset or mapping else None
    table = tables.read(file, columns, layout=layout, zone=policy.definition.zone)
    numbers: list[int] = []
    for batch in table.batches():
        key = batch.typed[group.by].str.strip_chars()
        numbers += batch.row.filter(key == str(record[group.by]).strip()).to_list()
    return [row_of(policy, file, number, preset, mapping, {})[0] for number in numbers]


def _plain(value: Any) -> Any:
    """A decimal without the zeros that only the reader's type adds."""
    if not isinstance(value, Decimal):
        return value
    text = f"{value:f}"
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)
