"""A scheme is found by its folder: a test of wood stoves, written here, that the package has never heard of."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cleanfleet import policies
from cleanfleet.law.errors import LawError, UnknownName
from cleanfleet.law.policy import Policy, compare

POLICY = """
id: toy-stove-test
title: Test of wood stoves
zone: America/Lima
header:
  standard_type: soot of stoves
  regulating_body: Office of Chimneys
  scope: stoves sold
  current_standard: 40 mg/MJ
  coming_standard: withdrawn
  instruments: [{title: Stove Act, from: "2020-01-01"}]
  not_known: [the limit of 2023]
grades:
  - {grade: seen, meaning: text seen, doubtful: false}
  - {grade: heard, meaning: told by a neighbour, doubtful: true}
date: sold_on
inputs:
  - {name: serial, type: text, description: serial number}
  - name: fuel
    type: choice
    required: true
    choices: {wood: logs, pellets: pressed wood, coal: coal}
    aliases: {logs: wood, hout: wood}
  - {name: soot, type: decimal, unit: mg/MJ, decimals: 1, min: "0", max: "999.9"}
  - {name: heat, type: integer, unit: kW, min: "1", max: "99"}
  - {name: sold_on, type: date, min: "2000-01-01", max: "2099-12-31"}
  - {name: antique, type: boolean}
outcome:
  rule: verdict
  answered: [pass, fail]
  reason: why
  undetermined: incomplete
  refused: unreadable
outputs:
  - {name: margin_mg, rule: margin, decimals: 2, description: limit minus soot}
  - {name: fee_pen, rule: fee, decimals: 2}
  - {name: label, rule: label}
  - {name: filter_due, rule: filter_due}
  - {name: next_visit, rule: visit}
flags:
  - {name: small, rule: is_small, description: too small to heat a room}
checks:
  - {name: "contradiction:heat", rule: impossible, description: no coal stove has less than 5 kW}
"""

VALUES = """
limit:
  description: soot limit
  unit: mg/MJ
  decimals: 1
  kind: per_period
  period: year
  keys: [fuel]
  values:
    - {year: 2022, value: "40", known_from: "2020-01-01", source: ACT, confidence: seen}
    - {year: 2022, fuel: pellets, value: 61/2, known_from: "2020-01-01", source: ACT, confidence: seen}
    - {year: 2023, value: null, known_from: "2020-01-01", source: ACT, confidence: seen, note: exists, not seen}
    - {year: 2024, value: "35", known_from: "2020-01-01", source: ACT, confidence: heard}
    - {year: 2025, value: "20", known_from: "2020-01-01", source: ACT, confidence: seen}
    - {year: 2025, withdrawn: true, known_from: "2024-06-01", source: ACT, section: s 9 repealed, confidence: seen}
base_fee:
  description: fee of a test
  unit: PEN
  decimals: 2
  kind: standing
  values:
    - {from: "2022-01-01", value: "10.00", known_from: "2020-01-01", source: ACT, confidence: seen}
    - {from: "2022-07-01", value: "12.50", known_from: "2022-05-05", source: ACT, confidence: seen}
fee_for_heat:
  description: fee for each kW
  unit: PEN/kW
  decimals: 2
  kind: standing
  values:
    - {from: "2022-01-01", value: "0.75", known_from: "2020-01-01", source: ACT, confidence: seen}
label_of_fuel:
  description: label by fuel
  kind: standing
  type: text
  allowed: [green, grey]
  keys: [fuel]
  values:
    - {from: "2022-01-01", value: green, known_from: "2020-01-01", source: ACT, confidence: seen}
    - {from: "2022-01-01", fuel: coal, value: grey, known_from: "2020-01-01", source: ACT, confidence: seen}
needs_filter:
  description: whether a filter is due
  kind: standing
  type: truth
  keys: [fuel]
  values:
    - {from: "2022-01-01", value: false, known_from: "2020-01-01", source: ACT, confidence: seen}
    - {from: "2022-01-01", fuel: coal, value: true, known_from: "2020-01-01", source: ACT, confidence: seen}
