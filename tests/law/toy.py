"""A small scheme, a charge on barges that are louder than a limit, written into a folder with a test's own changes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cleanfleet.law.definition import Definition, load_definition

KNOWN = "2026-01-01"

POLICY: dict[str, Any] = {
    "id": "toy-barges",
    "title": "Charge on loud barges",
    "zone": "Pacific/Auckland",
    "header": {
        "standard_type": "noise",
        "regulating_body": "River Office",
        "scope": "barges",
        "current_standard": "100 g/km",
        "coming_standard": "none",
        "instruments": [{"title": "Barge Act", "from": "2023-01-01", "source": "ACT"}],
        "not_known": ["nothing"],
    },
    "grades": [
        {"grade": "H", "meaning": "seen", "doubtful": "false"},
        {"grade": "M", "meaning": "told", "doubtful": "false"},
        {"grade": "L", "meaning": "guessed", "doubtful": "true"},
    ],
    "date": "day",
    "inputs": [
        {"name": "name", "type": "text", "description": "name of the barge"},
        {
            "name": "kind",
            "type": "choice",
            "required": "true",
            "choices": {"a": "", "b": "", "c": ""},
            "aliases": {"alpha": "a"},
        },
        {"name": "noise", "type": "decimal", "unit": "g/km", "decimals": "2", "min": "-50", "max": "1000"},
        {"name": "mass_kg", "type": "integer", "unit": "kg", "min": "1", "max": "9000"},
        {"name": "day", "type": "date", "min": "2000-01-01", "max": "2050-12-31"},
        {"name": "exempt", "type": "boolean"},
        {"name": "port", "type": "choice", "default": "north", "choices": {"north": "", "south": ""}},
    ],
    "outcome": {"rule": "verdict", "answered": ["determined"], "reason": "ground"},
    "outputs": [
        {"name": "over_g", "rule": "over", "decimals": "2"},
        {"name": "charge_eur", "rule": "charge", "decimals": "2"},
        {"name": "band"},
    ],
    "flags": [{"name": "heavy", "rule": "is_heavy"}],
    "checks": [{"name": "contradiction:mass_kg", "rule": "impossible"}],
}

RULES = '''
from cleanfleet.law.rules import *


def year(day):
    """The year."""
    return year_of(day)


def over(noise, limit):
    """What lies over the limit."""
    return maximum(noise - limit, 0)


def whole_over(over, rounding):
    """Whole grams over the limit."""
    return choose(rounding == "truncate", truncate(over), half_up(over))


def charge(whole_over, rate):
    """What is owed."""
    return whole_over * rate


def band(over):
    """How loud."""
    return choose(over == 0, "quiet", "loud")


def ground(kind, exempt):
    """Why the barge is outside."""
    return choose(kind == "c", "small_craft", choose(given(exempt), exempt, False), "exempted", "none")


def verdict(ground):
    """Inside or outside."""
    return choose(ground == "none", "determined", "excluded")


def is_heavy(mass_kg, heavy_from_kg):
    """Heavy."""
    return mass_kg >= heavy_from_kg


def impossible(mass_kg, heavy_from_kg, kind):
    """A barge of kind b is never heavy."""
    return (kind == "b") & (mass_kg >= heavy_from_kg)
'''


def dated(value: Any, **where: Any) -> dict[str, Any]:
    """A record with everything that it needs, unless the test says otherwise."""
    told = {"value": value, "known_from": "2023-01-01", "source": ["ACT"], "confidence": "H", **where}
    return {key: here for key, here in told.items() if here is not ...}


VALUES: dict[str, Any] = {
    "limit": {
        "description": "limit",
        "unit": "g/km",
        "decimals": "1",
        "kind": "per_period",
        "period": "year",
        "keys": ["kind"],
        "values": [dated("100.5", year="2024"), dated("90", year="2025"), dated("80", year="2025", kind="b")],
    },
    "rate": {
        "description": "rate",
        "unit": "EUR km/g",
        "decimals": "2",
        "kind": "standing",
        "values": [dated("5.25", **{"from": "2024-01-01"})],
    },
    "heavy_from_kg": {
        "description": "mass of a heavy barge",
        "unit": "kg",
        "kind": "standing",
        "values": [dated("5000", **{"from": "2000-01-01"})],
    },
    "rounding": {
        "description": "rounding",
        "kind": "reading",
        "allowed": ["truncate", "half_up"],
        "values": [dated("truncate")],
    },
}

SOURCES = {"ACT": {"title": "Barge Act", "url": "https://example.org/act"}}


def changed(base: Mapping[str, Any], changes: Mapping[str, Any] | None) -> dict[str, Any]:
    """``base`` with some entries replaced; ``...`` takes an entry out."""
    return {key: value for key, value in {**base, **(changes or {})}.items() if value is not ...}


def definition(
    folder: Path,
    *,
    policy: Mapping[str, Any] | None = None,
    values: Mapping[str, Any] | None = None,
    rules: str = RULES,
    more_rules: str = "",
    overlays: Mapping[str, Any] | None = None,
    files: Mapping[str, str] | None = None,
) -> Definition:
    """Write the toy scheme with these changes into ``folder`` and read it; ``files`` are written as they stand."""
    (folder / "values").mkdir(parents=True)
    (folder / "overlays").mkdir()
    (folder / "policy.yaml").write_text(yaml.safe_dump(changed(POLICY, policy), sort_keys=False))
    (folder / "values" / "sources.yaml").write_text(yaml.safe_dump(SOURCES))
    (folder / "values" / "all.yaml").write_text(yaml.safe_dump(changed(VALUES, values), sort_keys=False))
    (folder / "rules.py").write_text(rules + more_rules)
    for name, overlay in (overlays or {}).items():
        (folder / "overlays" / f"{name}.yaml").write_text(yaml.safe_dump({"overlay": name, **overlay}))
    for name, text in (files or {}).items():
        (folder / name).write_text(text)
    return load_definition(folder)


def inputs(*changes: Mapping[str, Any]) -> dict[str, Any]:
    """The toy's inputs, those of the same name replaced, others added."""
    named = {entry["name"]: entry for entry in POLICY["inputs"]}
    for change in changes:
        named[change["name"]] = changed(named.get(change["name"], {}), change)
    return {"inputs": list(named.values())}


def value(name: str, *records: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """One of the toy's values with other records or keys."""
    told = dict(VALUES[name])
    if records:
        told["values"] = list(records)
    return {name: changed(told, changes)}


#: A barge about which everything is known.
BARGE: dict[str, Any] = {"kind": "a", "noise": "103.99", "mass_kg": 100, "day": "2024-05-01", "exempt": False}
