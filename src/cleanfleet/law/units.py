"""Units of measurement as products of powers, just enough to refuse kg + mg.

A unit is written as factors separated by blanks, ``/`` before each divisor: ``g/km``, ``g/km/kg``, ``NZD km/g``, ``1``.
``100 km`` is a unit of its own, ``hkm``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import LawError

_FACTOR = re.compile(r"[A-Za-zµ%$][A-Za-z0-9µ%$_]*|1")


@dataclass(frozen=True)
class Unit:
    """A product of powers of base names, sorted; the empty product is the pure number."""

    powers: tuple[tuple[str, int], ...] = ()

    def __mul__(self, other: Unit) -> Unit:
        return _unit([*self.powers, *other.powers])

    def __truediv__(self, other: Unit) -> Unit:
        return _unit([*self.powers, *((name, -power) for name, power in other.powers)])

    def __str__(self) -> str:
        over = [name if power == 1 else f"{name}^{power}" for name, power in self.powers if power > 0]
        under = [name if power == -1 else f"{name}^{-power}" for name, power in self.powers if power < 0]
        return (" ".join(over) or "1") + "".join(f"/{name}" for name in under) if (over or under) else ""


def _unit(powers: list[tuple[str, int]]) -> Unit:
    total: dict[str, int] = {}
    for name, power in powers:
        total[name] = total.get(name, 0) + power
    return Unit(tuple(sorted((name, power) for name, power in total.items() if power)))


def unit(text: str) -> Unit:
    """The unit written in ``text``; raises :class:`LawError` where it can't be read.

    >>> str(unit("g/km/kg") * unit("kg"))
    'g/km'
    >>> str(unit("NZD km/g") * unit("g/km"))
    'NZD'
    """
    powers: list[tuple[str, int]] = []
    for index, part in enumerate(text.strip().replace("100 km", "hkm").split("/")):
        for factor in part.split():
            if not _FACTOR.fullmatch(factor):
                raise LawError(f"unit {text!r}: {factor!r} is not a unit's name")
            if factor != "1":
                powers.append((factor, -1 if index else 1))
    return _unit(powers)


def unit_of(entry: Mapping[str, Any], where: str) -> Unit:
    """The unit that an entry of a policy's files states; a pure number where it states none."""
    try:
        return unit(str(entry.get("unit", "1")))
    except LawError as error:
        raise LawError(f"{where}: {error}") from None


PURE = Unit()
