"""A policy as its folder states it: ``policy.yaml``, ``values/``, ``overlays/``, ``rules.py``. Nothing is compiled here.

``policy.yaml`` is required. It holds the header block (standard type, regulating body, scope, instruments with dates,
current and coming standard, what is not known), the scale of grades, the input columns, which rule decides the outcome, the
output columns (with ``when``, the rule that tells in which rows one applies), and the flags.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .columns import Column, column_from, places
from .errors import LawError, UnknownName, near
from .rules import Variant, rules_of
from .values import Grade, Overlay, Reference, Value, load_overlay, load_sources, load_values, read_yaml

HEADER = ("standard_type", "regulating_body", "scope", "current_standard", "coming_standard", "instruments", "not_known")


@dataclass(frozen=True)
class Output:
    """One output column: the rule that yields it; numbers have ``decimals`` places in ``unit``.

    ``when`` names a rule that tells in which rows the column applies; in the others it is empty and nothing is missing for it.
    ``total`` is false for numbers whose sum over rows means nothing (shares, rates).
    """

    name: str
    rule: str
    description: str
    decimals: int = 0
    when: str = ""
    total: bool = True


@dataclass(frozen=True)
class Flag:
    """A truth that is told beside the result, without changing it."""

    name: str
    rule: str
    description: str


@dataclass(frozen=True)
class Outcome:
    """``rule`` yields the status; the statuses in ``answered`` have figures; ``reason`` is a rule whose word tells why."""

    rule: str
    answered: tuple[str, ...]
    reason: str = ""
    undetermined: str = "not_determined"
    refused: str = "refused"


@dataclass(frozen=True)
class Definition:
    """Everything that a policy's folder states."""

    id: str
    title: str
    folder: Path
    zone: str
    header: Mapping[str, Any]
    grades: tuple[Grade, ...]
    date: str
    inputs: tuple[Column, ...]
    unique: tuple[str, ...]
    outcome: Outcome
    outputs: tuple[Output, ...]
    flags: tuple[Flag, ...]
    checks: tuple[Flag, ...]
    summary: Mapping[str, Any]
    sources: Mapping[str, Reference]
    values: Mapping[str, Value]
    rules: Mapping[str, tuple[Variant, ...]] = field(repr=False)

    def column(self, name: str) -> Column:
        for column in self.inputs:
            if column.name == name:
                return column
        raise UnknownName(f"{self.id} has no input column {name!r}; {near(name, [c.name for c in self.inputs])}")

    def overlays(self) -> dict[str, Path]:
        """The overlays that come with the policy, by name."""
        return {path.stem: path for path in sorted((self.folder / "overlays").glob("*.yaml"))}

    def overlay(self, name_or_path: str | Path) -> Overlay:
        """An overlay by its name here, or a file's path."""
        known = self.overlays()
        path = known.get(str(name_or_path), Path(name_or_path))
        if not path.exists():
            raise UnknownName(
                f"no overlay or file {str(name_or_path)!r}; {near(str(name_or_path), list(known) or ['none'])}"
            )
        return load_overlay(path, self.values, self.grades, self.sources)


_KEYS = {
    "id", "title", "zone", "languages", "header", "grades", "date", "inputs", "unique", "outcome", "outputs", "flags",
    "checks", "summary",
}  # fmt: skip


