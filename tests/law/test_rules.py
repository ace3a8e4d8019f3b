"""Dated formulas: which one applies on a day, and which was known."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cleanfleet.law import rules
from cleanfleet.law.errors import LawError
from cleanfleet.law.policy import Policy

from .toy import BARGE, RULES, definition, inputs

Scheme = Callable[..., Policy]

CHARGE = RULES[RULES.index("def charge") : RULES.index("def band")]


def with_dated(*variants: tuple[str, str, str]) -> str:
    """The toy's rules with these dated formulas of the charge: (applies from, known from, body)."""
    written = "".join(
        f'@dated("{start}", known_from="{known}", reference="Barge Act s {i}")\n'
        f'def charge(whole_over, rate, mass_kg):\n    """v{i}"""\n    return {body}\n\n\n'
        for i, (start, known, body) in enumerate(variants, 1)
    )
    return RULES.replace(CHARGE, written)


SIMPLE, DOUBLE, TRIPLE = "whole_over * rate", "whole_over * rate * 2", "whole_over * rate * 3"


def charge(policy: Policy, day: str) -> Any:
    return policy.one({**BARGE, "day": day, "noise": "110.5"})["charge_eur"]


def test_a_formula_applies_from_its_day_on(scheme: Scheme) -> None:
    policy = scheme(rules=with_dated(("2024-01-01", "2023-01-01", SIMPLE), ("2024-07-01", "2023-01-01", DOUBLE)))
    assert charge(policy, "2024-06-30") == Decimal("52.50")
    assert charge(policy, "2024-07-01") == Decimal("105.00")


def test_the_order_of_the_functions_does_not_matter(scheme: Scheme) -> None:
    policy = scheme(rules=with_dated(("2024-07-01", "2023-01-01", DOUBLE), ("2024-01-01", "2023-01-01", SIMPLE)))
    assert charge(policy, "2024-06-30") == Decimal("52.50")
    assert charge(policy, "2024-07-01") == Decimal("105.00")


def test_a_formula_counts_from_the_day_it_was_known(scheme: Scheme) -> None:
    policy = scheme(rules=with_dated(("2024-01-01", "2023-01-01", SIMPLE), ("2024-07-01", "2024-05-05", DOUBLE)))
    assert charge(policy.at(known="2024-05-04"), "2024-07-01") == Decimal("52.50")
    assert charge(policy.at(known="2024-05-05"), "2024-07-01") == Decimal("105.00")


def test_of_two_formulas_for_one_day_the_one_known_last_counts(scheme: Scheme) -> None:
    policy = scheme(rules=with_dated(
        ("2024-01-01", "2023-01-01", SIMPLE), ("2024-07-01", "2024-06-06", TRIPLE), ("2024-07-01", "2024-05-05", DOUBLE),
    ))  # fmt: skip
    assert charge(policy.at(known="2024-06-05"), "2024-07-01") == Decimal("105.00")
    assert charge(policy.at(known="2024-06-06"), "2024-07-01") == Decimal("157.50")


def test_only_the_formula_that_applies_counts_for_what_is_missing(scheme: Scheme) -> None:
    heavy = "needs(mass_kg, whole_over * rate)"
    policy = scheme(rules=with_dated(("2024-01-01", "2023-01-01", SIMPLE), ("2024-07-01", "2023-01-01", heavy)))
    barge = {**BARGE, "mass_kg": None}
    assert policy.one({**barge, "day": "2024-06-30"})["status"] == "determined"
    after = policy.one({**barge, "day": "2024-07-01"})
    assert (after["status"], after["reason"]) == ("not_determined", "missing:mass_kg")


def test_an_explanation_cites_the_formula_that_applies(scheme: Scheme) -> None:
    policy = scheme(rules=with_dated(
        ("2024-01-01", "2023-01-01", SIMPLE), ("2024-07-01", "2024-06-06", TRIPLE), ("2024-07-01", "2024-05-05", DOUBLE),
    ))  # fmt: skip
    assert policy.explain({**BARGE, "day": "2024-06-30"}).step("charge").heading == "v1 (Barge Act s 1)"
    assert policy.explain({**BARGE, "day": "2024-07-01"}).step("charge").heading == "v2 (Barge Act s 2)"
    before = policy.at(known="2024-06-05").explain({**BARGE, "day": "2024-07-01"})
    assert before.step("charge").heading == "v3 (Barge Act s 3)"
    nowhere = policy.explain({**BARGE, "day": None}).step("charge")
    assert (nowhere.heading, nowhere.result) == ("v1 (Barge Act s 1)", None)


def test_a_rule_of_which_nothing_was_known_is_refused(scheme: Scheme) -> None:
    policy = scheme(rules=with_dated(("2024-01-01", "2023-05-05", SIMPLE)))
    with pytest.raises(LawError, match=r"toy-barges: no formula of charge was known on 2023-05-04"):
        policy.at(known="2023-05-04")


def test_formulas_of_different_units_are_refused(scheme: Scheme) -> None:
    with pytest.raises(LawError, match=r"charge|different units"):
        scheme(rules=with_dated(("2024-01-01", "2023-01-01", SIMPLE), ("2024-07-01", "2023-01-01", "whole_over")))


def test_known_from_and_reference_have_no_default() -> None:
    with pytest.raises(TypeError, match=r"known_from"):
        rules.dated("2024-01-01", reference="Act")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"reference"):
        rules.dated("2024-01-01", known_from="2023-01-01")  # type: ignore[call-arg]
    with pytest.raises(LawError, match=r"needs its reference"):
        rules.dated("2024-01-01", known_from="2023-01-01", reference="")


@pytest.mark.parametrize("day", ["2024-13-01", "1 July", ""])
def test_a_formula_with_no_date_is_refused_by_name(tmp_path: Path, day: str) -> None:
    with pytest.raises(LawError, match=r"charge: dated\(\) needs dates like '2025-01-01'"):
        definition(tmp_path / "toy", rules=with_dated((day, "2023-01-01", SIMPLE)))


def test_a_dated_rule_that_stands_again_without_a_date_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LawError, match=r"rule charge: stands as a dated formula and once more without dated\(\)"):
        definition(tmp_path / "toy", rules=with_dated(("2024-01-01", "2023-01-01", SIMPLE)) + CHARGE)


def test_dated_formulas_need_the_policys_date(scheme: Scheme) -> None:
    two = with_dated(("2024-01-01", "2023-01-01", SIMPLE), ("2024-07-01", "2023-01-01", DOUBLE))
    with pytest.raises(LawError, match=r"needs 'dy', which is no input, value or rule; did you mean day"):
        scheme(rules=two, policy={"date": "dy"})
    with pytest.raises(LawError, match=r"mass_kg is a number, not a date|a date can't|can't be compared"):
        scheme(rules=two, policy={"date": "mass_kg", **inputs()})


def test_every_word_that_a_rule_may_use_can_be_imported() -> None:
    assert all(callable(getattr(rules, name)) for name in rules.__all__)
