"""A pytest plugin for tools/mutants.py: the scheme MUTANT_POLICY is read from MUTANT_FOLDER."""

from __future__ import annotations

import os
from pathlib import Path

from cleanfleet import policies

_folders = policies.folders


def _with_mutant() -> dict[str, Path]:
    return {**_folders(), os.environ["MUTANT_POLICY"]: Path(os.environ["MUTANT_FOLDER"])}


policies.folders = _with_mutant
