"""Schemes whose records are several rows: how the answers of the rows become one answer of the record.

``policy.yaml`` may have a ``group``::

    group:
      by: report                      # the text column that says which rows belong together
      same: [fuel, on]                # said once for all rows: an empty cell is taken from the others, a contradiction refused
      once: cycle                     # a choice that no two rows of a group may share
      complete: {rule: required_cycles, status: incomplete}   # a text rule: words of `once`, joined by ' + ', that must be there
      statuses:                       # of the group, the first that one of its rows has; `of` are the rows' own words
        - {status: refused, of: [refused]}
        - {status: fail, of: [fail]}
        - {status: incomplete, of: [incomplete, not_determined]}
        - {status: pass, of: [pass]}
      lines:                          # what is judged in a row, each by a verdict of its own
        column: pollutant
        silent: [none]                # words of a verdict that mean that there is no such line in the row
        reasons:                      # words of a verdict that give a reason 'word:line:once', and for which status
          - {word: over, status: fail}
          - {word: between, status: incomplete, limits: true}   # ... with both limits: 'between:nox:ETC:3.5-7'
        entries:                      # each names rules or input columns; `other` is the limit by another reading
          - {name: nox, verdict: nox_verdict, result: nox, limit: nox_limit, other: nox_other_limit, margin: nox_margin}

The rules answer each row, as in any other scheme. The first status is that of a group of which a row was refused: then the
whole group is, with the reasons of its rows.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .columns import Column
from .errors import LawError, near
from .rules import Variant

#: Between the words that a `complete` rule gives.
PLUS = " + "


@dataclass(frozen=True)
class Line:
    """One thing that is judged in a row; the attributes name rules ('' where there is none)."""

    name: str
    verdict: str
    result: str
    limit: str
    other: str
    margin: str


@dataclass(frozen=True)
class Said:
    """A word of a verdict that is a reason for a status of the group."""

    word: str
    status: str
    limits: bool


@dataclass(frozen=True)
class Group:
    """What ``policy.yaml`` states under ``group``; see the module."""

    by: str
    same: tuple[str, ...]
    once: str
    words: tuple[str, ...]
    complete: str
    incomplete: str
    statuses: tuple[tuple[str, tuple[str, ...]], ...]
    column: str
    silent: tuple[str, ...]
    reasons: tuple[Said, ...]
    lines: tuple[Line, ...]
    inputs: tuple[str, ...]

    @property
    def order(self) -> list[str]:
        """The statuses, the one that counts first at the head."""
        return [status for status, _ in self.statuses]

    def rank(self, status: str) -> int:
        return self.order.index(status)

    def rule(self, name: str) -> str:
        """The rule that gives what ``name`` says: the rule of that name, or an input column as it was read."""
        return f"given_{name}" if name in self.inputs else name

    def given_rules(self) -> dict[str, tuple[Variant, ...]]:
        """Rules that give input columns as they were read, so that rows can be compared by meaning, not by spelling."""
        named = [*self.same, self.once, *(n for line in self.lines for n in (line.result, line.limit, line.margin))]
        return {self.rule(name): (Variant(_given(name)),) for name in named if name in self.inputs}


def _given(name: str) -> Any:
    def rule(*cells: Any) -> Any:
        return cells[0]

    rule.__doc__ = f"{name}, as given."
    rule.__signature__ = inspect.Signature([inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD)])  # type: ignore[attr-defined]
    return rule


_KEYS = {"by", "same", "once", "complete", "statuses", "lines"}
_LINES = {"column", "silent", "reasons", "entries"}
_ENTRY = {"name", "verdict", "result", "limit", "other", "margin"}


def group_from(raw: Any, inputs: Sequence[Column], where: str) -> Group | None:
    """The :class:`Group` that an entry of ``policy.yaml`` states, None where there is none; raises :class:`LawError`."""
    if raw is None:
        return None
    where = f"{where}: group"
    _mapping(raw, _KEYS, where)
    columns = {column.name: column for column in inputs}
    for key in ("by", "once", "statuses"):
        if not raw.get(key):
            raise LawError(f"{where}: has no {key}")
    same = _list(raw, "same", where)
    for name in [raw["by"], raw["once"], *same]:
        if name not in columns:
            raise LawError(f"{where}: {name!r} is no input column; {near(str(name), list(columns))}")
    if columns[raw["by"]].kind != "text" or columns[raw["once"]].kind != "choice":
        raise LawError(f"{where}: by needs a text column and once a choice")
    complete = _mapping(raw.get("complete") or {}, {"rule", "status"}, f"{where}: complete")
    statuses = tuple(
        (str(entry.get("status")), tuple(_list(entry, "of", where)))
        for entry in (_mapping(entry, {"status", "of"}, f"{where}: statuses") for entry in _list(raw, "statuses", where))
    )
    lines = _mapping(raw.get("lines") or {}, _LINES, f"{where}: lines")
    reasons = tuple(
        Said(str(entry.get("word")), str(entry.get("status")), entry.get("limits") == "true")
        for entry in (
            _mapping(entry, {"word", "status", "limits"}, f"{where}: reasons") for entry in _list(lines, "reasons", where)
        )
    )
    known = [status for status, _ in statuses]
    for status in [*([complete["status"]] if complete else []), *(said.status for said in reasons)]:
        if status not in known:
            raise LawError(f"{where}: {status!r} is not one of its statuses; {near(str(status), known)}")
    entries = []
    for entry in _list(lines, "entries", where):
        _mapping(entry, _ENTRY, f"{where}: lines")
        if not entry.get("name") or not entry.get("verdict"):
            raise LawError(f"{where}: a line needs a name and a verdict")
        entries.append(Line(**{key: str(entry.get(key) or "") for key in _ENTRY}))
    return Group(
        by=raw["by"],
        same=tuple(same),
        once=raw["once"],
        words=tuple(columns[raw["once"]].choices),
        complete=str(complete.get("rule") or ""),
        incomplete=str(complete.get("status") or ""),
        statuses=statuses,
        column=str(lines.get("column") or "line"),
        silent=tuple(_list(lines, "silent", where)),
        reasons=reasons,
        lines=tuple(entries),
        inputs=tuple(columns),
    )


def _mapping(raw: Any, allowed: set[str], where: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise LawError(f"{where}: is not a mapping")
    for key in raw:
        if key not in allowed:
            raise LawError(f"{where}: unknown key {key!r}; {near(key, sorted(allowed))}")
    return raw


def _list(raw: Mapping[str, Any], key: str, where: str) -> list[Any]:
    found = raw.get(key) or []
    if not isinstance(found, list):
        raise LawError(f"{where}: {key} is not a list")
    return found
