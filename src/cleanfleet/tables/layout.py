"""How the columns of a file become those of a policy: presets that ship with the package, and a user's mapping file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from ..law.columns import Column
from ..law.errors import InputError, near

#: What a layout's ``flags`` may hold.
FLAGS = {"duplicate_row": "mark rows that repeat an earlier row in every cell"}

#: In ``values``: every value that is not listed.
OTHER = "*"


@dataclass
class Layout:
    """How a file's columns become ours ("ours" are names of policy columns, "theirs" those of the file).

    - ``columns``: ours -> theirs, or several of theirs, of which the first that the file has counts;
    - ``constants``: ours -> a value for every row, where the file has no such column;
    - ``values``: ours -> {their value: our value}; an empty value means an empty cell, ``*`` stands for every other value;
    - ``empty``: texts that count as an empty cell in every column; ``empty_in``: ours -> such texts in one column (in a
      number column they are compared as numbers: 0 is 0.0);
    - ``dates``: ours -> the parts of a date: ``year``, ``month``, ``day``, each a column of theirs or a whole number;
    - ``decimal``: the decimal mark, where it shall not be detected; ``date_format``: as for ``strptime``, tried before ISO;
    - ``flags``: see :data:`FLAGS`; ``not_unique``: ours that don't identify a record here, so that no repetition is refused;
    - ``absent``: required columns of ours that such files don't have; they are empty instead of missing.

    ``mapped`` are those of ``columns`` that a mapping file asked for and that therefore must be in the file.
    """

    columns: dict[str, str | list[str]] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[str, str]] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)
    empty_in: dict[str, list[str]] = field(default_factory=dict)
    dates: dict[str, dict[str, str]] = field(default_factory=dict)
    decimal: str | None = None
    date_format: str | None = None
    flags: list[str] = field(default_factory=list)
    not_unique: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    mapped: set[str] = field(default_factory=set)
    description: str = ""

    def theirs(self, ours: str) -> list[str]:
        """The file's names for one of our columns, in the order of preference."""
        found = self.columns.get(ours, [])
        return [found] if isinstance(found, str) else list(found)


# Per key of a file: the shape of its value. "one": a text; "many": a list of texts, or one.
_TEXTS = ("decimal", "date_format", "description")
_LISTS = ("empty", "flags", "not_unique", "absent")
_BY_COLUMN = ("columns", "constants", "values", "empty_in", "dates")
_KEYS = {item.name for item in fields(Layout)} - {"mapped"}


def presets() -> dict[str, str]:
    """The layouts that ship with the package: name -> description; a variant's name is ``preset:variant``."""
    found: dict[str, str] = {}
    for entry in sorted(files(__package__).joinpath("presets").iterdir(), key=lambda entry: entry.name):
        name, dot, suffix = entry.name.rpartition(".")
        if not dot or suffix != "yaml":
            continue
        content = _load(entry.read_text("utf-8"), f"preset {name}")
        found[name] = str(content.get("description", ""))
        for variant, changes in dict(content.get("variants", {})).items():
            found[f"{name}:{variant}"] = str(changes.get("description", found[name]))
    return found


def load_layout(preset: str | None, mapping: Path | None, columns: Sequence[Column]) -> Layout:
    """The layout of a preset, changed by a mapping file; either may be None.

    Names of columns that the policy does not have are ignored in a preset, for it serves any policy; in a mapping file they
    are an error. Raises :class:`InputError` for unknown presets, variants, keys and columns and for an unreadable file.
    """
    layout = Layout()
    known = [column.name for column in columns]
    if preset is not None:
        _apply(layout, _preset(preset), known, f"preset {preset}", strict=False)
    if mapping is not None:
        try:
            text = mapping.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise InputError(f"{mapping}: the mapping file can't be read ({reason})") from None
        content = _load(text, str(mapping))
        if "variants" in content:
            raise InputError(f"{mapping}: only presets have variants")
        _apply(layout, content, known, str(mapping), strict=True)
    return layout


def _preset(name: str) -> dict[str, Any]:
    every = presets()
    if name not in every:
        raise InputError(f"there is no preset {name!r}; {near(name, list(every))}")
    base, _, variant = name.partition(":")
    content = _load(files(__package__).joinpath("presets", f"{base}.yaml").read_text("utf-8"), f"preset {base}")
    variants = content.pop("variants", {})
    if variant:
        for key, change in variants[variant].items():
            content[key] = {**content[key], **change} if isinstance(change, dict) and key in content else change
    return content


class _Loader(yaml.BaseLoader):
    """YAML with every scalar a text (``no`` is Norway, not false) and no key given twice."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[str] = set()
    for key, _ in node.value:
        if key.value in seen:
            raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} is given twice", key.start_mark)
        seen.add(key.value)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def _load(text: str, where: str) -> dict[str, Any]:
    try:
        content = yaml.load(text, Loader=_Loader)  # noqa: S506 - it builds texts, lists and mappings only
    except yaml.YAMLError as error:
        raise InputError(f"{where}: is not readable YAML ({' '.join(str(error).split())})") from None
    if content in (None, ""):
        return {}
    if not isinstance(content, dict):
        raise InputError(f"{where}: must be a mapping with the keys {', '.join(sorted(_KEYS))}")
    return content


def _apply(layout: Layout, content: Mapping[str, Any], known: Sequence[str], where: str, *, strict: bool) -> None:
    """Put ``content`` over ``layout``; per column for what is kept by column, whole otherwise."""
    for key, value in content.items():
        if key not in _KEYS:
            raise InputError(f"{where}: unknown key {key!r}; {near(key, sorted(_KEYS))}")
        if key in _TEXTS:
            setattr(layout, key, _text(value, f"{where}: {key}"))
        elif key in _LISTS:
            setattr(layout, key, _texts(value, f"{where}: {key}"))
        else:
            if not isinstance(value, dict):
                raise InputError(f"{where}: {key} must be a mapping of our column names")
            for ours, entry in value.items():
                if ours not in known:
                    if strict:
                        raise InputError(f"{where}: {key}: there is no column {ours!r}; {near(ours, list(known))}")
                    continue
                getattr(layout, key)[ours] = _entry(key, entry, f"{where}: {key}: {ours}")
                if strict and key == "columns":
                    layout.mapped.add(ours)
    for key in ("not_unique", "absent"):
        for ours in getattr(layout, key):
            if strict and key in content and ours not in known:
                raise InputError(f"{where}: {key}: there is no column {ours!r}; {near(ours, list(known))}")
    for flag in layout.flags:
        if flag not in FLAGS:
            raise InputError(f"{where}: unknown flag {flag!r}; {near(flag, list(FLAGS))}")
    if layout.decimal not in (None, ".", ","):
        raise InputError(f"{where}: decimal must be '.' or ',', not {layout.decimal!r}")


def _entry(key: str, entry: Any, where: str) -> Any:
    if key == "columns":
        return entry if isinstance(entry, str) else _texts(entry, where)
    if key == "constants":
        return _text(entry, where)
    if key == "empty_in":
        return _texts(entry, where)
    if not isinstance(entry, dict):
        raise InputError(f"{where}: must be a mapping")
    if key == "dates" and not {"year", "month", "day"} == set(entry):
        raise InputError(f"{where}: must name year, month and day, each a column or a whole number")
    return {name: _text(value, f"{where}: {name}") for name, value in entry.items()}


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{where}: must be one value, not {value!r}")
    return value


def _texts(value: Any, where: str) -> list[str]:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InputError(f"{where}: must be a list of values")
    return list(value)
