"""Dated values: what a file of them must state, and which record counts on which of the two clocks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cleanfleet.law.errors import LawError
from cleanfleet.law.policy import Policy
from cleanfleet.law.values import date_number, number_date, parse_number

from .toy import dated, definition, value

Scheme = Callable[..., Policy]
START = {"from": "2024-01-01"}


# -- what a file must state

REFUSED_RECORDS: dict[str, tuple[dict[str, Any], str]] = {
    "no reference": (dated("5", **START, source=...), r"record 1: has no reference \(source: \[tag\]"),
    "an unknown source": (dated("5", **START, source=["S99"]), r"record 1: source 'S99' is not in sources.yaml"),
    "a reference without a title": (dated("5", **START, reference={"url": "x"}), r"a reference needs a title"),
    "a reference with an unknown key": (
        dated("5", **START, reference={"title": "Act", "sektion": "1"}),
        r"unknown key 'sektion'; did you mean section\?",
    ),
    "an unknown key": (
        dated("5", **START, confidance="H"),
        r"record 1: unknown key 'confidance'; did you mean confidence\?",
    ),
    "a day that is no date": (dated("5", **{"from": "2024-02-30"}), r"'2024-02-30' is not a date; write it as '2026-03-31'"),
    "a date in another form": (dated("5", **{"from": "1.2.2024"}), r"'1\.2\.2024' is not a date"),
    "a short form of a date": (dated("5", **START, known_from="20230101"), r"'20230101' is not a date"),
    "too many decimals": (dated("5.001", **START), r"value 5\.001 has more than 2 decimals"),
    "a fraction that is not exact": (dated("1/3", **START), r"'1/3' is not exact at 2 decimals"),
    "a fraction over nothing": (dated("1/0", **START), r"value '1/0' is not a number"),
    "a word for a number": (dated("five", **START), r"value 'five' is not a number"),
    "infinity": (dated("inf", **START), r"value 'inf' is not a number"),
    "not a number": (dated("nan", **START), r"value 'nan' is not a number"),
    "a list for a number": (dated(["5"], **START), r"is not a single value"),
    "until before from": (dated("5", **START, until="2023-12-31"), r"until 2023-12-31 is not after from 2024-01-01"),
    "until on from": (dated("5", **START, until="2024-01-01"), r"until 2024-01-01 is not after from 2024-01-01"),
    "no known_from": (dated("5", **START, known_from=...), r"has no known_from \(the day from which it was known\)"),
    "an unknown confidence": (dated("5", **START, confidence="A"), r"confidence 'A' is not one of \['H', 'M', 'L'\]"),
    "no confidence": (dated("5", **START, confidence=...), r"confidence None is not one of \['H', 'M', 'L'\]"),
    "no value": (dated(..., **START), r"has no value; write null where the number is not known"),
    "no from": (dated("5"), r"a standing value needs from"),
}


@pytest.mark.parametrize("why", REFUSED_RECORDS)
def test_a_record_is_refused_with_its_place(tmp_path: Path, why: str) -> None:
    record, message = REFUSED_RECORDS[why]
    with pytest.raises(LawError, match=rf"all\.yaml: rate, record 1: .*{message}|all\.yaml: rate, {message}"):
        definition(tmp_path / "toy", values=value("rate", record))


REFUSED_VALUES: dict[str, tuple[str, dict[str, Any], str]] = {
    "an unknown kind": ("rate", {"kind": "dated"}, r"kind 'dated' is not standing, per_period or reading"),
    "per_period without period": ("limit", {"period": ...}, "a per_period value, and only that, names its period"),
    "standing with a period": ("rate", {"period": "year"}, "a per_period value, and only that, names its period"),
    "an unknown type": ("rate", {"type": "money"}, "type 'money' is not number, text, truth or date"),
    "a text without allowed": ("rate", {"type": "text"}, "a text value, and only that, lists what is allowed"),
    "a number with allowed": ("rate", {"allowed": ["5"]}, "a text value, and only that, lists what is allowed"),
    "allowed as a word": ("rounding", {"allowed": "truncate"}, "allowed is not a list"),
    "keys as a word": ("limit", {"keys": "kind"}, "keys is not a list"),
    "an unknown key": ("rate", {"desciption": "x"}, r"unknown key 'desciption'; did you mean description\?"),
    "no description": ("rate", {"description": ...}, "has no description"),
    "no unit": ("rate", {"unit": ...}, "has no unit; write '1' for a pure number"),
    "an unreadable unit": ("rate", {"unit": "EUR*km"}, r"unit 'EUR\*km': 'EUR\*km' is not a unit's name"),
    "decimals in words": ("rate", {"decimals": "two"}, "decimals 'two' is not a whole number from 0 to 18"),
    "no values": ("rate", {"values": []}, "has no values"),
    "values as a mapping": ("rate", {"values": {"2024": "5"}}, "values is not a list"),
    "a record as a word": ("rate", {"values": ["5"]}, "record 1: is not a mapping"),
}


@pytest.mark.parametrize("why", REFUSED_VALUES)
def test_a_value_is_refused_with_its_place(tmp_path: Path, why: str) -> None:
    name, changes, message = REFUSED_VALUES[why]
    with pytest.raises(LawError, match=rf"all\.yaml: {name}[:,] {message}"):
        definition(tmp_path / "toy", values=value(name, **changes))


def test_from_is_for_standing_values_only(tmp_path: Path) -> None:
    with pytest.raises(LawError, match="limit, record 1: only a standing value has from and until"):
        definition(tmp_path / "toy", values=value("limit", dated("5", year="2024", **START)))


def test_a_period_is_a_number(tmp_path: Path) -> None:
    with pytest.raises(LawError, match="limit, record 1: year 'next' is not a year or number"):
        definition(tmp_path / "toy", values=value("limit", dated("5", year="next")))


def test_a_word_outside_allowed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LawError, match=r"rounding, record 1: value 'up' is not one of \['truncate', 'half_up'\]"):
        definition(tmp_path / "toy", values=value("rounding", dated("up")))


def test_a_truth_is_true_or_false(tmp_path: Path) -> None:
    with pytest.raises(LawError, match="rate, record 1: value 'yes' is not true or false"):
        definition(tmp_path / "toy", values=value("rate", dated("yes", **START), type="truth", unit=...))


def test_two_records_for_one_place_known_on_one_day_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LawError, match="rate: records 1 and 2 overlap: same keys, dates and known_from"):
        definition(tmp_path / "toy", values=value("rate", dated("5", **START), dated("6", **START)))


def test_two_records_for_one_period_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LawError, match="limit: records 1 and 2 overlap"):
        definition(
            tmp_path / "toy", values=value("limit", dated("5", year="2024", kind="a"), dated("6", year="2024", kind="a"))
        )


def test_an_until_beyond_the_next_from_is_refused(tmp_path: Path) -> None:
    first, second = dated("5", **START, until="2025-06-01"), dated("6", **{"from": "2025-01-01"})
    with pytest.raises(LawError, match="rate: record 1 until 2025-06-01 overlaps record 2 from 2025-01-01"):
        definition(tmp_path / "toy", values=value("rate", first, second))


def test_a_duplicate_key_is_refused_with_its_line(tmp_path: Path) -> None:
    text = "rate:\n  unit: EUR\n  kind: standing\n  unit: NZD\n"
    with pytest.raises(LawError, match=r"more\.yaml, line 4: 'unit' stands twice"):
        definition(tmp_path / "toy", files={"values/more.yaml": text})


def test_a_value_in_two_files_is_refused(tmp_path: Path) -> None:
    text = (
        "rate:\n  description: again\n  unit: EUR\n  kind: standing\n  values:\n"
        "    - {value: '1', from: '2024-01-01', known_from: '2023-01-01', source: [ACT], confidence: H}\n"
    )
    with pytest.raises(LawError, match=r"more\.yaml: rate stands in .*all\.yaml too"):
        definition(tmp_path / "toy", files={"values/more.yaml": text})


@pytest.mark.parametrize("text", ["rate: [1, 2", "rate: \t x: y: z", "%%% nothing"])
def test_broken_yaml_is_one_error_with_its_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(LawError, match=r"more\.yaml: is not YAML") as raised:
        definition(tmp_path / "toy", files={"values/more.yaml": text})
    assert "\n" not in str(raised.value)


def test_a_list_of_values_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LawError, match=r"more\.yaml: is not a mapping of names to values"):
        definition(tmp_path / "toy", files={"values/more.yaml": "- rate\n"})


def test_a_source_needs_a_title(tmp_path: Path) -> None:
    with pytest.raises(LawError, match=r"sources\.yaml: source ACT needs a title"):
        definition(tmp_path / "toy", files={"values/sources.yaml": "ACT: {url: 'https://example.org'}\n"})


def test_a_word_of_a_key_outside_its_vocabulary_is_refused(scheme: Scheme) -> None:
    with pytest.raises(LawError, match=r"limit: kind 'd' is not in the vocabulary; known are a, b, c"):
        scheme(values=value("limit", dated("5", year="2024", kind="d")))


# -- numbers


@pytest.mark.parametrize(
    ("text", "decimals", "number"),
    [("0.1", 1, "0.1"), ("1/4", 2, "0.25"), ("-3/8", 3, "-0.375"), ("6/3", 0, "2"), ("145", 4, "145"), ("1e2", 0, "100")],
)
def test_a_number_of_the_law_is_read_exactly(text: str, decimals: int, number: str) -> None:
    assert parse_number(text, decimals, "here") == Decimal(number)


def test_more_digits_than_decimal_arithmetic_keeps_are_still_too_many_decimals() -> None:
    with pytest.raises(LawError, match="more than 4 decimals"):
        parse_number("100." + "0" * 40 + "1", 4, "here")


@pytest.mark.parametrize("day", [dt.date(2024, 2, 29), dt.date(1600, 1, 1), dt.date(2500, 12, 31)])
def test_a_date_survives_as_a_number(day: dt.date) -> None:
    assert number_date(date_number(day)) == day


def test_yaml_scalars_keep_their_digits(scheme: Scheme) -> None:
    policy = scheme(files={"values/more.yaml": (
        "tiny:\n  description: tiny\n  unit: '1'\n  decimals: 18\n  kind: standing\n  values:\n"
        "    - {value: 0.100000000000000001, from: 2024-01-01, known_from: 2023-01-01, source: [ACT], confidence: H}\n"
    )})  # fmt: skip
    assert policy.value("tiny", on="2024-06-01")[0] == Decimal("0.100000000000000001")


# -- two clocks


def rate_on(policy: Policy, day: str) -> Any:
    return policy.value("rate", on=day)[0]


def test_a_standing_value_is_missing_before_its_first_date_and_stays_after(scheme: Scheme) -> None:
    policy = scheme(values=value("rate", dated("5", **START), dated("6", **{"from": "2025-01-01"})))
    assert rate_on(policy, "2023-12-31") is None
    assert rate_on(policy, "2024-01-01") == 5
    assert rate_on(policy, "2024-12-31") == 5
    assert rate_on(policy, "2025-01-01") == 6
    assert rate_on(policy, "2050-12-31") == 6


def test_until_ends_a_standing_value_on_the_day_itself(scheme: Scheme) -> None:
    policy = scheme(values=value("rate", dated("5", **START, until="2025-01-01"), dated("6", **{"from": "2025-07-01"})))
    assert rate_on(policy, "2024-12-31") == 5
    assert rate_on(policy, "2025-01-01") is None
    assert rate_on(policy, "2025-06-30") is None
    assert rate_on(policy, "2025-07-01") == 6


def test_a_per_period_value_never_carries_forward(scheme: Scheme) -> None:
    policy = scheme(values=value("limit", dated("7", year="2024"), dated("9", year="2026")))
    found = {year: policy.value("limit", period=year, kind="a")[0] for year in range(2023, 2028)}
    assert found == {2023: None, 2024: 7, 2025: None, 2026: 9, 2027: None}


def test_the_law_as_known_then_and_now(scheme: Scheme) -> None:
    policy = scheme(values=value("rate", dated("5", **START), dated("4", **START, known_from="2024-06-15")))
    assert rate_on(policy.at(known="2024-06-14"), "2024-03-01") == 5
    assert rate_on(policy.at(known="2024-06-15"), "2024-03-01") == 4
    assert rate_on(policy.at(known="2022-12-31"), "2024-03-01") is None


def test_a_coming_step_that_is_withdrawn_leaves_the_step_before(scheme: Scheme) -> None:
    policy = scheme(values=value(
        "rate",
        dated("5", **START),
        dated("9", **{"from": "2025-01-01"}),
        dated(..., **{"from": "2025-01-01"}, known_from="2024-09-01", withdrawn="true"),
    ))  # fmt: skip
    assert rate_on(policy.at(known="2024-08-31"), "2025-03-01") == 9
    assert rate_on(policy.at(known="2024-09-01"), "2025-03-01") == 5


def test_a_withdrawn_period_is_missing(scheme: Scheme) -> None:
    gone = dated(..., year="2025", known_from="2024-09-01", withdrawn="true")
    policy = scheme(values=value("limit", dated("7", year="2025"), gone))
    assert policy.at(known="2024-08-31").value("limit", period=2025, kind="a")[0] == 7
    assert policy.at(known="2024-09-01").value("limit", period=2025, kind="a") == (None, None)


def test_a_mistake_of_the_file_is_mended_by_a_corrected_record(scheme: Scheme) -> None:
    policy = scheme(values=value("rate", dated("5", **START), dated("5.5", **START, corrected_on="2025-02-02")))
    found, record = policy.value("rate", on="2024-03-01")
    assert found == Decimal("5.5")
    assert record is not None
    assert record.corrected_on == dt.date(2025, 2, 2)


def test_a_later_law_wins_over_a_correction_of_an_earlier_one(scheme: Scheme) -> None:
    records = [dated("5", **START, corrected_on="2025-09-09"), dated("6", **START, known_from="2024-02-01")]
    assert rate_on(scheme(values=value("rate", *records)), "2024-03-01") == 6


def test_null_hides_the_number_before_it(scheme: Scheme) -> None:
    policy = scheme(values=value("rate", dated("5", **START), dated(None, **{"from": "2025-01-01"})))
    found, record = policy.value("rate", on="2025-03-01")
    assert found is None
    assert record is not None
    assert record.references[0].title == "Barge Act"
    assert rate_on(policy, "2024-03-01") == 5


def test_a_replaced_record_does_not_stand_in_for_one_below_the_least_grade(scheme: Scheme) -> None:
    records = [dated("5", **START), dated("6", **START, known_from="2024-02-01", confidence="L")]
    policy = scheme(values=value("rate", *records))
    assert rate_on(policy, "2024-03-01") == 6
    assert rate_on(policy.at(min_grade="L"), "2024-03-01") == 6
    assert rate_on(policy.at(min_grade="M"), "2024-03-01") is None
    assert rate_on(policy.at(min_grade="H"), "2024-03-01") is None


def test_an_earlier_step_does_not_run_on_into_one_below_the_least_grade(scheme: Scheme) -> None:
    later = {**START, "from": "2025-01-01"}
    policy = scheme(values=value("rate", dated("5", **START), dated("6", **later, confidence="L"))).at(min_grade="M")
    assert rate_on(policy, "2024-12-31") == 5
    assert rate_on(policy, "2025-01-01") is None


def test_a_least_grade_takes_out_what_has_no_better_record(scheme: Scheme) -> None:
    policy = scheme(values=value("rate", dated("5", **START, confidence="M")))
    assert rate_on(policy.at(min_grade="H"), "2024-03-01") is None


# -- keys


def test_a_record_without_a_key_stands_for_all_its_words(scheme: Scheme) -> None:
    policy = scheme(values=value("limit", dated("7", year="2024"), dated("9", year="2024", kind="b")))
    found = {kind: policy.value("limit", period=2024, kind=kind)[0] for kind in "abc"}
    assert found == {"a": 7, "b": 9, "c": 7}


def test_the_more_specific_record_wins_whatever_the_order(scheme: Scheme) -> None:
    keys = ["kind", "port"]
    records = [
        dated("1", year="2024"),
        dated("2", year="2024", kind="a"),
        dated("3", year="2024", kind="a", port="south"),
    ]
    for order in (records, records[::-1]):
        policy = scheme(values=value("limit", *order, keys=keys))
        found = {(k, p): policy.value("limit", period=2024, kind=k, port=p)[0] for k in "ab" for p in ("north", "south")}
        assert found == {("a", "north"): 2, ("a", "south"): 3, ("b", "north"): 1, ("b", "south"): 1}


def test_a_general_record_known_later_wins_over_a_specific_one_known_before(scheme: Scheme) -> None:
    policy = scheme(
        values=value("limit", dated("9", year="2024", kind="b"), dated("7", year="2024", known_from="2024-02-01"))
    )
    assert policy.value("limit", period=2024, kind="b")[0] == 7
    assert policy.at(known="2024-01-31").value("limit", period=2024, kind="b")[0] == 9


def test_of_two_standing_records_the_later_from_wins_even_if_less_specific(scheme: Scheme) -> None:
    records = [dated("5", **START, kind="b"), dated("6", **{"from": "2025-01-01"})]
    policy = scheme(values=value("rate", *records, keys=["kind"]))
    assert policy.value("rate", on="2024-06-01", kind="b")[0] == 5
    assert policy.value("rate", on="2024-06-01", kind="a")[0] is None
    assert policy.value("rate", on="2025-06-01", kind="b")[0] == 6


# -- overlays


def laid(number: Any, **where: Any) -> dict[str, Any]:
    return dated(number, **{"known_from": ..., **START, **where})


def test_an_overlay_wins_over_a_law_of_later_date(scheme: Scheme) -> None:
    overlays = {"mine": {"title": "Mine", "values": {"rate": [laid("1.5")]}}}
    base = value("rate", dated("5", **START), dated("6", **{"from": "2025-01-01"}, known_from="2025-12-31"))
    policy = scheme(values=base, overlays=overlays)
    assert rate_on(policy, "2025-06-01") == 6
    overlaid = policy.at(values=["mine"])
    assert rate_on(overlaid, "2025-06-01") == Decimal("1.5")
    assert rate_on(overlaid, "2023-06-01") is None
    assert rate_on(policy, "2025-06-01") == 6, "the policy itself is as it was"


def test_a_later_overlay_wins_over_an_earlier_one(scheme: Scheme) -> None:
    overlays = {name: {"values": {"rate": [laid(number)]}} for name, number in (("zeta", "1"), ("alfa", "2"))}
    policy = scheme(overlays=overlays)
    assert rate_on(policy.at(values=["zeta", "alfa"]), "2024-06-01") == 2
    assert rate_on(policy.at(values=["alfa", "zeta"]), "2024-06-01") == 1


def test_an_overlay_leaves_other_keys_to_the_law(scheme: Scheme) -> None:
    overlays = {"mine": {"values": {"limit": [dated("1", known_from=..., year="2024", kind="b")]}}}
    policy = scheme(overlays=overlays, lay=["mine"])
    assert policy.value("limit", period=2024, kind="b")[0] == 1
    assert policy.value("limit", period=2024, kind="a")[0] == Decimal("100.5")


def test_an_overlay_known_later_than_the_clock_does_not_count(scheme: Scheme) -> None:
    overlays = {"mine": {"values": {"rate": [laid("1", known_from="2030-01-01")]}}}
    assert rate_on(scheme(overlays=overlays, lay=["mine"]), "2024-06-01") == Decimal("5.25")


def test_an_overlay_can_withdraw_a_record_of_the_law(scheme: Scheme) -> None:
    overlays = {"mine": {"values": {"rate": [laid(..., withdrawn="true")]}}}
    assert rate_on(scheme(overlays=overlays, lay=["mine"]), "2024-06-01") is None


REFUSED_OVERLAYS: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown value": ({"values": {"rte": [laid("1")]}}, r"'rte' is not a value of this policy; did you mean rate\?"),
    "no values": ({"title": "Empty"}, "has no values"),
    "an unknown key": ({"titel": "x", "values": {"rate": [laid("1")]}}, r"unknown key 'titel'; did you mean title\?"),
    "no reference": ({"values": {"rate": [laid("1", source=...)]}}, "rate, record 1: has no reference"),
    "too many decimals": ({"values": {"rate": [laid("1.001")]}}, "rate, record 1: value 1.001 has more than 2 decimals"),
}


@pytest.mark.parametrize("why", REFUSED_OVERLAYS)
def test_an_overlay_is_refused_with_its_place(scheme: Scheme, why: str) -> None:
    overlay, message = REFUSED_OVERLAYS[why]
    with pytest.raises(LawError, match=rf"mine\.yaml: {message}"):
        scheme(overlays={"mine": overlay}, lay=["mine"])


def test_an_overlay_needs_its_id(scheme: Scheme, tmp_path: Path) -> None:
    path = tmp_path / "nameless.yaml"
    path.write_text("values: {}\n")
    with pytest.raises(LawError, match=r"nameless\.yaml: an overlay begins with 'overlay: <its id>'"):
        scheme(lay=[path])


def test_a_fictitious_overlay_marks_the_program(scheme: Scheme) -> None:
    overlays = {
        "demo": {"fictitious": "true", "values": {"rate": [laid("1")]}},
        "plain": {"values": {"rate": [laid("1")]}},
    }
    policy = scheme(overlays=overlays)
    assert not policy.program.fictitious
    assert not policy.at(values=["plain"]).program.fictitious
    assert policy.at(values=["plain", "demo"]).program.fictitious
