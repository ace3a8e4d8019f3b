"""From a policy's dated values to the dated provisions of a bank's rules, on the same two clocks.

A policy that keeps credits builds its :class:`~cleanfleet.credits.BankRules` with these functions, so that every provision
stands in its ``values/*.yaml``. Overlays, readings, grades and marks hold as they do for its formulas.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cleanfleet.credits import Dated
from cleanfleet.law.errors import UnknownName, near
from cleanfleet.law.policy import Policy
from cleanfleet.law.values import BEGIN, Record, Value

#: What a record's keys mean for a bank: Dated's ``pools``, ``kinds`` or ``years``.
Scope = Callable[[Record], Mapping[str, Any]]


def series(
    policy: Policy,
    name: str,
    *,
    read: Callable[[Any, Record], Any] | None = None,
    scope: Scope | None = None,
) -> tuple[Dated[Any], ...]:
    """The value ``name`` of the policy as a series of provisions, up to the day that the policy is known on.

    A standing record applies from its date; a per-period one to its year alone (:attr:`Dated.years`); a reading always.
    ``read`` turns a record's value (Decimal, text, bool or date; never None) into the provision's, ``scope`` its keys into
    pools, kinds or years. A value graded below the policy's least grade exists, but isn't known. Raises :class:`UnknownName`.

    >>> from cleanfleet import policies
    >>> policy = policies.load("nz-clean-vehicle-standard", known="2024-12-31")
    >>> [(one.value, str(one.applies_from)) for one in series(policy, "credit_life_years", read=lambda years, record: int(years))]
    [(3, '2023-01-01')]
    """
    value = _value(policy, name)
    doubtful = {grade.grade for grade in policy.definition.grades if grade.doubtful}
    found = []
    for layer, record, weak in _records(policy, value):
        known = None if weak or record.value is None else record.value
        marks = [record.mark] if record.mark else []
        if record.confidence in doubtful and known is not None:
            marks.append(f"doubtful:{name}")
        where: dict[str, Any] = {} if record.period is None else {"years": (record.period, record.period)}
        where.update(scope(record) if scope else {})
        found.append(
            Dated(
                known if known is None or read is None else read(known, record),
                applies_from=record.applies_from or BEGIN,
                known_from=record.known_from,
                until=record.until,
                withdrawn=record.withdrawn and not weak,
                layer=layer,
                name=name,
                marks=tuple(marks),
                **where,
            )
        )
    return tuple(found)


def _value(policy: Policy, name: str) -> Value:
    values = policy.definition.values
    if name not in values:
        raise UnknownName(f"{policy.id} has no value {name!r}; {near(name, sorted(values))}")
    return values[name]


def _records(policy: Policy, value: Value) -> list[tuple[int, Record, bool]]:
    """(layer, record, whether its grade is below the least): what was known, each place's later record after the earlier.

    A reading asked for by name takes the place of its default.
    """
    program = policy.program
    if value.kind == "reading":
        record = next(record for record in program.values[value.name].records if record is not None)
        return [(0, record, False)]
    order = [grade.grade for grade in policy.definition.grades]
    limit = order.index(program.min_grade) if program.min_grade else len(order)
    layers: list[Sequence[Record]] = [value.records, *(overlay.records.get(value.name, ()) for overlay in program.overlays)]
    found = []
    for layer, records in enumerate(layers):
        for record in sorted(records, key=lambda one: (one.known_from, one.corrected_on or BEGIN)):
            weak = order.index(record.confidence) > limit
            if record.known_from <= policy.known and not (weak and layer):
                found.append((layer, record, weak))
    return found
