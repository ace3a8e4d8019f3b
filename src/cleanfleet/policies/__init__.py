"""The schemes, one folder each. A scheme is found by its folder; adding one touches no file outside it.

Folders are those of this package and of each path in the environment variable ``CLEANFLEET_POLICIES`` (separated as PATH is).
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from cleanfleet.law.errors import LawError, UnknownName, near

if TYPE_CHECKING:
    from cleanfleet.law.definition import Definition
    from cleanfleet.law.policy import Policy
    from cleanfleet.law.values import Overlay

ENVIRONMENT, LANGUAGE = "CLEANFLEET_POLICIES", "CLEANFLEET_LANG"


def folders() -> dict[str, Path]:
    """Policy id -> folder; reads each policy.yaml's id, imports no code. Raises :class:`LawError` where an id stands twice."""
    places = [Path(__file__).parent, *(Path(p) for p in os.environ.get(ENVIRONMENT, "").split(os.pathsep) if p)]
    found: dict[str, Path] = {}
    for place in places:
        for path in sorted(place.glob("*/policy.yaml")):
            id_ = _id(path)
            if id_ in found:
                raise LawError(f"policy {id_} stands in {found[id_]} and in {path.parent}")
            found[id_] = path.parent
    return found


def _id(path: Path) -> str:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("id:"):
                return line.partition(":")[2].strip().strip("\"'")
    raise LawError(f"{path}: has no id")


@lru_cache(maxsize=32)
def _definition(folder: Path) -> Definition:
    from cleanfleet.law.definition import load_definition

    return load_definition(folder, folders())


def definition(id_: str) -> Definition:
    """What a policy's folder states, not yet compiled; raises :class:`UnknownName` or :class:`LawError`."""
    known = folders()
    if id_ not in known:
        raise UnknownName(f"no policy {id_!r}; {near(id_, list(known))}")
    return _definition(known[id_])


def load(
    id_: str,
    *,
    known: dt.date | str | None = None,
    values: Iterable[str | Path | Overlay] = (),
    readings: Mapping[str, str] | None = None,
    min_grade: str | None = None,
    language: str | None = None,
) -> Policy:
    """A policy by its id, as the law was known on ``known`` (default: today in the policy's zone).

    ``values`` are overlays, by name or path, later ones winning; ``readings`` choose between named readings of the law;
    ``min_grade`` leaves out values graded worse. ``language`` is that of titles, meanings and messages (codes are the same in
    all): without it that of the environment variable ``CLEANFLEET_LANG`` if the policy has it, else the policy's first.
    Raises :class:`UnknownName` or :class:`LawError`.

    >>> policy = load("nz-clean-vehicle-standard", known="2026-11-22")
    >>> answer = policy.one(
    ...     {"vehicle_class": "MA", "condition": "used", "tare_kg": 1600, "co2_g_per_km": "150", "co2_cycle": "3P-WLTP",
    ...      "accepted_on": "2026-03-31"})
    >>> answer["target_g_per_km"], answer["charge_g"], answer["charge_nzd"]
    (Decimal('112.0474'), Decimal('37'), Decimal('222.00'))
    """
    from cleanfleet.law.policy import Policy

    found = definition(id_)
    return Policy(
        found, known=known, values=values, readings=readings, min_grade=min_grade, language=language_of(found, language)
    )


def language_of(found: Definition, wanted: str | None) -> str:
    """The language asked for (:class:`UnknownName` where the policy hasn't it), else the environment's, else the first."""
    from cleanfleet.law.texts import choose_language

    return choose_language(found, wanted, os.environ.get(LANGUAGE))
