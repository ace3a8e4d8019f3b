"""Fitted values as an overlay file: written whole or not at all, and only where it loads."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from cleanfleet.law.errors import InputError, LawError
from cleanfleet.law.policy import Policy

Record = dict[str, Any]


class _Dumper(yaml.SafeDumper):
    """Writes what stands twice twice, without YAML's anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def name_of(file: Path) -> str:
    """The file's name without its suffix, fit to be part of an id and a flag: letters, digits, '.', '_' and '-' only.

    >>> name_of(Path("data/my pairs; 2026.csv"))
    'my-pairs-2026'
    """
    return re.sub(r"[^\w.-]+", "-", file.stem).strip("-") or "file"


def overlay_text(file: Path, what: str, values: Mapping[str, Sequence[Record]]) -> str:
    """The text of an overlay ``fitted-<name>`` that marks what it is used for ``fitted:<name>``.

    ``what`` ends its title 'fitted, not law: ...'; ``values`` maps names of values to their records.
    """
    content = {
        "overlay": f"fitted-{name_of(file)}",
        "title": f"fitted, not law: {what}",
        "mark": f"fitted:{name_of(file)}",
        "values": {name: list(records) for name, records in values.items()},
    }
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def check(policy: Policy, text: str, overlays: Sequence[str | Path] = ()) -> Policy:
    """The policy under the overlay, laid over ``overlays``; :class:`LawError` where it doesn't load."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "overlay.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            return policy.at(values=[*overlays, path])
        except LawError as error:
            raise LawError(f"the fitted values can't be used: {str(error).removeprefix(f'{path}: ')}") from None


def check_target(out: Path | None, file: Path, *, force: bool) -> None:
    """Refuse an ``out`` that is there already (unless ``force``), is the input itself, or lies in no folder."""
    if out is None:
        return
    if out.is_dir():
        raise InputError(f"--out: {out} is a directory, not a file")
    if not out.parent.is_dir():
        raise InputError(f"--out: there is no folder {out.parent}")
    if out.exists() and file.exists() and out.samefile(file):
        raise InputError(f"--out: {out} is the input itself; give another name")
    if out.exists() and not force:
        raise InputError(f"--out: {out} exists already; give another name, or --force to replace it")


def save(out: Path, text: str) -> None:
    """Write ``text`` to ``out``, whole or not at all; :class:`InputError` where it can't be written."""
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(out)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(f"--out: {out} can't be written ({error.strerror or error})") from None
