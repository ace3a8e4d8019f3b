"""What a policy's folder must state; every refusal names the file and the entry."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from cleanfleet.law.definition import HEADER
from cleanfleet.law.errors import LawError, UnknownName

from .toy import POLICY, changed, dated, definition, inputs


@pytest.mark.parametrize("key", ["id", "title", "zone", "header", "grades", "inputs", "outcome", "outputs"])
def test_policy_yaml_needs(tmp_path: Path, key: str) -> None:
    with pytest.raises(LawError, match=rf"policy\.yaml: has no {key}"):
        definition(tmp_path / "toy", policy={key: ...})


@pytest.mark.parametrize("key", HEADER)
def test_the_header_needs(tmp_path: Path, key: str) -> None:
    with pytest.raises(LawError, match=rf"policy\.yaml: the header has no {key}"):
        definition(tmp_path / "toy", policy={"header": changed(POLICY["header"], {key: ...})})


ENTRIES: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown key": ({"inptus": []}, r"unknown key 'inptus'; did you mean inputs"),
    "an unknown key of the outcome": (
        {"outcome": {"rule": "verdict", "reasn": "x"}},
        r"outcome: unknown key 'reasn'; did you mean reason",
    ),
    "an outcome without a rule": ({"outcome": {"answered": ["x"]}}, "outcome names no rule"),
    "an outcome that is a word": ({"outcome": "verdict"}, "outcome names no rule"),
    "answered as a word": ({"outcome": {"rule": "verdict", "answered": "determined"}}, "outcome: answered is not a list"),
    "an unknown key of an output": (
        {"outputs": [{"name": "over", "decimal": "2"}]},
        r"outputs over: unknown key 'decimal'; did you mean decimals\?",
    ),
    "an output without a name": ({"outputs": [{"rule": "over"}]}, "an entry of outputs has no name"),
    "a flag without a name": ({"flags": [{"rule": "is_heavy"}]}, "an entry of flags has no name"),
    "an output with odd decimals": (
        {"outputs": [{"name": "over", "decimals": "2.5"}]},
        "output over: decimals '2.5' is not a whole",
    ),
    "outputs as a mapping": ({"outputs": {"over": "2"}}, "outputs is not a list of entries"),
    "inputs as words": ({"inputs": ["kind"]}, "inputs is not a list of entries"),
    "an input twice": ({"inputs": [*POLICY["inputs"], POLICY["inputs"][1]]}, "input kind stands twice"),
    "an input named as another's other name": (
        {"inputs": [*POLICY["inputs"], {"name": "other", "type": "text", "names": ["Kind"]}]},
        "column name kind stands twice",
    ),
    "an output twice": ({"outputs": [{"name": "over"}, {"name": "over"}]}, "column over stands twice"),
    "an output named as an input": ({"outputs": [{"name": "kind", "rule": "over"}]}, "column kind stands twice"),
    "an output named status": ({"outputs": [{"name": "status", "rule": "over"}]}, "column status stands twice"),
    "a flag twice": ({"flags": [{"name": "is_heavy"}, {"name": "is_heavy"}]}, "flags is_heavy stands twice"),
    "an unknown zone": (
        {"zone": "Pacific/Aukland"},
        r"zone 'Pacific/Aukland' is not a time zone; write it as Pacific/Auckland",
    ),
}


@pytest.mark.parametrize("why", ENTRIES)
def test_policy_yaml_is_refused_for(tmp_path: Path, why: str) -> None:
    changes, message = ENTRIES[why]
    with pytest.raises(LawError, match=rf"policy\.yaml: {message}"):
        definition(tmp_path / "toy", policy=changes)


def test_a_duplicate_key_in_policy_yaml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LawError, match=r"policy\.yaml, line 2: 'id' stands twice"):
        definition(tmp_path / "toy", files={"policy.yaml": "id: one\nid: two\n"})


def test_policy_yaml_is_a_mapping(tmp_path: Path) -> None:
    with pytest.raises(LawError, match=r"policy\.yaml: is not a mapping"):
        definition(tmp_path / "toy", files={"policy.yaml": "- id\n"})


def test_an_input_is_refused_with_its_file_and_name(tmp_path: Path) -> None:
    with pytest.raises(LawError, match=r"policy\.yaml: input mass_kg: an integer needs min and max"):
        definition(tmp_path / "toy", policy=inputs({"name": "mass_kg", "max": ...}))


def test_a_folder_without_its_files_is_refused(tmp_path: Path) -> None:
    stated = definition(tmp_path / "toy")
    (stated.folder / "rules.py").unlink()
    from cleanfleet.law.definition import load_definition

    with pytest.raises(LawError, match=r"rules\.py: is missing"):
        load_definition(stated.folder)
    (stated.folder / "policy.yaml").unlink()
    with pytest.raises(LawError, match=r"toy: has no policy\.yaml"):
        load_definition(stated.folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def broken(:\n", r"rules\.py: SyntaxError"),
        ("1 / 0\n", r"rules\.py: ZeroDivisionError"),
        ("from cleanfleet.law.rules import nothing\n", r"rules\.py: ImportError"),
    ],
)
def test_rules_that_cannot_be_loaded_are_one_error_with_the_file(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(LawError, match=message):
        definition(tmp_path / "toy", rules=text)


def test_a_private_function_and_an_imported_one_are_no_rules(tmp_path: Path) -> None:
    stated = definition(tmp_path / "toy", more_rules="\n\ndef _helper(x):\n    return x\n\n\nclass Thing:\n    pass\n")
    assert "_helper" not in stated.rules
    assert "Thing" not in stated.rules
    assert "choose" not in stated.rules
    assert "over" in stated.rules


def test_columns_and_overlays_are_found_by_name(tmp_path: Path) -> None:
    laid = {"values": {"rate": [dated("1", **{"from": "2024-01-01"})]}}
    stated = definition(tmp_path / "toy", overlays={"cheaper": laid})
    assert stated.column("kind").kind == "choice"
    assert list(stated.overlays()) == ["cheaper"]
    assert stated.overlay("cheaper").id == "cheaper"
    assert stated.overlay(stated.folder / "overlays" / "cheaper.yaml").id == "cheaper"
    with pytest.raises(UnknownName, match=r"toy-barges has no input column 'knd'; did you mean kind\?"):
        stated.column("knd")
    with pytest.raises(UnknownName, match=r"no overlay or file 'cheeper'; did you mean cheaper\?"):
        stated.overlay("cheeper")


def test_nothing_of_the_toy_is_shared_between_tests() -> None:
    before = copy.deepcopy(POLICY)
    inputs({"name": "kind", "choices": {"z": ""}})
    assert before == POLICY
