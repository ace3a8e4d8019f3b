"""What one scheme borrows from another: an instrument that two schemes share is written down once.

In ``policy.yaml``::

    borrows:
      other-scheme: [co2, basis]        # rules; with them come the rules and values that they need
    inputs:
      - {name: tare_kg, from: other-scheme}                     # the column as declared there
      - {name: mass_kg, from: other-scheme, required: "true"}   # keys given here go before those given there

A name that the borrowing scheme has itself (an input, a rule, a value) goes before the lender's: a borrowed rule that needs
``deciding_date`` takes the borrower's. A borrowed value keeps its records, references and grades.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import LawError, near
from .rules import Variant
from .values import Grade, Reference, Value

if TYPE_CHECKING:
    from .definition import Definition


@dataclass
class Borrowed:
    """Rules, values and sources that come from other schemes, by name."""

    rules: dict[str, tuple[Variant, ...]] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)
    sources: dict[str, Reference] = field(default_factory=dict)


def borrow(
    wanted: Mapping[str, list[str]],
    lenders: Mapping[str, Definition],
    *,
    own: set[str],
    grades: tuple[Grade, ...],
    where: str,
) -> Borrowed:
    """The rules in ``wanted`` (lender's id -> names) with all that they need; ``own`` are the borrower's own names."""
    found = Borrowed()
    scale = {grade.grade for grade in grades}
    lent: dict[str, str] = {}
    for id_, names in wanted.items():
        lender = lenders[id_]
        for name in names:
            if name not in lender.rules:
                raise LawError(f"{where}: borrows: {id_} has no rule {name!r}; {near(name, list(lender.rules))}")
            if name in own:
                raise LawError(f"{where}: borrows {name} from {id_}, but has it itself")
        columns = {column.name for column in lender.inputs}
        open_ = list(names)
        while open_:
            name = open_.pop()
            if name in own or lent.get(name) == id_ or (name in columns and name not in lender.rules):
                continue
            if name in lent:
                raise LawError(f"{where}: borrows {name} from both {lent[name]} and {id_}")
            lent[name] = id_
            if name in lender.rules:
                for variant in lender.rules[name]:
                    open_ += inspect.signature(variant.function).parameters
            elif name in lender.values:
                value = lender.values[name]
                open_ += [*value.keys, *([value.period] if value.period else [])]
                if strange := {record.confidence for record in value.records} - scale:
                    raise LawError(
                        f"{where}: borrows value {name} from {id_}, whose grade {min(strange)} is not in the grades here"
                    )
        # in the lender's order, so that messages name things in the same order here and there
        found.rules |= {name: rule for name, rule in lender.rules.items() if lent.get(name) == id_}
        found.values |= {name: value for name, value in lender.values.items() if lent.get(name) == id_}
        for tag, source in lender.sources.items():
            found.sources.setdefault(tag, source)
    return found


def column_entry(entry: Mapping[str, Any], lenders: Mapping[str, Definition], where: str) -> dict[str, Any]:
    """The entry of an input column; one that has ``from`` is laid over the lender's entry of the same name."""
    if "from" not in entry:
        return dict(entry)
    id_, name = str(entry["from"]), str(entry.get("name") or "")
    if id_ not in lenders:
        raise LawError(f"{where}: input {name} is from {id_!r}, which is not under borrows; {near(id_, list(lenders))}")
    known = lenders[id_].entries
    if name not in known:
        raise LawError(f"{where}: input {name!r}: {id_} has no such column; {near(name, list(known))}")
    return {**known[name], **{key: value for key, value in entry.items() if key != "from"}}
