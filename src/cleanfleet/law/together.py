"""Several policies on the same records: each answers as it does alone, and the answers stand side by side.

A vehicle that somebody imports for own use meets more than one scheme, and they may say opposite things of it. Each policy
reads its own columns; a record may be refused by one and answered by another. An answer column keeps its name where no other
policy has one like it; otherwise the policy's id goes before it: ``nz_clean_car_discount_status``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from .errors import InputError
from .policy import Policy


def check(policies: Sequence[Policy]) -> None:
    """Raises :class:`InputError` unless there are at least two policies, all different."""
    if len(policies) < 2:
        raise InputError("to be assessed together it takes two policies or more")
    grouped = [policy.id for policy in policies if policy.groups is not None]
    if grouped:
        raise InputError(f"{grouped[0]} answers groups of rows; it can't be asked together with others")
    for id_, times in Counter(policy.id for policy in policies).items():
        if times > 1:
            raise InputError(f"policy {id_} is named {times} times")


def answer_names(policies: Sequence[Policy]) -> dict[str, dict[str, str]]:
    """Policy id -> its answer columns by their own names -> their names beside those of the others.

    The id stands before a column that another policy has too, as an answer or as an input.
    """
    check(policies)
    answers = {policy.id: list(policy.table().names()) for policy in policies}
    times = Counter(name for names in answers.values() for name in names)
    taken = {column.name for policy in policies for column in policy.inputs}
    return {
        id_: {name: f"{id_.replace('-', '_')}_{name}" if times[name] > 1 or name in taken else name for name in names}
        for id_, names in answers.items()
    }


def assess_together(policies: Sequence[Policy], frame: Any) -> Any:
    """Assess a whole table by several policies.

    Parameters
    ----------
    policies:
        Two or more policies, each under its own reading of the law.
    frame:
        As for :meth:`Policy.assess`: a Polars, pandas, PyArrow, DuckDB or PySpark table. It holds the input columns of all of
        them by name; a column that two policies share is read by both.

    Returns
    -------
    A table of the same kind, the answer columns of each policy added in the order of ``policies``, named by
    :func:`answer_names`; the figures are those of :meth:`Policy.assess`, with their units and sources.

    Raises
    ------
    InputError
        For fewer than two policies or one that is named twice, where a required column is missing, or where the table has a
        column with the name of an answer.
    """
    import narwhals.stable.v2 as nw

    names = answer_names(policies)
    for policy in policies:
        shown = names[policy.id]
        there = set(nw.from_native(frame).collect_schema().names())
        if clash := sorted(set(shown.values()) & there):
            raise InputError(f"the table already has the answer column{'s' if len(clash) > 1 else ''} {', '.join(clash)}")
        answered = nw.from_native(policy.assess(frame).frame)
        frame = answered.rename({own: new for own, new in shown.items() if own != new}).to_native()
    return frame
