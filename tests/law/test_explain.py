"""Explanations: what is printed is worked out again by a small evaluator of its own, on 1,000 random vehicles."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import cache
from math import floor
from pathlib import Path
from typing import Any

import pytest
from oracle.generate import vehicles

from cleanfleet import policies
from cleanfleet.law.explain import Explanation, Step
from cleanfleet.law.policy import Policy
from cleanfleet.law.records import Record

from . import toy

Value = Fraction | bool | str | dt.date

TOKEN = re.compile(
    r"\s*(?:(?P<date>\d{4}-\d{2}-\d{2})|(?P<number>\d+(?:\.\d+)?)|(?P<word>'[^']*')|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign>==|!=|<=|>=|[-+/(),<>]))"
)
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def truncated(number: Fraction) -> Fraction:
    return Fraction(floor(abs(number)) * (1 if number >= 0 else -1))


def half_up(number: Fraction, places: Fraction = Fraction(0)) -> Fraction:
    unit = Fraction(1, 10 ** int(places))
    return Fraction(floor(number / unit + Fraction(1, 2))) * unit


FUNCTIONS: dict[str, Any] = {
    "truncate": lambda number, places=Fraction(0): truncated(number * 10 ** int(places)) / 10 ** int(places),
    "floor": lambda number, places=Fraction(0): Fraction(floor(number * 10 ** int(places)), 10 ** int(places)),
    "half_up": half_up,
    "min": min,
    "max": max,
    "year": lambda day: Fraction(day.year),
}


class Reader:
    """A formula's text read by descent: or, and, not, comparison, sum, product, atom; ``names`` gives names their values."""

    def __init__(self, text: str, names: Mapping[str, Value | None]) -> None:
        self.tokens: list[tuple[str, str]] = []
        self.names = names
        place = 0
        while place < len(text.rstrip()):
            found = TOKEN.match(text, place)
            assert found, f"can't read {text[place:]!r} of {text!r}"
            kind = found.lastgroup
            assert kind
            self.tokens.append((kind, found[kind]))
            place = found.end()
        self.place = 0

    def read(self) -> Value:
        found = self.either()
        assert self.place == len(self.tokens), f"left over: {self.tokens[self.place :]}"
        return found

    def next(self, *texts: str) -> str | None:
        """The next token where it is one of ``texts``."""
        if self.place < len(self.tokens) and self.tokens[self.place][1] in texts:
            self.place += 1
            return self.tokens[self.place - 1][1]
        return None

    def either(self) -> Value:
        found = self.both()
        while self.next("or"):
            other = self.both()
            found = found or other
        return found

    def both(self) -> Value:
        found = self.negated()
        while self.next("and"):
            other = self.negated()
            found = found and other
        return found

    def negated(self) -> Value:
        if self.next("not"):
            found = self.negated()
            assert isinstance(found, bool)
            return not found
        return self.compared()

    def compared(self) -> Value:
        left = self.sum()
        sign = self.next(*COMPARE)
        return bool(COMPARE[sign](left, self.sum())) if sign else left

    def sum(self) -> Value:
        found = self.product()
        while sign := self.next("+", "-"):
            other = self.product()
            assert isinstance(other, Fraction)
            if self.next("years"):
                assert sign == "+"
                assert isinstance(found, dt.date)
                found = dt.date(found.year + int(other), found.month, found.day)
            else:
                assert isinstance(found, Fraction)
                found = found + other if sign == "+" else found - other
        return found

    def product(self) -> Value:
        found = self.atom()
        while sign := self.next("x", "/"):
            other = self.atom()
            assert isinstance(found, Fraction)
            assert isinstance(other, Fraction)
            found = found * other if sign == "x" else found / other
        return found

    def atom(self) -> Value:
        if self.next("-"):
            found = self.atom()
            assert isinstance(found, Fraction)
            return -found
        if self.next("("):
            found = self.either()
            assert self.next(")")
            return found
        kind, text = self.tokens[self.place]
        self.place += 1
        if kind == "date":
            return dt.date.fromisoformat(text)
        if kind == "number":
            return Fraction(text)
        if kind == "word":
            return text[1:-1]
        if text in ("true", "false"):
            return text == "true"
        if self.next("("):
            arguments = [self.either()]
            while self.next(","):
                arguments.append(self.either())
            assert self.next(")")
            return FUNCTIONS[text](*arguments)  # type: ignore[no-any-return]
        if self.next("is"):
            empty = self.names[text] is None
            return empty if self.next("empty") else bool(self.next("given")) and not empty
        value = self.names[text]
        assert value is not None, f"{text} has no value"
        return value


