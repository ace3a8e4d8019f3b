"""One scheme borrows rules, values and columns from another: what comes along, whose names count, what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from cleanfleet.law.definition import Definition, load_definition
from cleanfleet.law.errors import LawError
from cleanfleet.law.policy import Policy

from .toy import POLICY, SOURCES, changed, dated, definition

FERRY: dict[str, Any] = {
    **POLICY,
    "id": "toy-ferries",
    "title": "Label of ferries",
    "borrows": {"toy-barges": ["over"]},
    "inputs": [
        {"name": "kind", "from": "toy-barges"},
        {"name": "noise", "from": "toy-barges", "max": "500", "required": "true"},
        {"name": "day", "from": "toy-barges"},
        {"name": "seats", "type": "integer", "min": "1", "max": "900"},
    ],
    "outcome": {"rule": "verdict", "answered": ["determined"]},
    "outputs": [{"name": "over_g", "rule": "over", "decimals": "2"}, {"name": "label"}],
    "flags": [],
    "checks": [],
}
RULES = '''
from cleanfleet.law.rules import *


def year(day):
    """The year; the lender's rule of that name isn't taken."""
    return year_of(day)


def label(over, ceiling):
    """Whether the ferry gets its label."""
    return choose(over <= ceiling, "label", "none")


def verdict(kind):
    """Every known kind is answered."""
    return needs(kind, "determined")
'''
VALUES = {
    "ceiling": {
        "description": "ceiling",
        "unit": "g/km",
        "kind": "standing",
        "values": [dated("2", **{"from": "2024-01-01"})],
    }
}


def ferry(folder: Path, policy: Mapping[str, Any] | None = None, *, rules: str = RULES, lender: bool = True) -> Definition:
    """The ferries' scheme, beside the toy's barges that it borrows from."""
    known = {"toy-barges": definition(folder / "barges").folder} if lender else {}
    own = folder / "ferries"
    (own / "values").mkdir(parents=True)
    (own / "policy.yaml").write_text(yaml.safe_dump(changed(FERRY, policy), sort_keys=False))
    (own / "values" / "sources.yaml").write_text(yaml.safe_dump(SOURCES))
    (own / "values" / "all.yaml").write_text(yaml.safe_dump(VALUES))
    (own / "rules.py").write_text(rules)
    return load_definition(own, {**known, "toy-ferries": own})


def test_a_rule_comes_with_what_it_needs_and_no_more(tmp_path: Path) -> None:
    stated = ferry(tmp_path)
    assert set(stated.rules) == {"year", "label", "verdict", "over"}
    assert set(stated.values) == {"ceiling", "limit"}
    assert stated.values["limit"].records[0].references[0].tag == "ACT"


def test_a_column_is_the_lender_s_but_for_what_is_said_here(tmp_path: Path) -> None:
    stated = ferry(tmp_path)
    assert [column.name for column in stated.inputs] == ["kind", "noise", "day", "seats"]
    assert stated.column("kind").aliases == {"alpha": "a"}
    noise = stated.column("noise")
    assert (noise.maximum, noise.minimum, noise.decimals, noise.required) == (Decimal(500), Decimal(-50), 2, True)


def test_the_borrower_answers_and_explains_with_the_lender_s_law(tmp_path: Path) -> None:
    policy = Policy(ferry(tmp_path), known="2026-01-01")
    answer = policy.one({"kind": "alpha", "noise": "101.75", "day": "2024-05-01"})
    assert (answer["status"], answer["over_g"], answer["label"]) == ("determined", Decimal("1.25"), "label")
    answer = policy.one({"kind": "a", "noise": "103", "day": "2024-05-01"})
    assert (answer["over_g"], answer["label"]) == (Decimal("2.50"), "none")
    assert policy.one({"kind": "a", "noise": "103", "day": "2026-05-01"})["reason"] == "missing:limit"
    assert "noise - limit" in str(policy.explain({"kind": "a", "noise": "103", "day": "2024-05-01"}))


def test_a_name_of_one_s_own_goes_before_the_lender_s(tmp_path: Path) -> None:
    rules = RULES.replace("year_of(day)", "year_of(day) - exactly(1, 'year')")
    policy = Policy(ferry(tmp_path, rules=rules), known="2026-01-01")
    # the limit of 2024, 100.5, because a ferry's year is the year before its day
    assert policy.one({"kind": "a", "noise": "101", "day": "2025-05-01"})["over_g"] == Decimal("0.50")


def test_a_lender_may_lend_columns_only(tmp_path: Path) -> None:
    rules = RULES.replace("def label(over, ceiling)", "def label(noise, ceiling)").replace(
        "over <= ceiling", "noise <= ceiling"
    )
    stated = ferry(tmp_path, {"borrows": {"toy-barges": []}, "outputs": [{"name": "label"}]}, rules=rules)
    assert set(stated.values) == {"ceiling"}
    assert stated.column("kind").required


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown lender": ({"borrows": {"toy-barge": ["over"]}}, r"borrows from 'toy-barge', which is no policy here; did you"),
    "an unknown rule": ({"borrows": {"toy-barges": ["ovr"]}}, r"toy-barges has no rule 'ovr'; did you mean over\?"),
    "a rule that stands here": ({"borrows": {"toy-barges": ["over", "year"]}}, "borrows year from toy-barges, but has it itself"),
    "a list of lenders": ({"borrows": ["toy-barges"]}, "borrows is not a mapping of policies to lists of rules"),
    "a word for a list": ({"borrows": {"toy-barges": "over"}}, "borrows is not a mapping of policies to lists of rules"),
    "itself": ({"borrows": {"toy-ferries": ["over"]}}, "toy-ferries borrows from toy-ferries: a circle"),
    "an unknown column": (
        {"inputs": [{"name": "knd", "from": "toy-barges"}]},
        r"input 'knd': toy-barges has no such column; did you mean kind\?",
    ),
    "a column of no lender": (
        {"inputs": [{"name": "kind", "from": "toy-boats"}]},
        "input kind is from 'toy-boats', which is not under borrows",
    ),
    "another scale of grades": (
        {"grades": [{"grade": "seen", "meaning": "seen", "doubtful": "false"}]},
        "confidence 'H' is not one of",
    ),
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSED)
def test_refused_is(tmp_path: Path, why: str) -> None:
    changes, message = REFUSED[why]
    with pytest.raises(LawError, match=message):
        ferry(tmp_path, changes)


def test_a_lender_needs_to_be_found(tmp_path: Path) -> None:
    with pytest.raises(LawError, match=r"policy\.yaml: borrows from 'toy-barges', which is no policy here"):
        ferry(tmp_path, lender=False)


def test_a_borrowed_value_keeps_to_the_borrower_s_grades(tmp_path: Path) -> None:
    stated = definition(tmp_path / "barges")
    own = tmp_path / "ferries"
    (own / "values").mkdir(parents=True)
    grades = [{"grade": "seen", "meaning": "seen", "doubtful": "false"}]
    (own / "policy.yaml").write_text(yaml.safe_dump({**FERRY, "grades": grades}, sort_keys=False))
    (own / "rules.py").write_text(RULES)
    with pytest.raises(LawError, match="borrows value limit from toy-barges, whose grade H is not in the grades here"):
        load_definition(own, {"toy-barges": stated.folder})


def test_a_column_that_a_borrowed_rule_needs_must_be_there(tmp_path: Path) -> None:
    stated = ferry(tmp_path, {"inputs": [entry for entry in FERRY["inputs"] if entry["name"] != "noise"]})
    with pytest.raises(LawError, match="over needs 'noise', which is no input, value or rule"):
        Policy(stated, known="2026-01-01")
