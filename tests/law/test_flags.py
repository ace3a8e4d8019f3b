"""What is missing, what is named as missing, and which marks a result bears: only the path that a row takes counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from cleanfleet.law.policy import Policy

from .toy import BARGE, RULES, dated, value

Scheme = Callable[..., Policy]
START = {"from": "2024-01-01"}


def answer(policy: Policy, **changes: Any) -> dict[str, Any]:
    """One answer; the whole-table answer must be the same."""
    barge = {**BARGE, **changes}
    one = policy.one(barge)
    typed = {name: None if cell is None else str(cell) for name, cell in barge.items()}
    frame = pl.DataFrame(
        {name: [cell] for name, cell in typed.items()}, schema=dict.fromkeys(typed, pl.String)
    ).with_columns(pl.col("noise").cast(pl.Decimal(18, 6)), pl.col("mass_kg").cast(pl.Int64))
    row = policy.assess(frame).frame.select(policy.table().names()).row(0, named=True)
    assert row == one
    return one


def told(policy: Policy, **changes: Any) -> tuple[Any, set[str]]:
    found = answer(policy, **changes)
    return found["status"], set((found["reason"] or "").split("; ")) - {""}


# -- missing


def test_a_needed_input_is_named(scheme: Scheme) -> None:
    assert told(scheme(), noise=None) == ("not_determined", {"missing:noise"})


def test_an_input_that_only_a_flag_needs_is_not_missed(scheme: Scheme) -> None:
    assert told(scheme(), mass_kg=None) == ("determined", set())


def test_every_missing_name_is_told(scheme: Scheme) -> None:
    policy = scheme(values=value("rate", dated(None, **START)))
    assert told(policy, noise=None) == ("not_determined", {"missing:noise", "missing:rate"})


def test_a_missing_key_names_only_the_key(scheme: Scheme) -> None:
    policy = scheme(values=value("limit", dated(None, year="2024")))
    assert told(policy, kind=None) == ("not_determined", {"missing:kind"})
    assert told(policy, kind="a") == ("not_determined", {"missing:limit"})


def test_a_missing_date_names_only_the_date(scheme: Scheme) -> None:
    assert told(scheme(), day=None) == ("not_determined", {"missing:day"})


def test_a_period_without_a_value_names_the_value(scheme: Scheme) -> None:
    assert told(scheme(), day="2027-01-01") == ("not_determined", {"missing:limit"})
    assert told(scheme(), day="2023-12-31") == ("not_determined", {"missing:limit", "missing:rate"})


def test_an_excluded_barge_misses_nothing(scheme: Scheme) -> None:
    assert told(scheme(), kind="c", noise=None, exempt=None) == ("excluded", {"small_craft"})
    assert told(scheme(), exempt=True, noise=None) == ("excluded", {"exempted"})


def test_an_empty_answer_to_given_is_not_missed(scheme: Scheme) -> None:
    assert told(scheme(), exempt=None) == ("determined", set())


PATHS = """

def levy(port, whole_over, mass_kg, heavy_from_kg, exempt):
    return choose(port == "south", choose(mass_kg > heavy_from_kg, 0, whole_over), whole_over)
