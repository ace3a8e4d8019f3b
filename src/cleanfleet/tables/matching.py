"""Which column of a file is which column of a policy, and what is the same in every row."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from ..law.columns import Column, Refused, fold
from ..law.errors import InputError, near
from .layout import Layout

#: A value that is the same in every row, as the typed columns hold it.
Constant = Decimal | str | dt.date | bool

DateParts = tuple[str | int, str | int, str | int]


@dataclass
class Plan:
    """What a file has of the policy's columns: from a column (ours -> theirs), from date parts, or the same in every row.

    ``unused`` are the file's columns that none of the policy's are taken from.
    """

    sources: dict[str, str] = field(default_factory=dict)
    dates: dict[str, DateParts] = field(default_factory=dict)
    constants: dict[str, Constant] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def match(path: Path, names: Sequence[str], columns: Sequence[Column], layout: Layout, constants: Mapping[str, str]) -> Plan:
    """The plan for a file with the columns ``names``.

    A mapping comes first, then the same name, then the same name but for case, blanks, hyphens and underscores, then another
    name of the column. Raises
    :class:`InputError` for a required column that is found nowhere, an ambiguous name, a mapped column that the file does
    not have, and a constant that is unknown, refused, or a column of the file.
    """
    plan = Plan()
    known = [column.name for column in columns]
    for name in constants:
        if name not in known:
            raise InputError(f"the constant {name!r} is not a column of the policy; {near(name, known)}")
    taken: set[str] = set()
    for column in columns:
        found = _mapped(path, names, column.name, layout)
        if found is not None:
            plan.sources[column.name] = found
            taken.add(found)
        elif column.name in layout.dates and (parts := _parts(path, names, column.name, layout)) is not None:
            plan.dates[column.name] = parts
            taken.update(part for part in parts if isinstance(part, str))
    for column in columns:
        if column.name not in plan.sources and column.name not in plan.dates:
            free = [name for name in names if name not in taken]
            found = _named(path, free, column.name) or _other_name(path, free, column)
            if found is not None:
                plan.sources[column.name] = found
    for column in columns:
        _fill(path, column, layout, constants, plan)
    missing = [
        column.name
        for column in columns
        if column.required
        and column.name not in plan.sources
        and column.name not in plan.dates
        and column.name not in plan.constants
        and column.name not in layout.absent
    ]
    used = set(plan.sources.values()) | taken
    if missing:
        raise InputError(_missing(path, missing, [name for name in names if name not in used], names))
    if not used:
        raise InputError(f"{path}: has none of the policy's columns {', '.join(known)}; it has {', '.join(names)}")
    plan.unused = [name for name in names if name not in used]
    plan.notes += unused_note(plan.unused)
    return plan


def unused_note(names: Sequence[str]) -> list[str]:
    """The note on columns that aren't used; none where there is none."""
    return [f"columns not used: {', '.join(names)}"] if names else []


def _mapped(path: Path, names: Sequence[str], ours: str, layout: Layout) -> str | None:
    theirs = layout.theirs(ours)
    for wanted in theirs:
        found = _named(path, names, wanted)
        if found is not None:
            return found
    if theirs and ours in layout.mapped:
        raise InputError(
            f"{path}: has no column {' or '.join(theirs)}, which is mapped to {ours}; {near(theirs[0], list(names))}"
        )
    return None


def _named(path: Path, names: Sequence[str], wanted: str) -> str | None:
    """The one of ``names`` that is ``wanted``, or folds to the same."""
    if wanted in names:
        return wanted
    alike = [name for name in names if fold(name) == fold(wanted)]
    if len(alike) > 1:
        raise InputError(
            f"{path}: the columns {' and '.join(map(repr, alike))} could each be {wanted}; name one in a mapping"
        )
    return alike[0] if alike else None


def _other_name(path: Path, names: Sequence[str], column: Column) -> str | None:
    """The one of ``names`` that is another name of the column."""
    found = [theirs for other in column.names if (theirs := _named(path, names, other)) is not None]
    if len(found) > 1:
        raise InputError(
            f"{path}: the columns {' and '.join(map(repr, found))} could each be {column.name}; name one in a mapping"
        )
    return found[0] if found else None


def _parts(path: Path, names: Sequence[str], ours: str, layout: Layout) -> DateParts | None:
    found: list[str | int] = []
    for part in ("year", "month", "day"):
        wanted = layout.dates[ours][part]
        if wanted.isdecimal():
            found.append(int(wanted))
            continue
        name = _named(path, names, wanted)
        if name is None:
            if ours in layout.mapped:
                raise InputError(f"{path}: has no column {wanted}, the {part} of {ours}; {near(wanted, list(names))}")
            return None
        found.append(name)
    return found[0], found[1], found[2]


def _fill(path: Path, column: Column, layout: Layout, constants: Mapping[str, str], plan: Plan) -> None:
    """Enter a column's constant into the plan: one given now goes before the layout's."""
    name = column.name
    text = constants.get(name, layout.constants.get(name))
    if text is None:
        if (parts := plan.dates.get(name)) is not None:
            plan.notes.append(f"{name} is put together from {', '.join(map(str, parts))} (year, month, day)")
        return
    theirs = plan.sources.get(name) or ("its year, month and day" if name in plan.dates else None)
    if theirs is not None:
        raise InputError(f"{path}: {name} is given as the constant {text!r}, but the file has it too (column {theirs})")
    try:
        value = column.read(text)
    except Refused as refused:
        raise InputError(f"the constant for {refused.message}") from None
    if value is None:
        raise InputError(f"the constant for {name} is empty; allowed is {column.allowed}")
    if column.is_number:
        value = Decimal(f"{value}e-{column.decimals}")  # exact; arithmetic would round to the context's digits
    plan.constants[name] = value
    if name not in constants:
        plan.notes.append(f"{name} is {text} in every row (layout)")


def _missing(path: Path, missing: Sequence[str], unused: Sequence[str], names: Sequence[str]) -> str:
    hints = []
    for name in missing:
        hint = near(name, list(unused)) if unused else ""
        if hint.startswith("did you mean"):
            hints.append(f"for {name} {hint}")
    which = "the required column " + missing[0] if len(missing) == 1 else "the required columns " + ", ".join(missing)
    close = f"; {'; '.join(hints)}" if hints else ""
    return f"{path}: lacks {which} (give a mapping or a constant); it has {', '.join(names)}{close}"
