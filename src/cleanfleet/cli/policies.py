"""``cleanfleet policies``."""

from __future__ import annotations

from typing import Any

from rich.markup import escape

from cleanfleet import policies
from cleanfleet.law.definition import Definition
from cleanfleet.law.policy import Policy

from .shared import console, dump, load, show, table


def run_policies(policy_id: str | None, *, graph: bool, as_json: bool) -> None:
    """List the policies, or print one's header block, columns, readings, overlays; with ``graph`` its rules."""
    if policy_id is None:
        found = [policies.definition(id_) for id_ in policies.folders()]
        if as_json:
            print(dump([{"id": d.id, "title": d.title, "standard_type": d.header["standard_type"]} for d in found]))
            return
        rows = [(d.id, d.title, d.header["standard_type"]) for d in found]
        show(console(), table("", [("policy", False), ("title", False), ("standard", False)], rows))
        return
    if graph:
        _graph(load(policy_id), as_json=as_json)
        return
    definition = policies.definition(policy_id)
    if as_json:
        print(dump(_described(definition)))
    else:
        _show(definition)


def _described(d: Definition) -> dict[str, Any]:
    return {
        "id": d.id,
        "title": d.title,
        "zone": d.zone,
        "header": d.header,
        "grades": [{"grade": g.grade, "meaning": g.meaning, "doubtful": g.doubtful} for g in d.grades],
        "inputs": [
            {"name": c.name, "type": c.kind, "unit": c.unit, "allowed": c.allowed, "required": c.required,
             "default": c.default, "description": c.description}
            for c in d.inputs
        ],
        "outputs": [
            {"name": o.name, "decimals": o.decimals, "description": o.description, "when": o.when or None} for o in d.outputs
        ],
        "flags": {flag.name: flag.description for flag in d.flags},
        "readings": {v.name: list(v.allowed) for v in d.values.values() if v.kind == "reading" and v.allowed},
        "overlays": {name: d.overlay(name).title for name in d.overlays()},
    }  # fmt: skip


def _show(d: Definition) -> None:
    out = console()
    out.print(f"[bold]{escape(d.title)}[/] ({d.id})")
    header = {key.replace("_", " "): value for key, value in d.header.items() if isinstance(value, str)}
    show(out, table("", [("", False), ("", False)], list(header.items())))
    instruments = [
        (i.get("from"), i.get("title"), getattr(d.sources.get(i.get("source")), "url", "")) for i in d.header["instruments"]
    ]
    show(out, table("Instruments", [("in force", False), ("title", False), ("seen at", False)], instruments))
    out.print("[bold]Not known[/]")
    for line in d.header["not_known"]:
        out.print(f"- {line}", markup=False)
    inputs = [(c.name, "required" if c.required else "", c.allowed, c.description) for c in d.inputs]
    show(out, table("Input columns", [("name", False), ("", False), ("allowed", False), ("meaning", False)], inputs))
    outputs = [("status", "determined or not, excluded, refused"), ("reason", "why"), ("flags", "what to look at")]
    outputs += [(o.name, o.description) for o in d.outputs]
    show(out, table("Output columns", [("name", False), ("meaning", False)], outputs))
    show(out, table("Flags", [("flag", False), ("meaning", False)], [(f.name, f.description) for f in d.flags]))
    readings = [
        (v.name, " | ".join(v.allowed), str(v.records[0].value), v.description)
        for v in d.values.values()
        if v.kind == "reading" and v.allowed
    ]
    headings = [("reading", False), ("choices", False), ("default", False), ("what it decides", False)]
    show(out, table("Readings (--reading NAME=CHOICE)", headings, readings))
    overlays = [(name, d.overlay(name).title) for name in d.overlays()]
    show(out, table("Overlays (--values NAME)", [("overlay", False), ("what it assumes", False)], overlays))
    grades = [(g.grade, g.meaning, "marks results" if g.doubtful else "") for g in d.grades]
    show(out, table("Grades", [("grade", False), ("meaning", False), ("", False)], grades))


def _graph(policy: Policy, *, as_json: bool) -> None:
    rows = []
    for name, needs in policy.graph().items():
        cell = policy.program.rules[name]
        kind = str(cell.unit) or "number" if cell.kind == "number" else cell.kind
        rows.append((name, kind, ", ".join(needs)))
    if as_json:
        print(
            dump([{"rule": name, "unit": unit, "needs": needs.split(", ") if needs else []} for name, unit, needs in rows])
        )
    else:
        show(console(), table(f"{policy.id}: rules", [("rule", False), ("unit or kind", False), ("needs", False)], rows))
