"""``cleanfleet policies``."""

from __future__ import annotations

from typing import Any

from rich.markup import escape

from cleanfleet import policies
from cleanfleet.law.definition import Definition
from cleanfleet.law.policy import Policy
from cleanfleet.law.texts import Texts

from .shared import console, dump, load, show, table


def run_policies(policy_id: str | None, *, graph: bool, language: str | None, as_json: bool) -> None:
    """List the policies, or print one's header block, columns, readings, overlays; with ``graph`` its rules."""
    if policy_id is None:
        found = [policies.definition(id_) for id_ in policies.folders()]
        # a policy without the language asked for is listed in its own
        told = [d.texts[policies.language_of(d, language if language in d.languages else None)] for d in found]
        rows = [(d.id, texts.title, texts.header["standard_type"]) for d, texts in zip(found, told, strict=True)]
        if as_json:
            print(dump([{"id": id_, "title": title, "standard_type": standard} for id_, title, standard in rows]))
            return
        show(console(), table("", [("policy", False), ("title", False), ("standard", False)], rows))
        return
    if graph:
        _graph(load(policy_id), as_json=as_json)
        return
    definition = policies.definition(policy_id)
    texts = definition.texts[policies.language_of(definition, language)]
    if as_json:
        print(dump(_described(definition, texts)))
    else:
        _show(definition, texts)


def _described(d: Definition, texts: Texts) -> dict[str, Any]:
    return {
        "id": d.id,
        "title": texts.title,
        "zone": d.zone,
        "language": texts.language,
        "languages": list(d.languages),
        "header": {**d.header, **texts.header},
        "grades": [{"grade": g.grade, "meaning": texts.grades[g.grade], "doubtful": g.doubtful} for g in d.grades],
        "inputs": [
            {"name": c.name, "type": c.kind, "unit": c.unit, "allowed": c.allowed_in(texts.language), "required": c.required,
             "default": c.default, "description": texts.inputs[c.name]}
            for c in d.inputs
        ],
        "choices": texts.choices,
        "outputs": [{"name": o.name, "decimals": o.decimals, "where": o.where or None, "description": texts.outputs[o.name]} for o in d.outputs],
        "statuses": texts.statuses,
        "reasons": texts.reasons,
        "flags": texts.flags,
        "readings": {v.name: list(v.allowed) for v in d.values.values() if v.kind == "reading" and v.allowed},
        "overlays": {name: texts.overlays.get(name) or d.overlay(name).title for name in d.overlays()},
    }  # fmt: skip


def _show(d: Definition, texts: Texts) -> None:
    out, say = console(), texts.say
    out.print(f"[bold]{escape(texts.title)}[/] ({d.id})")
    header = {say(key.replace("_", " ")): value for key, value in texts.header.items() if isinstance(value, str)}
    show(out, table("", [("", False), ("", False)], list(header.items())))
    instruments = [
        (i.get("from"), i.get("title"), getattr(d.sources.get(i.get("source")), "url", "")) for i in d.header["instruments"]
    ]
    columns = [say("in force"), say("title"), say("seen at")]
    show(out, table(say("Instruments"), [(column, False) for column in columns], instruments))
    out.print(f"[bold]{say('Not known')}[/]")
    for line in texts.header["not_known"]:
        out.print(f"- {line}", markup=False)
    name, meaning = (say("name"), False), (say("meaning"), False)
    inputs = [
        (c.name, say("required") if c.required else "", c.allowed_in(texts.language), texts.inputs[c.name]) for c in d.inputs
    ]
    show(out, table(say("Input columns"), [name, ("", False), (say("allowed"), False), meaning], inputs))
    if texts.language != d.languages[0]:
        for column, labels in texts.choices.items():
            show(out, table(column, [(say("word"), False), meaning], list(labels.items())))
    outputs = [("status", say("determined or not, excluded, refused")), ("reason", say("why"))]
    outputs += [("flags", say("what to look at")), *texts.outputs.items()]
    show(out, table(say("Output columns"), [name, meaning], outputs))
    for title, codes in (("Statuses", texts.statuses), ("Reasons", texts.reasons), ("Flags", texts.flags)):
        if codes:
            show(out, table(say(title), [(say("code"), False), meaning], list(codes.items())))
    readings = [
        (v.name, " | ".join(v.allowed), str(v.records[0].value), texts.values[v.name])
        for v in d.values.values()
        if v.kind == "reading" and v.allowed
    ]
    headings = [(say("reading"), False), (say("choices"), False), (say("default"), False), (say("what it decides"), False)]
    show(out, table(say("Readings (--reading NAME=CHOICE)"), headings, readings))
    overlays = [(overlay, texts.overlays.get(overlay) or d.overlay(overlay).title) for overlay in d.overlays()]
    show(out, table(say("Overlays (--values NAME)"), [(say("overlay"), False), (say("what it assumes"), False)], overlays))
    grades = [(g.grade, texts.grades[g.grade], say("marks results") if g.doubtful else "") for g in d.grades]
    show(out, table(say("Grades"), [(say("grade"), False), meaning, ("", False)], grades))


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