first_visit:
  description: day of the first visit of the chimney sweep
  kind: standing
  type: date
  values:
    - {from: "2022-01-01", value: "2022-10-01", known_from: "2020-01-01", source: ACT, confidence: seen}
small_heat:
  description: heat below which a stove is small
  unit: kW
  kind: standing
  values:
    - {from: "2000-01-01", value: "3", known_from: "2000-01-01", source: ACT, confidence: seen}
least_coal_heat:
  description: least heat of a coal stove
  unit: kW
  kind: standing
  values:
    - {from: "2000-01-01", value: "5", known_from: "2000-01-01", source: ACT, confidence: seen}
""".replace("note: exists, not seen", 'note: "exists, not seen"')

RULES = '''
from cleanfleet.law.rules import choose, dated, given, half_up, year_of


def year(sold_on):
    """The year in which the stove was sold."""
    return year_of(sold_on)


def margin(limit, soot):
    """How far the stove stays below the limit."""
    return limit - soot


def is_antique(antique):
    """An empty cell is no antique."""
    return choose(given(antique), antique, False)


def verdict(is_antique, margin):
    """Antiques pass."""
    return choose(is_antique, "pass", margin >= 0, "pass", "fail")


def why(is_antique, verdict):
    """Why the stove passed or failed."""
    return choose(is_antique, "antique", verdict == "fail", "too_much_soot", "none")


@dated("2022-01-01", known_from="2020-01-01", reference="Stove Act s 4")
def fee(base_fee):
    """A flat fee."""
    return base_fee


@dated("2022-10-01", known_from="2022-09-09", reference="Stove Act s 4 as amended")
def fee(base_fee, heat, fee_for_heat):
    """A fee by heat."""
    return half_up(base_fee + heat * fee_for_heat, decimals=2)


def label(label_of_fuel):
    """The label."""
    return label_of_fuel


def filter_due(needs_filter):
    """Whether a filter is due."""
    return needs_filter


def visit(sold_on, first_visit):
    """The first visit, not before the sale."""
    return choose(sold_on > first_visit, sold_on, first_visit)


def is_small(heat, small_heat):
    """Small."""
    return heat < small_heat


def impossible(fuel, heat, least_coal_heat):
    """No coal stove is that small."""
    return (fuel == "coal") & (heat < least_coal_heat)
'''

OVERLAY = """
overlay: strict
title: A proposal of 2021
fictitious: true
values:
  limit:
    - {year: 2022, fuel: wood, value: "25.5", reference: {title: Proposal, section: p 3}, confidence: seen}