"""
LEVY = {"outputs": [{"name": "levy", "decimals": "0"}]}


def test_only_the_branch_that_is_taken_counts(scheme: Scheme) -> None:
    policy = scheme(more_rules=PATHS, policy=LEVY)
    assert told(policy, port="north", mass_kg=None) == ("determined", set())
    assert told(policy, port="south", mass_kg=None) == ("not_determined", {"missing:mass_kg"})
    assert told(policy, port="south", mass_kg="9000", noise=None) == ("determined", set())
    assert told(policy, port="south", mass_kg="100", noise=None) == ("not_determined", {"missing:noise"})


def test_behind_a_missing_condition_nothing_is_named(scheme: Scheme) -> None:
    policy = scheme(more_rules=PATHS, policy=LEVY)
    assert told(policy, port="south", mass_kg=None, noise=None) == ("not_determined", {"missing:mass_kg"})


def test_an_input_with_a_default_is_never_missed(scheme: Scheme) -> None:
    policy = scheme(more_rules=PATHS, policy=LEVY)
    assert told(policy, port=None, mass_kg=None) == ("determined", set())


def test_needs_makes_a_known_value_missing(scheme: Scheme) -> None:
    policy = scheme(
        more_rules="\n\ndef levy(mass_kg, rate):\n    return needs(mass_kg, rate)\n",
        policy={"outputs": [{"name": "levy", "decimals": "2"}]},
    )
    assert told(policy, mass_kg=None) == ("not_determined", {"missing:mass_kg"})
    assert answer(policy, noise=None)["levy"] is not None


def test_what_is_known_is_shown_beside_what_is_missing(scheme: Scheme) -> None:
    found = answer(scheme(values=value("rate", dated(None, **START))))
    assert (found["status"], found["charge_eur"], str(found["over_g"]), found["band"]) == (
        "not_determined",
        None,
        "3.49",
        "loud",
    )


def test_an_unknown_verdict_names_what_it_lacks_and_no_output(scheme: Scheme) -> None:
    assert told(scheme(), kind=None, noise=None) == ("not_determined", {"missing:kind"})


def test_a_reason_that_is_itself_missing_is_not_made_up(scheme: Scheme) -> None:
    policy = scheme(
        rules=RULES.replace('"small_craft", choose', 'choose(mass_kg < heavy_from_kg, "small_craft", "exempted"), choose')
        .replace("def ground(kind, exempt)", "def ground(kind, exempt, mass_kg, heavy_from_kg)")
        .replace("def verdict(ground):", "def verdict(kind):")
        .replace('choose(ground == "none", "determined", "excluded")', 'choose(kind == "c", "excluded", "determined")')
    )
    assert told(policy, kind="c", mass_kg="10") == ("excluded", {"small_craft"})
    assert told(policy, kind="c", mass_kg=None) == ("excluded", set())


def test_a_value_of_which_nothing_is_known_is_missing_in_every_row(scheme: Scheme) -> None:
    policy = scheme(known="2020-01-01")
    assert told(policy) == ("not_determined", {"missing:limit", "missing:rate", "missing:rounding"})


# -- flags


def test_a_flag_is_told_beside_the_result(scheme: Scheme) -> None:
    policy = scheme()
    assert answer(policy, mass_kg="5000")["flags"] == "heavy"
    assert answer(policy, mass_kg="4999")["flags"] is None


def test_a_flag_whose_inputs_are_missing_is_silent(scheme: Scheme) -> None:
    assert answer(scheme(), mass_kg=None)["flags"] is None


def test_a_flag_is_told_where_the_result_is_not_determined_but_not_where_excluded(scheme: Scheme) -> None:
    policy = scheme()
    found = answer(policy, mass_kg="5000", kind=None)
    assert (found["status"], found["flags"]) == ("not_determined", "heavy")
    assert answer(policy, mass_kg="5000", kind="c")["flags"] is None


def test_a_refused_row_has_no_flags(scheme: Scheme) -> None:
    found = scheme().one({**BARGE, "mass_kg": 5000, "noise": "many"})
    assert (found["status"], found["flags"]) == ("refused", None)


def test_a_check_refuses_the_row_and_needs_its_inputs(scheme: Scheme) -> None:
    policy = scheme()
    assert told(policy, kind="b", mass_kg="5000") == ("refused", {"contradiction:mass_kg"})
    assert told(policy, kind="b", mass_kg=None, day="2025-05-05") == ("determined", set())


# -- marks


def test_a_doubtful_value_marks_only_the_rows_that_used_it(scheme: Scheme) -> None:
    policy = scheme(values=value("limit", dated("90", year="2024", confidence="L"), dated("90", year="2025")))
    assert answer(policy, day="2024-05-01")["flags"] == "doubtful:limit"
    assert answer(policy, day="2025-05-01")["flags"] is None


def test_marks_follow_the_branch(scheme: Scheme) -> None:
    rules = RULES.replace("def charge(whole_over, rate):", "def charge(whole_over, rate, port, old_rate):").replace(
        "return whole_over * rate", 'return whole_over * choose(port == "south", old_rate, rate)'
    )
    old = {"old_rate": {**value("rate", dated("1", **START, confidence="L"))["rate"], "description": "old"}}
    policy = scheme(rules=rules, values=old)
    assert answer(policy, port="north")["flags"] is None
    assert answer(policy, port="south")["flags"] == "doubtful:old_rate"


def test_an_overlay_marks_only_the_rows_that_used_it(scheme: Scheme) -> None:
    laid = {"values": {"limit": [dated("90", year="2024", known_from=..., kind="b")]}}
    policy = scheme(overlays={"mine": laid}, lay=["mine"])
    assert answer(policy, kind="b")["flags"] == "overlay:mine"
    assert answer(policy, kind="a")["flags"] is None


def test_an_overlays_own_mark_is_told_instead(scheme: Scheme) -> None:
    laid = {"mark": "fitted", "values": {"limit": [dated("90", year="2024", known_from=...)]}}
    assert answer(scheme(overlays={"mine": laid}, lay=["mine"]))["flags"] == "fitted"


def test_a_reading_other_than_the_default_is_marked(scheme: Scheme) -> None:
    policy = scheme()
    assert answer(policy)["flags"] is None
    other = policy.at(readings={"rounding": "half_up"})
    assert answer(other)["flags"] == "reading:rounding=half_up"
    assert answer(other, noise="103.99")["charge_eur"] == answer(policy)["charge_eur"]
    assert answer(other, noise="104.00")["charge_eur"] != answer(policy, noise="104.00")["charge_eur"]
    assert answer(policy.at(readings={"rounding": "truncate"}))["flags"] is None


def test_an_unused_reading_leaves_no_mark(scheme: Scheme) -> None:
    policy = scheme(readings={"rounding": "half_up"})
    assert answer(policy, kind="c")["flags"] is None


def test_what_is_not_determined_bears_no_marks(scheme: Scheme) -> None:
    policy = scheme(values=value("limit", dated("90", year="2024", confidence="L")))
    assert answer(policy, noise=None)["flags"] is None


@pytest.mark.parametrize("later", ["alfa", "zeta"])
def test_a_chosen_reading_holds_for_every_key(scheme: Scheme, later: str) -> None:
    keyed = value("rounding", dated("truncate", kind="a"), dated("half_up", kind="b"), keys=["kind"])
    policy = scheme(values=keyed, overlays={later: {"values": {"rounding": [dated("truncate", kind="b", known_from=...)]}}})
    assert answer(policy, noise="101.0")["flags"] is None
    chosen = policy.at(readings={"rounding": "half_up"})
    assert [answer(chosen, kind=kind)["flags"] for kind in "ab"] == ["reading:rounding=half_up"] * 2
    assert policy.at(values=[later]).value("rounding", kind="b")[0] == "truncate"
