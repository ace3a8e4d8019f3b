"""A policy as its folder states it: ``policy.yaml``, ``values/``, ``overlays/``, ``rules.py``. Nothing is compiled here.

``policy.yaml`` is required. It holds the header block (standard type, regulating body, scope, instruments with dates,
current and coming standard, what is not known), the scale of grades, the input columns, which rule decides the outcome, the
output columns, the flags, and what is borrowed from other schemes (:mod:`.borrowing`).
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .borrowing import borrow, column_entry
from .columns import Column, column_from, fold, places
from .errors import LawError, UnknownName, near
from .groups import Group, group_from
from .language import ENGLISH
from .rules import Variant, rules_of
from .texts import Texts, load_texts
from .values import Grade, Overlay, Reference, Value, load_overlay, load_sources, load_values, read_yaml

HEADER = ("standard_type", "regulating_body", "scope", "current_standard", "coming_standard", "instruments", "not_known")


@dataclass(frozen=True)
class Output:
    """One output column: the rule that yields it, with ``decimals`` places.

    ``where`` is a rule that tells whether there is such a figure at all (a diesel has no octane number): where it doesn't
    hold the cell is empty and nothing is missing. ``total`` tells whether the sum over a file's rows means anything.
    """

    name: str
    rule: str
    description: str
    decimals: int = 0
    where: str = ""
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
    languages: tuple[str, ...]
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
    group: Group | None
    sources: Mapping[str, Reference]
    values: Mapping[str, Value]
    rules: Mapping[str, tuple[Variant, ...]] = field(repr=False)
    entries: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    @cached_property
    def texts(self) -> dict[str, Texts]:
        """What the scheme says, by language; the first is the language of its own files."""
        return load_texts(self)

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
    "checks", "summary", "borrows", "group",
}  # fmt: skip


def load_definition(folder: Path, folders: Mapping[str, Path] | None = None, borrowers: tuple[str, ...] = ()) -> Definition:
    """The policy in ``folder``; raises :class:`LawError` that names the file and the entry.

    ``folders`` (policy id -> folder) is where a policy finds those that it borrows from; ``borrowers`` are those that are
    being read while this one is.
    """
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
    wanted = _borrows(raw, where)
    lenders = {id_: _lender(id_, raw["id"], folders or {}, borrowers, where) for id_ in wanted}
    entries = [column_entry(entry, lenders, where) for entry in _entries(raw, "inputs", where)]
    inputs = tuple(column_from(entry, where) for entry in entries)
    _once([column.name for column in inputs], "input", where)
    for column in inputs:
        if column.below and not any(c.name == column.below and c.kind == "boolean" for c in inputs):
            raise LawError(f"{where}: input {column.name}: below: {column.below!r} is not a boolean input")
    _once([fold(name) for column in inputs for name in (column.name, *column.names)], "column name", where)
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
    group = group_from(raw.get("group"), inputs, where)
    languages = raw.get("languages") or [ENGLISH]
    if not isinstance(languages, list) or not all(re.fullmatch(r"[a-z]{2,3}(-[A-Za-z]+)?", str(one)) for one in languages):
        raise LawError(f"{where}: languages {languages!r} is not a list of codes such as [en, es]")
    _once(languages, "language", where)
    sources_file = folder / "values" / "sources.yaml"
    values, rules = load_values(folder / "values", grades), _load_rules(folder / "rules.py")
    own = {*(column.name for column in inputs), *values, *rules}
    lent = borrow(wanted, lenders, own=own, grades=grades, where=where)
    definition = Definition(
        id=raw["id"],
        title=raw["title"],
        folder=folder,
        zone=raw["zone"],
        languages=tuple(languages),
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
                str(e.get("where") or ""),
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
        group=group,
        sources={**lent.sources, **(load_sources(sources_file) if sources_file.exists() else {})},
        values={**values, **lent.values},
        rules={**rules, **lent.rules, **(group.given_rules() if group is not None else {})},
        entries={str(entry["name"]): entry for entry in entries},
    )
    if len(languages) > 1 or (folder / "texts").exists():
        definition.texts  # noqa: B018 - what isn't complete is refused now, not when somebody asks for it
    return definition


def _borrows(raw: Mapping[str, Any], where: str) -> dict[str, list[str]]:
    """Lender's id -> names of rules; a lender of columns only has an empty list."""
    stated = raw.get("borrows") or {}
    if not isinstance(stated, dict) or not all(isinstance(names or [], list) for names in stated.values()):
        raise LawError(f"{where}: borrows is not a mapping of policies to lists of rules")
    return {str(id_): [str(name) for name in names or []] for id_, names in stated.items()}


def _lender(id_: str, borrower: str, folders: Mapping[str, Path], borrowers: tuple[str, ...], where: str) -> Definition:
    chain = (*borrowers, borrower)
    if id_ in chain:
        raise LawError(f"{where}: {' borrows from '.join([*chain, id_])}: a circle")
    if id_ not in folders:
        raise LawError(f"{where}: borrows from {id_!r}, which is no policy here; {near(id_, list(folders) or ['none'])}")
    return load_definition(folders[id_], folders, chain)


def _entries(raw: Mapping[str, Any], key: str, where: str) -> list[dict[str, Any]]:
    entries = raw.get(key) or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise LawError(f"{where}: {key} is not a list of entries")
    for entry in entries:
        if key in ("outputs", "flags", "checks"):
            if not entry.get("name"):
                raise LawError(f"{where}: an entry of {key} has no name")
            allowed = {"name", "rule", "description", "decimals", *(("where", "total") if key == "outputs" else ())}
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