"""


def write(place: Path, name: str = "stoves", **files: str) -> Path:
    folder = place / name
    for path, text in {
        "policy.yaml": POLICY,
        "rules.py": RULES,
        "values/all.yaml": VALUES,
        "values/sources.yaml": 'ACT: {title: Stove Act, url: "https://example.org/stoves"}\n',
        "overlays/strict.yaml": OVERLAY,
        **files,
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(policies.ENVIRONMENT, str(tmp_path))
    return tmp_path


@pytest.fixture
def stoves(place: Path) -> Policy:
    write(place)
    return policies.load("toy-stove-test", known="2026-01-01")


STOVE: dict[str, Any] = {"fuel": "wood", "soot": "30.5", "heat": 8, "sold_on": "2022-03-01", "antique": False}
SHOWN = ["status", "reason", "flags", "margin_mg", "fee_pen", "label", "filter_due", "next_visit"]


def told(policy: Policy, **changes: Any) -> dict[str, Any]:
    """One stove, as a record and as a table of one row: the same answer."""
    stove = {**STOVE, **changes}
    one = policy.one(stove)
    row = {**stove, "soot": None if stove["soot"] is None else float(stove["soot"])}
    types = {"soot": pl.Float64, "heat": pl.Int64, "sold_on": pl.String, "antique": pl.Boolean}
    frame = pl.DataFrame([row], schema_overrides=types)
    assert policy.assess(frame).frame.select(SHOWN).row(0, named=True) == one
    return one


# -- finding it


def test_a_scheme_is_found_by_its_folder(place: Path) -> None:
    assert "toy-stove-test" not in policies.folders()
    folder = write(place)
    assert policies.folders()["toy-stove-test"] == folder
    assert policies.definition("toy-stove-test").title == "Test of wood stoves"


def test_the_packages_own_schemes_are_still_found(stoves: Policy) -> None:
    assert {"toy-stove-test", "nz-clean-vehicle-standard"} <= set(policies.folders())


def test_finding_imports_no_code(place: Path) -> None:
    write(place, **{"rules.py": "raise SystemExit('imported')\n"})
    assert "toy-stove-test" in policies.folders()


def test_several_places_are_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "one")
    write(tmp_path / "two", **{"policy.yaml": POLICY.replace("toy-stove-test", '"toy-stove-two"')})
    places = [str(tmp_path / "one"), "", str(tmp_path / "nowhere"), str(tmp_path / "two")]
    monkeypatch.setenv(policies.ENVIRONMENT, os.pathsep.join(places))
    assert {"toy-stove-test", "toy-stove-two"} <= set(policies.folders())
    assert policies.load("toy-stove-two").id == "toy-stove-two"


def test_an_id_that_stands_twice_is_refused(place: Path) -> None:
    write(place, "a")
    write(place, "b")
    with pytest.raises(LawError, match=r"policy toy-stove-test stands in .*a and in .*b"):
        policies.folders()


def test_a_policy_without_id_is_refused(place: Path) -> None:
    write(place, **{"policy.yaml": "title: nameless\n"})
    with pytest.raises(LawError, match=r"policy\.yaml: has no id"):
        policies.folders()


def test_an_unknown_policy_is_refused_with_near_ones(stoves: Policy) -> None:
    with pytest.raises(UnknownName, match=r"no policy 'toy-stove-tst'; did you mean toy-stove-test\?"):
        policies.load("toy-stove-tst")


# -- assessing by it


def test_a_stove_passes_and_one_fails_by_their_own_words(stoves: Policy) -> None:
    assert told(stoves) == {
        "status": "pass", "reason": None, "flags": None, "margin_mg": Decimal("9.50"), "fee_pen": Decimal("10.00"),
        "label": "green", "filter_due": False, "next_visit": dt.date(2022, 10, 1),
    }  # fmt: skip
    failed = told(stoves, soot="40.1")
    assert (failed["status"], failed["reason"], failed["margin_mg"]) == ("fail", "too_much_soot", Decimal("-0.10"))
    assert told(stoves, soot="40")["status"] == "pass"


def test_a_key_has_its_own_limit_and_others_the_general_one(stoves: Policy) -> None:
    assert told(stoves, fuel="pellets")["margin_mg"] == Decimal("0.00")
    assert told(stoves, fuel="coal")["margin_mg"] == Decimal("9.50")


@pytest.mark.parametrize("spelling", ["logs", "Hout", " WOOD ", "wood"])
def test_an_alias_is_the_choice_it_stands_for(stoves: Policy, spelling: str) -> None:
    assert told(stoves, fuel=spelling) == told(stoves)


def test_what_is_missing_is_incomplete(stoves: Policy) -> None:
    found = told(stoves, soot=None)
    assert (found["status"], found["reason"]) == ("incomplete", "missing:soot")
    assert found["label"] == "green"


def test_a_null_value_is_incomplete_and_names_the_value(stoves: Policy) -> None:
    found = told(stoves, sold_on="2023-03-01")
    assert (found["status"], found["reason"]) == ("incomplete", "missing:limit")


def test_a_truth_input_takes_the_stove_off_the_limit(stoves: Policy) -> None:
    """An antique's verdict needs no soot; its margin does, so the figures are incomplete without it."""
    found = told(stoves, antique=True, soot="900")
    assert (found["status"], found["reason"]) == ("pass", "antique")
    assert told(stoves, antique=True, soot=None)["status"] == "incomplete"
    assert told(stoves, antique=None)["reason"] is None