def of(text: str, like: Value) -> Value:
    """A printed result, read as the kind of value that ``like`` is."""
    if isinstance(like, bool):
        assert text in ("true", "false")
        return text == "true"
    if isinstance(like, Fraction):
        return Fraction(text)
    return dt.date.fromisoformat(text) if isinstance(like, dt.date) else text


def named(text: str) -> set[str]:
    """The names in a formula."""
    known = {*FUNCTIONS, "x", "and", "or", "not", "is", "given", "empty", "true", "false", "years"}
    return set(re.findall(r"[A-Za-z_]\w*", re.sub(r"'[^']*'", "", text))) - known


def value_of(found: Any) -> Value | None:
    return found if found is None or isinstance(found, bool | str | dt.date) else Fraction(found)


@cache
def law() -> Policy:
    return policies.load("nz-clean-vehicle-standard", known="2026-11-22")


@cache
def explained() -> list[tuple[dict[str, Any], Explanation]]:
    return [(record, law().explain(record)) for record in vehicles(1000, 20261122).iter_rows(named=True)]


def inputs_of(record: Mapping[str, Any]) -> dict[str, Value | None]:
    read = Record(law().program, record)
    return {name: None if name in read.absent else value_of(read.shown(cell)) for name, cell in law().program.inputs.items()}


def steps() -> Iterator[tuple[Step, dict[str, Value | None]]]:
    """Each step, with the values of the names that it may use: inputs, earlier steps, its own dated values."""
    for record, explanation in explained():
        names = inputs_of(record)
        for step in explanation.steps:
            for used in step.values:
                names[used.name] = _plain(used.value)
            yield step, names
            for used in step.values:
                del names[used.name]
            names[step.rule] = None if step.result is None else _plain(step.result)


def _plain(text: str) -> Value:
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return Fraction(text)
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return dt.date.fromisoformat(text)
    return text == "true" if text in ("true", "false") else text


def test_the_little_evaluator() -> None:
    names: dict[str, Value | None] = {"a": Fraction(3), "word": "3P-WLTP", "gone": None}
    for text, value in [
        ("108 + 0.0343 x (1600 - 1482)", Fraction("112.0474")),
        ("truncate(max(0 - (-59.0326), 0))", Fraction(59)),
        ("truncate(-1.9)", Fraction(-1)),
        ("floor(-1.1)", Fraction(-2)),
        ("half_up((2 x 3 + 1) / 2, 0)", Fraction(4)),
        ("half_up(1 / 3, 4)", Fraction("0.3333")),
        ("half_up(-0.5)", Fraction(0)),
        ("year(2026-03-31) - 1", Fraction(2025)),
        ("1986-03-31 + 40 years < 2026-04-01", True),
        ("not 'MA' == 'MB' and (true or false)", True),
        ("word == '3P-WLTP' or word == 'JP-WLTC'", True),
        ("a is given and gone is empty and not gone is given", True),
        ("min(a, 2) - a - 1", Fraction(-2)),
    ]:
        assert Reader(text, names).read() == value, text


def test_the_printed_numbers_give_the_printed_result() -> None:
    count = 0
    for step, _ in steps():
        if step.result is None:
            assert step.numbers == ""
            assert step.missing
            continue
        found = Reader(step.numbers, {}).read()
        assert found == of(step.result, found), step
        count += 1
    assert count > 10_000


def test_the_names_with_their_values_give_the_printed_result_too() -> None:
    for step, names in steps():
        for condition in step.because:
            assert Reader(condition, names).read() is True, (step.rule, condition)
        if step.result is not None:
            found = Reader(step.formula, names).read()
            assert found == of(step.result, found), step
            assert not step.missing