def load_definition(folder: Path) -> Definition:
    """The policy in ``folder``; raises :class:`LawError` that names the file and the entry."""
    path = folder / "policy.yaml"
    if not path.exists():
        raise LawError(f"{folder}: has no policy.yaml")
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise LawError(f"{path}: is not a mapping")
    _only(raw, _KEYS, str(path))
    for key in ("id", "title", "zone", "header", "grades", "inputs", "outcome", "outputs"):
        if not raw.get(key):
            raise LawError(f"{path}: has no {key}")
    header = raw["header"]
    for key in HEADER:
        if key not in header:
            raise LawError(f"{path}: the header has no {key}")
    where = str(path)
    grades = tuple(
        Grade(str(g.get("grade")), str(g.get("meaning", "")), g.get("doubtful") == "true")
        for g in _entries(raw, "grades", where)
    )
    inputs = tuple(column_from(entry, where) for entry in _entries(raw, "inputs", where))
    _once([column.name for column in inputs], "input", where)
    outcome = raw["outcome"]
    if not isinstance(outcome, dict) or not outcome.get("rule"):
        raise LawError(f"{where}: outcome names no rule")
    _only(outcome, {"rule", "answered", "reason", "undetermined", "refused"}, f"{where}: outcome")
    if not isinstance(outcome.get("answered") or [], list):
        raise LawError(f"{where}: outcome: answered is not a list")
    try:
        ZoneInfo(raw["zone"])
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError):
        raise LawError(f"{where}: zone {raw['zone']!r} is not a time zone; write it as Pacific/Auckland") from None
    answers = [str(entry.get("name")) for entry in _entries(raw, "outputs", where)]
    _once([column.name for column in inputs] + ["status", "reason", "flags"] + answers, "column", where)
    for key in ("flags", "checks"):
        _once([str(entry.get("name")) for entry in _entries(raw, key, where)], key, where)
    sources_file = folder / "values" / "sources.yaml"
    return Definition(
        id=raw["id"],
        title=raw["title"],
        folder=folder,
        zone=raw["zone"],
        header=header,
        grades=grades,
        date=str(raw.get("date") or ""),
        inputs=inputs,
        unique=tuple(raw.get("unique") or ()),
        outcome=Outcome(
            outcome["rule"],
            tuple(outcome.get("answered") or ()),
            str(outcome.get("reason") or ""),
            str(outcome.get("undetermined") or "not_determined"),
            str(outcome.get("refused") or "refused"),
        ),
        outputs=tuple(
            Output(
                e["name"],
                e.get("rule", e["name"]),
                e.get("description", ""),
                places(e, f"{where}: output {e['name']}"),
                e.get("when", ""),
                e.get("total") != "false",
            )
            for e in _entries(raw, "outputs", where)
        ),
        flags=tuple(
            Flag(e["name"], e.get("rule", e["name"]), e.get("description", "")) for e in _entries(raw, "flags", where)
        ),
        checks=tuple(
            Flag(e["name"], e.get("rule", e["name"]), e.get("description", "")) for e in _entries(raw, "checks", where)
        ),
        summary=raw.get("summary") or {},
        sources=load_sources(sources_file) if sources_file.exists() else {},
        values=load_values(folder / "values", grades),
        rules=_load_rules(folder / "rules.py"),
    )


def _entries(raw: Mapping[str, Any], key: str, where: str) -> list[dict[str, Any]]:
    entries = raw.get(key) or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise LawError(f"{where}: {key} is not a list of entries")
    for entry in entries:
        if key in ("outputs", "flags", "checks"):
            if not entry.get("name"):
                raise LawError(f"{where}: an entry of {key} has no name")
            allowed = {"name", "rule", "description", "decimals", *(["when", "total"] if key == "outputs" else [])}
            _only(entry, allowed, f"{where}: {key} {entry.get('name')}")
    return entries


def _only(raw: Mapping[str, Any], allowed: set[str], where: str) -> None:
    for key in raw:
        if key not in allowed:
            raise LawError(f"{where}: unknown key {key!r}; {near(key, sorted(allowed))}")


def _once(names: Sequence[str], what: str, where: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise LawError(f"{where}: {what} {name} stands twice")


def _load_rules(path: Path) -> dict[str, tuple[Variant, ...]]:
    if not path.exists():
        raise LawError(f"{path}: is missing; a policy's formulas stand there")
    name = f"_cleanfleet_rules_{abs(hash(str(path.resolve())))}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise LawError(f"{path}: can't be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except LawError:
        raise
    except Exception as error:
        raise LawError(f"{path}: {type(error).__name__}: {error}") from error
    finally:
        sys.modules.pop(name, None)
    return rules_of(vars(module))