def test_what_cannot_be_read_has_its_own_word(stoves: Policy) -> None:
    found = stoves.one({**STOVE, "soot": "much", "fuel": "peat"})
    assert (found["status"], found["reason"]) == ("unreadable", "unknown_value:fuel; not_a_number:soot")


def test_a_check_refuses_what_cannot_be(stoves: Policy) -> None:
    found = told(stoves, fuel="coal", heat=4)
    assert (found["status"], found["reason"]) == ("unreadable", "contradiction:heat")
    assert told(stoves, fuel="coal", heat=5)["status"] == "pass"


def test_a_flag_is_told_beside_the_answer(stoves: Policy) -> None:
    assert told(stoves, heat=2)["flags"] == "small"


def test_a_doubtful_value_marks_what_used_it(stoves: Policy) -> None:
    assert told(stoves, sold_on="2024-03-01")["flags"] == "doubtful:limit"


def test_values_of_text_truth_and_date(stoves: Policy) -> None:
    coal = told(stoves, fuel="coal")
    assert (coal["label"], coal["filter_due"]) == ("grey", True)
    assert told(stoves, sold_on="2022-12-24")["next_visit"] == dt.date(2022, 12, 24)


def test_a_standing_value_changes_on_its_day(stoves: Policy) -> None:
    assert told(stoves, sold_on="2022-06-30")["fee_pen"] == Decimal("10.00")
    assert told(stoves, sold_on="2022-07-01")["fee_pen"] == Decimal("12.50")


def test_a_standing_value_is_missing_before_its_first_day(stoves: Policy) -> None:
    found = told(stoves, sold_on="2021-12-31", antique=True)
    named = {"limit", "base_fee", "label_of_fuel", "needs_filter", "first_visit"}
    assert set(found["reason"].split("; ")) == {f"missing:{name}" for name in named}


def test_where_the_verdict_is_missing_only_what_it_needs_is_named(stoves: Policy) -> None:
    assert told(stoves, sold_on="2021-12-31")["reason"] == "missing:limit"


def test_a_value_of_one_year_is_not_carried_into_the_next(stoves: Policy) -> None:
    assert told(stoves, sold_on="2026-03-01")["reason"] == "missing:limit"


def test_a_dated_formula_applies_from_its_day(stoves: Policy) -> None:
    assert told(stoves, sold_on="2022-09-30")["fee_pen"] == Decimal("12.50")
    assert told(stoves, sold_on="2022-10-01")["fee_pen"] == Decimal("18.50")
    assert told(stoves, sold_on="2022-09-30", heat=None)["status"] == "pass"
    assert told(stoves, sold_on="2022-10-01", heat=None)["reason"] == "missing:heat"


def test_a_dated_formula_was_not_known_before_its_day(stoves: Policy) -> None:
    assert told(stoves.at(known="2022-09-08"), sold_on="2022-10-01")["fee_pen"] == Decimal("12.50")
    assert told(stoves.at(known="2022-09-09"), sold_on="2022-10-01")["fee_pen"] == Decimal("18.50")
    assert told(stoves.at(known="2022-05-04"), sold_on="2022-07-01")["fee_pen"] == Decimal("10.00")


def test_a_withdrawn_step_counted_until_it_was_withdrawn(stoves: Policy) -> None:
    assert told(stoves.at(known="2024-05-31"), sold_on="2025-03-01")["status"] == "fail"
    assert told(stoves.at(known="2024-06-01"), sold_on="2025-03-01")["reason"] == "missing:limit"


def test_an_overlay_wins_marks_what_used_it_and_is_fictitious(place: Path, stoves: Policy) -> None:
    strict = policies.load("toy-stove-test", known="2026-01-01", values=["strict"])
    found = told(strict)
    assert (found["status"], found["margin_mg"], found["flags"]) == ("fail", Decimal("-5.00"), "overlay:strict")
    assert told(strict, fuel="pellets") == told(stoves, fuel="pellets")
    assert strict.program.fictitious
    assert not stoves.program.fictitious
    assert strict.digest != stoves.digest


