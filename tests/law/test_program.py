"""Compiling: names, circles, kinds and units of what a rule takes; what the outcome and the outputs may be."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from cleanfleet.law.errors import LawError, UnknownName
from cleanfleet.law.policy import Policy

from .toy import BARGE, POLICY, RULES, changed, dated, inputs, value

Scheme = Callable[..., Policy]
START = {"from": "2024-01-01"}


def rule(body: str, arguments: str) -> str:
    return f"\n\ndef more({arguments}):\n    return {body}\n"


BODIES: dict[str, tuple[str, str, str]] = {
    "if": ("1 if mass_kg > heavy_from_kg else 2", "mass_kg, heavy_from_kg", "can't decide with if, and, or, not"),
    "and": ("exempt and exempt", "exempt", "can't decide with if, and, or, not"),
    "or": ("exempt or exempt", "exempt", "can't decide with if, and, or, not"),
    "a chained comparison": ("0 <= noise < limit", "noise, limit", "or a chained comparison on a column"),
    "/": ("noise / 2", "noise", "divides by truncate_div"),
    "//": ("noise // 2", "noise", "divides by truncate_div"),
    "round": ("round(noise)", "noise", "rounds by truncate"),
    "max": ("max(noise, limit)", "noise, limit", "can't decide with if"),
    "a float": ("noise * 1.5", "noise", "can't use 1.5"),
    "a word outside the vocabulary": ('kind == "d"', "kind", r"'d' is not in the vocabulary \['a', 'b', 'c'\]"),
    "another unit": ("noise + mass_kg", "noise, mass_kg", r"\+ needs one unit, not g/km and kg"),
    "a dividend too large": ("truncate(noise * noise, 12)", "noise", r"over 2\*\*52"),
    "a divisor that may be 0": ("floor_div(mass_kg, noise)", "mass_kg, noise", r"the divisor may be 0 \(-5000 to 100000\)"),
    "branches of two units": ("choose(exempt, noise, mass_kg)", "exempt, noise, mass_kg", "values of different units"),
    "branches of two kinds": ("choose(exempt, noise, kind)", "exempt, noise, kind", "values of different kinds"),
    "a Python error": ("noise.nothing", "noise", "AttributeError: 'Cell' object has no attribute 'nothing'"),
    "nothing": ("None", "noise", "yields None, not a cell"),
    "a list": ("[noise]", "noise", r"yields \[.*\], not a cell"),
}


@pytest.mark.parametrize("why", BODIES)
def test_a_rule_is_refused_by_name_for(scheme: Scheme, why: str) -> None:
    body, arguments, message = BODIES[why]
    with pytest.raises(LawError, match=f"^toy-barges: rule more:? .*{message}"):
        scheme(more_rules=rule(body, arguments))


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [("limti", r"did you mean limit"), ("nois", r"did you mean noise"), ("wholeover", r"did you mean whole_over")],
)
def test_an_unknown_name_is_refused_with_near_ones(scheme: Scheme, wanted: str, hint: str) -> None:
    with pytest.raises(LawError, match=f"toy-barges: more needs '{wanted}', which is no input, value or rule; {hint}"):
        scheme(more_rules=rule("1", wanted))


def test_a_key_and_a_period_are_names_too(scheme: Scheme) -> None:
    with pytest.raises(LawError, match=r"limit needs 'knd', which is no input, value or rule; did you mean kind"):
        scheme(values=value("limit", dated("1", year="2024"), keys=["knd"]))
    with pytest.raises(LawError, match=r"limit needs 'yaer', which is no input, value or rule; did you mean year"):
        scheme(values=value("limit", dated("1", yaer="2024"), period="yaer"))


def test_a_text_without_vocabulary_is_no_argument(scheme: Scheme) -> None:
    with pytest.raises(LawError, match="more needs name, a text without a vocabulary; a rule can't use it"):
        scheme(more_rules=rule("1", "name"))


@pytest.mark.parametrize(
    ("more", "files", "message"),
    [
        ("\n\ndef noise(limit):\n    return limit\n", None, "noise is both input and rule"),
        ("\n\ndef rate(limit):\n    return limit\n", None, "rate is both value and rule"),
        ("", "mass_kg", "mass_kg is both input and value"),
    ],
)
def test_a_name_means_one_thing(scheme: Scheme, more: str, files: str | None, message: str) -> None:
    extra = {files: value("rate")["rate"]} if files else None
    with pytest.raises(LawError, match=f"toy-barges: {message}"):
        scheme(more_rules=more, values=extra)


def test_a_circle_is_told_in_order(scheme: Scheme) -> None:
    circle = (
        "\n\ndef one(two):\n    return two\n\n\ndef two(three):\n    return three\n\n\ndef three(one):\n    return one\n"
    )
    with pytest.raises(LawError, match=r"toy-barges: one needs two needs three needs one: a circle"):
        scheme(more_rules=circle)


def test_a_rule_that_needs_itself_is_a_circle(scheme: Scheme) -> None:
    with pytest.raises(LawError, match="more needs more: a circle"):
        scheme(more_rules=rule("more", "more"))


def test_a_value_keyed_by_a_rule_that_needs_it_is_a_circle(scheme: Scheme) -> None:
    rules = "\n\ndef band_of(rate, kind):\n    return choose(rate > 0, kind, kind)\n"
    with pytest.raises(LawError, match="a circle"):
        scheme(more_rules=rules, values=value("rate", dated("1", **START), keys=["band_of"]))


def test_a_key_needs_a_vocabulary(scheme: Scheme) -> None:
    with pytest.raises(LawError, match="rate: key mass_kg is a number; a key needs a vocabulary"):
        scheme(values=value("rate", dated("1", **START), keys=["mass_kg"]))


@pytest.mark.parametrize("period", ["kind", "day", "noise"])
def test_a_period_is_a_whole_number(scheme: Scheme, period: str) -> None:
    with pytest.raises(LawError, match=f"limit: period {period} is not a whole number"):
        scheme(values=value("limit", dated("1", **{period: "2024"}), period=period, keys=[]))


def test_standing_values_need_the_policys_date(scheme: Scheme) -> None:
    with pytest.raises(LawError, match=r"has standing values, but policy.yaml names no date"):
        scheme(policy={"date": ...})
    with pytest.raises(LawError, match="mass_kg is a number, not a date"):
        scheme(policy={"date": "mass_kg"})


OUTCOMES: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown rule": (
        {"outcome": {"rule": "verdcit", "answered": ["determined"]}},
        r"outcome names rule 'verdcit'; did you mean verdict",
    ),
    "a rule that is a number": (
        {"outcome": {"rule": "over", "answered": []}},
        "the outcome's rule over is a number, not a text",
    ),
    "a word that the verdict lacks": (
        {"outcome": {"rule": "verdict", "answered": ["passed"]}},
        r"outcome 'passed' is not a word of verdict: \['determined', 'excluded'\]",
    ),
    "an unknown output": ({"outputs": [{"name": "ovre"}]}, r"output ovre names rule 'ovre'; did you mean over"),
    "an unknown flag": (
        {"flags": [{"name": "heavvy", "rule": "is_heavvy"}]},
        r"flag heavvy names rule 'is_heavvy'; did you mean is_heavy",
    ),
    "an unknown check": (
        {"checks": [{"name": "x", "rule": "imposible"}]},
        r"check x names rule 'imposible'; did you mean impossible",
    ),
    "an output with fewer decimals than its rule": (
        {"outputs": [{"name": "over", "decimals": "1"}]},
        "output over shows 1 decimals, but over has 2",
    ),
    "an output of too many digits": (
        {"outputs": [{"name": "over", "decimals": "16"}]},
        "output over may have more than 18 digits",
    ),
}


@pytest.mark.parametrize("why", OUTCOMES)
def test_the_outcome_is_refused_for(scheme: Scheme, why: str) -> None:
    changes, message = OUTCOMES[why]
    with pytest.raises(LawError, match=f"^toy-barges: {message}"):
        scheme(policy=changes)


def test_a_reading_is_chosen_by_name_and_word(scheme: Scheme) -> None:
    with pytest.raises(UnknownName, match=r"'roundng' is not a reading of toy-barges; did you mean rounding\?"):
        scheme(readings={"roundng": "half_up"})
    with pytest.raises(UnknownName, match="'rate' is not a reading of toy-barges"):
        scheme(readings={"rate": "5"})
    with pytest.raises(UnknownName, match="reading rounding: 'up' is not one of truncate, half_up"):
        scheme(readings={"rounding": "up"})


def test_a_least_grade_is_one_of_the_scale(scheme: Scheme) -> None:
    with pytest.raises(UnknownName, match="grade 'A' is not one of H, M, L"):
        scheme(min_grade="A")


# -- what a program calculates with


def test_own_status_words(scheme: Scheme) -> None:
    words = {**POLICY["outcome"], "undetermined": "incomplete", "refused": "unreadable"}
    policy = scheme(policy={"outcome": words})
    assert policy.one({**BARGE, "noise": None})["status"] == "incomplete"
    assert policy.one({**BARGE, "noise": "loud"})["status"] == "unreadable"


def test_values_of_every_type_reach_the_rules(scheme: Scheme) -> None:
    kept = {"unit": ..., "decimals": ..., "keys": ["kind"]}
    values = {
        "opens_on": value("rate", dated("2024-03-01", **START), type="date", **kept)["rate"],
        "is_levied": value("rate", dated("true", **START), dated("false", **START, kind="b"), type="truth", **kept)["rate"],
        "tone": value(
            "rate", dated("low", **START), dated("high", **START, kind="b"), type="text", allowed=["low", "high"], **kept
        )["rate"],
    }
    more = (
        "\n\ndef opened(day, opens_on):\n    return day >= opens_on\n\n\ndef levied(is_levied):\n    return is_levied\n"
        "\n\ndef voice(tone):\n    return tone\n\n\ndef opening(opens_on):\n    return opens_on\n"
    )
    outputs = [{"name": name} for name in ("opened", "levied", "voice", "opening")]
    policy = scheme(values=values, more_rules=more, policy={"outputs": outputs})
    found = policy.one(BARGE)
    assert [found[name] for name in ("opened", "levied", "voice", "opening")] == [True, True, "low", dt.date(2024, 3, 1)]
    found = policy.one({**BARGE, "kind": "b", "day": "2024-02-29"})
    assert [found[name] for name in ("opened", "levied", "voice", "opening")] == [False, False, "high", dt.date(2024, 3, 1)]


def test_a_truth_input_counts(scheme: Scheme) -> None:
    policy = scheme()
    assert policy.one({**BARGE, "exempt": "yes"})["reason"] == "exempted"
    assert policy.one({**BARGE, "exempt": "no"})["reason"] is None


def test_a_default_stands_for_an_empty_cell_of_every_kind(scheme: Scheme) -> None:
    more = (
        "\n\ndef all_of_it(port, crew, since, painted, day):\n"
        '    return (port == "south") & (crew == crew) & painted & (since == day)\n'
    )
    policy = scheme(more_rules=more, policy={**inputs(
        {"name": "port", "default": "south"},
        {"name": "crew", "type": "integer", "unit": "1", "min": "1", "max": "9", "default": "3"},
        {"name": "since", "type": "date", "min": "2000-01-01", "max": "2050-12-31", "default": "2024-05-01"},
        {"name": "painted", "type": "boolean", "default": "true"},
    ), "outputs": [{"name": "all_of_it"}]})  # fmt: skip
    assert policy.one(BARGE)["all_of_it"] is True
    assert policy.one({**BARGE, "since": "2024-05-02"})["all_of_it"] is False
    assert policy.one({**BARGE, "painted": "no"})["all_of_it"] is False


def test_the_flag_cells_bear_the_names_in_their_order(scheme: Scheme) -> None:
    program = scheme(values=value("limit", dated("1", year="2024", confidence="L"))).program
    assert list(program.flag_cells) == ["heavy", "doubtful:limit"]
    assert list(program.check_cells) == ["contradiction:mass_kg"]
    assert list(program.output_cells) == ["over_g", "charge_eur", "band"]


def test_references_are_those_of_the_law_as_known(scheme: Scheme) -> None:
    policy = scheme(
        values=value("rate", dated("5", **START, section="s 1"), dated("4", **START, known_from="2024-06-15", section="s 2"))
    )
    for known, section in (("2024-06-14", "s 1"), ("2024-06-15", "s 2")):
        found = {
            record.references[0].section for record in policy.at(known=known).program.references() if record.value in (4, 5)
        }
        assert found == {section}


# -- the digest


def test_the_digest_is_the_same_for_the_same_values(scheme: Scheme) -> None:
    assert scheme().digest == scheme().digest
    restated = value("rate", dated("5.25", **START), dated("5.250", **START, known_from="2024-02-02", confidence="M"))
    assert scheme(values=restated).digest == scheme().digest
    stepped = value("rate", dated("5.25", **START), dated("5.25", **{"from": "2025-01-01"}))
    assert scheme(values=stepped).digest == scheme().digest, "a step that changes nothing"


CHANGES: dict[str, dict[str, Any]] = {
    "another number": value("rate", dated("5.26", **START)),
    "another day": value("rate", dated("5.25", **{"from": "2024-01-02"})),
    "an end": value("rate", dated("5.25", **START, until="2025-01-01")),
    "no number": value("rate", dated(None, **START)),
    "another year": value(
        "limit", dated("100.5", year="2025"), dated("90", year="2026"), dated("80", year="2026", kind="b")
    ),
    "another key": value("limit", dated("100.5", year="2024"), dated("90", year="2025"), dated("80", year="2025", kind="c")),
    "another word": value("rounding", dated("half_up")),
    "not yet known": value("rate", dated("5.25", **START, known_from="2030-01-01")),
}


@pytest.mark.parametrize("why", CHANGES)
def test_the_digest_changes_with(scheme: Scheme, why: str) -> None:
    assert scheme(values=CHANGES[why]).digest != scheme().digest


def test_the_digest_changes_with_a_formula_that_becomes_known(scheme: Scheme) -> None:
    later = (
        '@dated("2024-07-01", known_from="2024-05-05", reference="s 2")\ndef over(noise, limit):\n    return noise - limit\n'
    )
    first = '\n\n@dated("2024-01-01", known_from="2023-01-01", reference="s 1")\ndef over('
    policy = scheme(rules=RULES.replace("\n\ndef over(", first), more_rules=f"\n\n{later}")
    assert policy.at(known="2024-05-04").digest != policy.at(known="2024-05-05").digest
    assert policy.at(known="2024-05-05").digest == policy.digest


def test_readings_and_overlays_change_the_digest_only_by_their_values(scheme: Scheme) -> None:
    policy = scheme(overlays={
        "same": {"values": {"rate": [dated("5.25", known_from=..., **START)]}},
        "other": {"values": {"rate": [dated("5", known_from=..., **START)]}},
    })  # fmt: skip
    assert policy.at(values=["same"]).digest == policy.digest
    assert policy.at(values=["other"]).digest != policy.digest
    assert policy.at(readings={"rounding": "half_up"}).digest != policy.digest
    assert policy.at(readings={"rounding": "truncate"}).digest == policy.digest


def test_the_toys_answer_by_hand(scheme: Scheme) -> None:
    """103.99 - 100.5 = 3.49 g/km over, 3 whole grams, at 5.25 each."""
    found = scheme().one(BARGE)
    assert (found["over_g"], found["charge_eur"], found["band"]) == (Decimal("3.49"), Decimal("15.75"), "loud")
    assert changed(found, {}) == found


def test_where_of_an_output_must_be_a_truth(scheme: Scheme) -> None:
    for where, message in (("ground", "where names ground, a text, not a truth"), ("heavy", "names rule 'heavy'")):
        with pytest.raises(LawError, match=message):
            scheme(policy={"outputs": [{"name": "over_g", "rule": "over", "decimals": "2", "where": where}]})


def test_only_outputs_have_where_and_total(scheme: Scheme) -> None:
    with pytest.raises(LawError, match="flags heavy: unknown key 'where'"):
        scheme(policy={"flags": [{"name": "heavy", "rule": "is_heavy", "where": "is_heavy"}]})
    totals = scheme(policy={"outputs": [{"name": "over_g", "rule": "over", "decimals": "2", "total": "false"}]})
    assert not totals.outputs[0].total


# -- below a limit of quantification


BELOW = inputs(
    {"name": "noise", "below": "noise_is_below"}, {"name": "noise_is_below", "type": "boolean", "default": "false"}
)
BELOW_RULE = rule("noise_is_below", "noise_is_below")


def test_a_number_written_as_an_upper_bound(scheme: Scheme) -> None:
    policy = scheme(policy={**BELOW, "flags": [{"name": "below", "rule": "more"}]}, more_rules=BELOW_RULE)
    plain = policy.one({**BARGE, "noise": "103.99"})
    for written in ("<103.99", " < 103.99 "):
        assert policy.one({**BARGE, "noise": written}) == {**plain, "flags": "below"}
    assert policy.one({**BARGE, "noise": "103.99", "noise_is_below": "true"})["flags"] == "below"
    assert plain["flags"] is None


@pytest.mark.parametrize(
    ("written", "code"), [("<", "not_a_number"), ("<<1", "not_a_number"), (">1", "not_a_number"), ("<-51", "out_of_range")]
)
def test_an_upper_bound_that_is_none_is_refused(scheme: Scheme, written: str, code: str) -> None:
    policy = scheme(policy=BELOW, more_rules=BELOW_RULE)
    assert policy.one({**BARGE, "noise": written})["reason"] == f"{code}:noise"


def test_a_column_without_below_takes_no_upper_bound(scheme: Scheme) -> None:
    assert scheme().one({**BARGE, "noise": "<1"})["reason"] == "not_a_number:noise"


def test_below_must_name_a_boolean_and_belong_to_a_number(scheme: Scheme) -> None:
    with pytest.raises(LawError, match="input noise: below: 'kind' is not a boolean input"):
        scheme(policy=inputs({"name": "noise", "below": "kind"}))
    with pytest.raises(LawError, match="input kind: only a number can be below"):
        scheme(policy=inputs({"name": "kind", "below": "exempt"}))
