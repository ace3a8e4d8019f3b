"""Totals over a file: of the numbers whose sum means something, over the answered rows."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from law.toy import KNOWN, definition

from cleanfleet.cli import assess as command
from cleanfleet.law.policy import Policy
from cleanfleet.tables.assess_file import assess_file

RULE = """

def is_from_south(port):
    '''Whether the barge comes from the south.'''
    return port == "south"


def mass_left(mass_kg, heavy_from_kg):
    '''What is left up to a heavy barge.'''
    return heavy_from_kg - mass_kg
"""
OUTPUTS = [
    {"name": "over_g", "rule": "over", "decimals": "2"},
    {"name": "limit_g", "rule": "shown_limit", "decimals": "2", "total": "false"},
    {"name": "left_kg", "rule": "mass_left", "where": "is_from_south"},
]
LIMIT = "\n\ndef shown_limit(limit):\n    '''The limit.'''\n    return limit\n"


def toy(folder: Path) -> Policy:
    return Policy(definition(folder / "scheme", policy={"outputs": OUTPUTS}, more_rules=RULE + LIMIT), known=KNOWN)


def table(folder: Path, port: str) -> Path:
    path = folder / "barges.csv"
    lines = [f"a,{noise},100,2024-05-01,no,{port}" for noise in ("103.99", "101.5", "")]
    path.write_text("\n".join(["kind,noise,mass_kg,day,exempt,port", *lines]) + "\n")
    return path


def test_what_has_no_total_is_left_out(tmp_path: Path) -> None:
    outcome = assess_file(table(tmp_path, "south"), toy(tmp_path))
    assert outcome.statuses == {"determined": 2, "not_determined": 1}
    assert outcome.totals == {"over_g": Decimal("4.49"), "left_kg": Decimal(9800)}


def test_a_column_of_other_rows_has_no_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for port, shown in (("south", True), ("north", False)):
        path = table(tmp_path, port)
        command.show_outcome(assess_file(path, toy(tmp_path / port)), path)
        out = capsys.readouterr().out
        assert ("left kg" in out) is shown
        assert "over g" in out


SUMMARY = """
class Summary:
    name, needs = "barges", ()

    def __init__(self, policy):
        self.parts = []

    def add(self, frame):
        self.parts.append(frame)

    def frame(self):
        return self.parts[0].select("status").group_by("status").len()
"""


def test_a_summary_needs_no_column_of_texts(tmp_path: Path) -> None:
    """The summary gets the file's texts (names) beside the answers, and the answers alone where there are none."""
    stated = {"outputs": OUTPUTS, "summary": {"module": "summary"}}
    policy = Policy(
        definition(tmp_path / "scheme", policy=stated, more_rules=RULE + LIMIT, files={"summary.py": SUMMARY}), known=KNOWN
    )
    path = table(tmp_path, "south")
    found = assess_file(path, policy, summarise=True).summary
    assert found is not None
    assert sorted(found.rows()) == [("determined", 2), ("not_determined", 1)]