def test_an_instant_counts_by_the_schemes_own_midnight(stoves: Policy) -> None:
    """Lima is five hours behind UTC: the new fee begins at 05:00 UTC."""
    for hour, fee in ((4, Decimal("10.00")), (5, Decimal("12.50"))):
        instant = dt.datetime(2022, 7, 1, hour, tzinfo=dt.UTC)
        frame = pl.DataFrame([{**STOVE, "soot": 30.5, "sold_on": instant}])
        assert stoves.assess(frame).frame["fee_pen"].to_list() == [fee]
        assert stoves.one({**STOVE, "sold_on": instant})["fee_pen"] == fee


def test_a_whole_table_is_assessed_counted_and_compared(stoves: Policy) -> None:
    frame = pl.DataFrame({
        "serial": ["s1", "s2", "s3", "s4"],
        "fuel": ["wood", "pellets", "coal", "peat"],
        "soot": [30.5, None, 40.1, 1.0],
        "heat": [8, 8, 8, 8],
        "sold_on": [dt.date(2022, 3, 1)] * 4,
    })  # fmt: skip
    assessment = stoves.assess(frame)
    assert assessment.frame["status"].to_list() == ["pass", "incomplete", "fail", "unreadable"]
    assert assessment.missing() == {"soot": 1}
    changed = compare(stoves, stoves.at(values=["strict"]), frame)
    assert changed.filter("changed")["serial"].to_list() == ["s1"]


def test_what_the_scheme_states_can_be_asked(stoves: Policy) -> None:
    assert stoves.graph()["fee"] == ("base_fee", "heat", "fee_for_heat")
    assert stoves.value("limit", period=2022, fuel="pellets")[0] == Decimal("30.5")
    assert list(stoves.schema) == SHOWN


def test_a_mistake_in_the_folder_is_told_with_its_file(place: Path) -> None:
    write(place, **{"values/all.yaml": VALUES.replace("value: 61/2", "value: 61/3")})
    with pytest.raises(LawError, match=r"stoves/values/all\.yaml: limit, record 2: '61/3' is not exact at 1 decimals"):
        policies.load("toy-stove-test")


# -- by the command line


def test_the_command_line_reaches_it(stoves: Policy, place: Path) -> None:
    """The environment's path is all that the command line needs; the answer is the library's."""
    stated = place / "stoves.csv"
    stated.write_text(
        "fuel,soot,heat,sold_on,antique\nlogs,30.5,8,2022-03-01,no\nwood,40.1,8,2022-03-01,no\n", encoding="utf-8"
    )

    def run(*words: str) -> str:
        command = [sys.executable, "-m", "cleanfleet", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ}).stdout

    assert "toy-stove-test" in run("policies")
    found = json.loads(
        run("assess", str(stated), "-p", "toy-stove-test", "--known", "2026-01-01", "--json"), parse_float=Decimal
    )
    assert [row["status"] for row in found["results"]] == ["pass", "fail"]
    assert [row["margin_mg"] for row in found["results"]] == [
        told(stoves)["margin_mg"],
        told(stoves, soot="40.1")["margin_mg"],
    ]
    assert "too_much_soot" in run(
        "explain", "toy-stove-test", "fuel=wood", "soot=40.1", "heat=8", "sold_on=2022-03-01", "antique=no"
    )


def test_a_scheme_may_bring_a_single_command(place: Path) -> None:
    folder = write(place)
    (folder / "commands.yaml").write_text("sweep-chimney: Sweep a chimney.\n")
    (folder / "commands.py").write_text(
        "import typer\n\napp = typer.Typer()\n\n\n@app.command('sweep-chimney')\ndef sweep(times: int = 1) -> None:\n"
        '    """Sweep a chimney."""\n    print(f"swept {times} times")\n'
    )

    def call(*arguments: str) -> str:
        command = [sys.executable, "-m", "cleanfleet", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ}).stdout

    assert call("sweep-chimney", "--times", "3") == "swept 3 times\n"
    assert "sweep-chimney" in call("--help")
