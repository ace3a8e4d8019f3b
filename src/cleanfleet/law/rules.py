"""What a scheme's ``rules.py`` imports: the functions that a rule may call, and :func:`dated` for a changed formula."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from .cells import (
    Cell,
    add_years,
    choose,
    exactly,
    floor_div,
    given,
    half_up,
    half_up_div,
    is_in,
    maximum,
    minimum,
    needs,
    truncate,
    truncate_div,
    year_of,
)
from .errors import LawError

Rule = Callable[..., Any]
_R = TypeVar("_R", bound=Rule)


@dataclass(frozen=True)
class Variant:
    """One formula of a rule: from when it applies, from when it was known, and where it stands."""

    function: Rule
    applies_from: dt.date | None = None
    known_from: dt.date | None = None
    reference: str = ""


def dated(applies_from: str, *, known_from: str, reference: str) -> Callable[[_R], _R]:
    """Marks one of several functions of the same name as the formula that applies from a day on.

    ``known_from`` has no default: without it the law as it was once known could not be reproduced.
    """
    if not reference:
        raise LawError("dated(): a changed formula needs its reference")

    def register(function: _R) -> _R:
        try:
            start, known = dt.date.fromisoformat(applies_from), dt.date.fromisoformat(known_from)
        except ValueError as error:
            raise LawError(f"{function.__name__}: dated() needs dates like '2025-01-01' ({error})") from None
        variants: dict[str, list[Variant]] = function.__globals__.setdefault("__dated_rules__", {})
        variants.setdefault(function.__name__, []).append(Variant(function, start, known, reference))
        return function

    return register


def rules_of(namespace: dict[str, Any]) -> dict[str, tuple[Variant, ...]]:
    """The rules of a module: its own public functions, by name, with their dated variants."""
    found: dict[str, tuple[Variant, ...]] = {}
    dated_rules: dict[str, list[Variant]] = namespace.get("__dated_rules__", {})
    for name, function in namespace.items():
        if name.startswith("_") or not callable(function) or getattr(function, "__globals__", None) is not namespace:
            continue
        if isinstance(function, type):
            continue
        if name in dated_rules and all(variant.function is not function for variant in dated_rules[name]):
            raise LawError(f"rule {name}: stands as a dated formula and once more without dated()")
        found[name] = tuple(dated_rules[name]) if name in dated_rules else (Variant(function),)
    return found


__all__ = [
    "Cell",
    "add_years",
    "choose",
    "dated",
    "exactly",
    "floor_div",
    "given",
    "half_up",
    "half_up_div",
    "is_in",
    "maximum",
    "minimum",
    "needs",
    "truncate",
    "truncate_div",
    "year_of",
]
