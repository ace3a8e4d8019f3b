"""``cleanfleet values``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape

from cleanfleet.law.errors import InputError, UnknownName, near
from cleanfleet.law.policy import Policy
from cleanfleet.law.values import Record, Value, effective

from .shared import console, date, dump, load, show, table


def run_values(
    policy_id: str,
    name: str | None,
    *,
    on: str | None,
    known: str | None,
    overlays: Sequence[str],
    min_grade: str | None,
    chart: bool,
    chart_out: Path | None,
    language: str | None,
    as_json: bool,
) -> None:
    """Print the dated values of a policy as known on a day: every one, or with ``on`` those that apply then."""
    policy = load(policy_id, known=known, values=overlays, min_grade=min_grade, language=language)
    known_values = policy.definition.values
    if name is not None and name not in known_values:
        raise UnknownName(f"{policy.id} has no value {name!r}; {near(name, sorted(known_values))}")
    day = None if on is None else date(on, "--on")
    names = [name] if name else list(known_values)
    rows = [(known_values[n], record) for n in names for record in _records(policy, known_values[n], day)]
    if chart or chart_out is not None:
        _chart(policy, names, rows, chart, chart_out)
    if as_json:
        print(dump([_as_json(policy, value, record) for value, record in rows]))
        return
    headings = [("value", False), ("applies", False), ("", True), ("unit", False), ("known from", False), ("grade", False)]
    lines = [
        (v.name, applies(v, r), "not known" if r.value is None else r.value, v.unit_text, _known(r), r.confidence,
         "; ".join(str(reference) for reference in r.references) + (f" ({r.note})" if r.note else ""))
        for v, r in rows
    ]  # fmt: skip
    out = console()
    out.print(f"[bold]{escape(policy.title)}[/], law as known on {policy.known}")
    show(out, table("", [*headings, ("reference", False)], lines))


def _known(record: Record) -> str:
    return record.known_from.isoformat() if record.known_from.year > 1 else ""


def _records(policy: Policy, value: Value, day: dt.date | None) -> list[Record]:
    program = policy.program
    found = effective(
        value, known=policy.known, overlays=program.overlays, grades=policy.definition.grades, min_grade=program.min_grade
    )
    if day is not None:
        ref = program.values[value.name]
        if value.kind == "per_period":
            found = [record for record in found if record.period == day.year]
        elif value.kind == "standing":
            import bisect

            from cleanfleet.law.values import date_number

            width = len(ref.records) // (ref.index.args[0].high + 1)
            start = bisect.bisect_right(ref.index.args[0].data, date_number(day)) * width
            found = [record for record in dict.fromkeys(ref.records[start : start + width]) if record is not None]
    return sorted(found, key=lambda r: (r.keys, r.applies_from or dt.date.min, r.period or 0))


def applies(value: Value, record: Record) -> str:
    """When and for what a record applies, in words."""
    parts = [f"{key} {word}" for key, word in record.keys]
    if record.period is not None:
        parts.append(f"{value.period.replace('_', ' ')} {record.period}")
    if record.applies_from:
        parts.append(f"from {record.applies_from}" + (f" until {record.until}" if record.until else ""))
    return ", ".join(parts)


def _as_json(policy: Policy, value: Value, record: Record) -> dict[str, Any]:
    return {
        "name": value.name,
        "description": policy.texts.values.get(value.name, value.description),
        "unit": value.unit_text,
        "keys": dict(record.keys),
        "period": record.period,
        "from": record.applies_from,
        "until": record.until,
        "value": record.value,
        "known_from": _known(record) or None,
        "confidence": record.confidence,
        "references": [{"title": r.title, "url": r.url, "section": r.section} for r in record.references],
        "checked_on": record.checked_on,
        "note": record.note or None,
        "overlay": record.overlay or None,
    }


def _chart(
    policy: Policy, names: Sequence[str], rows: Sequence[tuple[Value, Record]], terminal: bool, path: Path | None
) -> None:
    from cleanfleet.charts import check_target, draw_values, plot_values

    if len(names) != 1:
        raise InputError("--chart draws one value; name it")
    value = policy.definition.values[names[0]]
    if value.type != "number":
        raise InputError(f"{value.name} is a {value.type}; only numbers can be drawn")
    records = [record for _, record in rows]
    if path is not None:
        check_target(path)
        draw_values(policy, value, records, path)
    if terminal:
        plot_values(policy, value, records)