def test_every_name_is_an_input_or_a_rule_or_a_value_with_its_reference() -> None:
    inputs = {column.name for column in law().inputs}
    rules = set(law().program.rules)
    seen: set[str] = set()
    for step, _ in steps():
        values = {used.name for used in step.values}
        # of a step that could not be worked out the values behind what is missing aren't known
        free = set(step.missing) | (set(law().program.values) if step.result is None else set())
        assert named(step.formula) | set().union(*map(named, step.because)) <= inputs | rules | values | free, step
        assert step.heading
        for used in step.values:
            seen.add(used.name)
            assert used.references
            assert all(title for title, _ in used.references)
            assert used.confidence in {"H", "D", "M", "L"}
            assert used.description
            assert used.applies
            assert Fraction(used.value) is not None if used.unit else True
        # a number in a formula is no policy's number: nought, and the 100 of L/100 km
        numbers = re.findall(r"(?<![\w.])\d+(?:\.\d+)?", re.sub(r"'[^']*'|, \d+\)", "", step.formula))
        assert set(numbers) <= {"0", "100"}, step
    assert {"slope", "mean_tare_kg", "annual_target", "charge_rate", "phase_distance_low_m", "age_limit_years"} <= seen


def test_the_steps_come_in_order_and_each_once() -> None:
    for record, explanation in explained():
        given = inputs_of(record)
        done: set[str] = set()
        for step in explanation.steps:
            assert step.rule not in done
            assert named(step.formula) & set(law().program.rules) <= done
            done.add(step.rule)
        answer = explanation.answer
        assert answer == law().one(record)
        if answer["status"] == "determined":
            assert {"verdict", "target", "charge"} <= done
            assert Fraction(explanation.step("charge").result or "") == answer["charge_nzd"]
            assert explanation.step("target").unit == "g/km"
            assert given["tare_kg"] is not None


def test_all_statuses_are_among_them() -> None:
    found = Counter(explanation.answer["status"] for _, explanation in explained())
    assert set(found) == {"determined", "not_determined", "excluded", "refused"}
    assert all(number >= 10 for number in found.values()), found


def test_refused_and_excluded_records() -> None:
    for _, explanation in explained():
        status, text = explanation.answer["status"], str(explanation)
        if status == "refused":
            assert explanation.refusals
            assert all(f"refused: {message}" in text for message in explanation.refusals)
            assert not any(step.rule == "charge" for step in explanation.steps)
        else:
            assert not explanation.refusals
        if status == "excluded":
            assert explanation.step("verdict").result == "excluded"
            assert explanation.step("exclusion_reason").result == explanation.answer["reason"]
            assert not {"target", "charge"} & {step.rule for step in explanation.steps}


CAR = {"vehicle_class": "MA", "condition": "used", "tare_kg": 1600, "co2_g_per_km": "150", "co2_cycle": "3P-WLTP",
       "accepted_on": "2026-03-31"}  # fmt: skip


def test_a_record_of_each_kind_in_words() -> None:
    found = law().explain(CAR)
    assert str(found.step("target")) == (
        "target = annual_target + slope x (counted_tare - mean_tare_kg) = 108 + 0.0343 x (1600 - 1482) = 112.0474 g/km"
    )
    assert str(found.step("charge")) == "charge = charge_grams x charge_rate = 37 x 6 = 222 NZD"
    assert "because per_vehicle_rounding == 'truncate'" in str(found)
    assert found.flags == (
        ("doubtful:per_vehicle_rounding", "per_vehicle_rounding is inferred or comes from a single weak source"),
    )
    with pytest.raises(KeyError):
        found.step("co2_of_phases")
    refused = law().explain({**CAR, "tare_kg": "heavy"})
    assert refused.answer["reason"] == "not_a_number:tare_kg"
    assert refused.steps == ()
    assert "'heavy' is not a number" in str(refused)
    contradiction = law().explain({**CAR, "gross_vehicle_mass_kg": 1599})
    assert contradiction.answer["status"] == "refused"
    assert "below the tare weight" in str(contradiction)
    excluded = law().explain({**CAR, "accepted_on": "2019-05-01"})
    assert excluded.step("exclusion_reason").because == ("deciding_date < standard_starts_on",)
    assert excluded.answer["reason"] == "before_standard"
    assert [step.rule for step in excluded.steps][-1] == "verdict"


@pytest.mark.parametrize("keys", ["", "vehicle_type: A, ", "vehicle_type: A, condition: used, "])
def test_a_value_taken_out_is_named(keys: str, tmp_path: Path) -> None:
    path = tmp_path / "without.yaml"
    path.write_text(
        "overlay: without\ntitle: without the slope of 2026\nvalues:\n  slope:\n"
        f"    - {{{keys}obligation_year: 2026, value: null, reference: {{title: taken out}}, confidence: D}}\n"
    )
    policy = policies.load("nz-clean-vehicle-standard", known="2026-11-22", values=[path])
    found = policy.explain(CAR)
    assert found.answer["status"] == "not_determined"
    assert found.answer["reason"] == "missing:slope"
    assert found.answer["target_g_per_km"] is None
    assert found.answer["co2_3p_wltp_g_per_km"] is not None
    assert found.step("target").missing == ("slope",)
    assert found.step("target").result is None
    assert "not determined, missing slope" in str(found)
    assert found.overlays == ("without the slope of 2026",)
    assert policy.explain({**CAR, "accepted_on": "2027-03-31"}).answer["status"] == "determined"


