"""The package has no scheme's, country's or source's name in it, and imports nothing of ours and nothing from outside."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import cleanfleet.credits

FOLDER = Path(cleanfleet.credits.__file__).parent
FILES = sorted(FOLDER.glob("*.*"))

#: Countries, agencies, schemes, their words, and the sources of shared cases.
NAMES = [
    "zealand", "nz", "nzta", "waka", "australia", "china", "chinese", "cn", "miit", "nev", "cafc", "catarc", "dual", "peru", "colombia",
    "japan", "america", "california", "carb", "zev", "europe", "eu", "epa", "omega", "tfrs", "columbia", "bc", "clean car", "clean vehicle",
    "ccs", "cvs", "hubei", "co2", "type a", "type b", "payg",
]  # fmt: skip


def test_no_name_of_a_scheme_a_country_or_a_source() -> None:
    assert len(FILES) >= 12
    for path in FILES:
        for number, line in enumerate(path.read_text(encoding="utf-8").lower().splitlines(), 1):
            for name in NAMES:
                assert not re.search(rf"(?<![a-z0-9]){name}(?![a-z0-9])", line), f"{path.name}:{number} names {name}: {line}"


def test_the_standard_library_only() -> None:
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules = [node.module or ""]
            else:
                continue
            for module in modules:
                assert module.partition(".")[0] in sys.stdlib_module_names, f"{path.name} imports {module}"


def test_short_modules() -> None:
    assert all(len(path.read_text(encoding="utf-8").splitlines()) < 520 for path in FOLDER.glob("*.py"))