def test_overlays_and_readings_are_told() -> None:
    policy = law().at(values=["weight-floor-1200"], readings={"per_vehicle_rounding": "half_up"})
    found = policy.explain({**CAR, "tare_kg": 1000})
    assert str(found.step("counted_tare")).endswith("max(1000, 1200) = 1200 kg")
    (floor_used,) = found.step("counted_tare").values
    assert floor_used.overlay == "weight-floor-1200"
    assert {flag for flag, _ in found.flags} == {
        "doubtful:per_vehicle_rounding", "doubtful:weight_floor_kg", "overlay:weight-floor-1200",
        "reading:per_vehicle_rounding=half_up",
    }  # fmt: skip
    assert all(meaning != flag for flag, meaning in found.flags)


def test_as_dict_is_json() -> None:
    for record, explanation in explained():
        content = explanation.as_dict()
        again = json.loads(json.dumps(content))
        assert again == content
        assert len(again["steps"]) == len(explanation.steps)
        assert again["answer"]["status"] == explanation.answer["status"]
        assert set(again["input"]) == {name for name, value in record.items() if value not in (None, "")}
        assert all(isinstance(text, str) or text is None for text in again["answer"].values())


#: Formulas in which a forgotten bracket changes the result; with noise 100.25 and limit 90.
BRACKETS = {
    "noise - (limit - (noise - limit))": "noise - (limit - (noise - limit))",
    "noise - limit - (noise - limit)": "noise - limit - (noise - limit)",
    '(noise - limit) * exactly(2, "1") + noise * (exactly(3, "1") - exactly(5, "1"))': (
        "(noise - limit) x 2 + noise x (3 - 5)"
    ),
    'half_up_div(noise - limit, exactly(2, "1") + exactly(1, "1"), decimals=2)': "half_up((noise - limit) / (2 + 1), 2)",
    'half_up_div(limit - noise, exactly(2, "1") * exactly(4, "1"), decimals=1)': "half_up((limit - noise) / (2 x 4), 1)",
    'truncate_div(limit - noise, exactly(3, "1"), decimals=1)': "truncate((limit - noise) / 3, 1)",
    'floor_div(limit - noise, exactly(3, "1"), decimals=1)': "floor((limit - noise) / 3, 1)",
    "minimum(noise, limit) - maximum(limit, noise - limit)": "min(noise, limit) - max(limit, noise - limit)",
    "choose(~((noise < limit) & (noise > 0)), noise, limit)": "noise",
    "choose(((noise < limit) | (noise > 0)) & ~(limit > noise), limit - noise, limit)": "limit - noise",
}


@pytest.mark.parametrize("body", list(BRACKETS))
def test_brackets(body: str, scheme: Any) -> None:
    rules = toy.RULES.replace("return maximum(noise - limit, 0)", f"return {body}")
    assert rules != toy.RULES
    found = scheme(rules=rules).explain({"kind": "a", "noise": "100.25", "day": "2025-06-01"})
    step = found.step("over")
    assert step.formula == BRACKETS[body]
    assert step.result is not None
    assert Reader(step.numbers, {}).read() == Fraction(step.result)
    names: dict[str, Value | None] = {"noise": Fraction("100.25"), "limit": Fraction(90)}
    assert Reader(step.formula, names).read() == Fraction(step.result)
    for condition in step.because:
        assert Reader(condition, names).read() is True
    noise, limit = Fraction("100.25"), Fraction(90)
    assert (
        Fraction(step.result)
        == {
            0: noise - (limit - (noise - limit)),
            1: Fraction(0),
            2: 2 * (noise - limit) - 2 * noise,
            3: Fraction("3.42"),  # 3.41666...
            4: Fraction("-1.3"),  # -1.28125
            5: Fraction("-3.4"),  # -3.41666...
            6: Fraction("-3.5"),
            7: limit - limit,
            8: noise,
            9: limit - noise,
        }[list(BRACKETS).index(body)]
    )
