"""The public shape of a policy: another reading of the law, two answers compared, what is missing counted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from cleanfleet.law.errors import InputError, LawError, UnknownName
from cleanfleet.law.policy import Policy, compare

from .toy import BARGE, RULES, dated, definition, value

Scheme = Callable[..., Policy]
START = {"from": "2024-01-01"}
FLEET = pl.DataFrame({
    "row": [1, 2, 3, 4, 5],
    "kind": ["a", "b", "c", "a", None],
    "noise": [103.99, 90.0, 10.0, None, None],
    "day": [dt.date(2024, 5, 1), dt.date(2025, 5, 1), dt.date(2024, 5, 1), dt.date(2026, 5, 1), dt.date(2024, 5, 1)],
})  # fmt: skip


# -- another reading


def test_at_keeps_what_is_not_asked_for(scheme: Scheme) -> None:
    overlays = {"mine": {"values": {"rate": [dated("1", known_from=..., **START)]}}}
    policy = scheme(overlays=overlays, lay=["mine"], readings={"rounding": "half_up"}, min_grade="M", known="2025-03-03")
    other = policy.at(known="2025-04-04")
    assert other.known == dt.date(2025, 4, 4)
    assert [overlay.id for overlay in other.program.overlays] == ["mine"]
    assert (other.program.readings, other.program.min_grade) == ({"rounding": "half_up"}, "M")
    assert policy.at(values=[]).program.overlays == ()
    assert policy.at(min_grade=None).program.min_grade is None
    assert policy.at(readings={}).known == dt.date(2025, 3, 3)
    assert policy.known == dt.date(2025, 3, 3)


def test_known_is_a_day_or_its_text(scheme: Scheme) -> None:
    for known in ("2025-03-03", dt.date(2025, 3, 3), dt.datetime(2025, 3, 3, 12, 0)):
        assert scheme(known=known).known == dt.date(2025, 3, 3)
    with pytest.raises(InputError, match="'3 March' is not a date; write it as 2026-03-31"):
        scheme(known="3 March")


def test_known_is_today_in_the_schemes_zone(tmp_path: Path) -> None:
    policy = Policy(definition(tmp_path / "toy", policy={"zone": "Pacific/Kiritimati"}))
    now = dt.datetime.now(ZoneInfo("Pacific/Kiritimati"))
    assert policy.known in (now.date(), (now - dt.timedelta(minutes=1)).date())


def test_an_overlay_comes_by_name_by_path_or_as_it_is(scheme: Scheme, tmp_path: Path) -> None:
    overlays = {"mine": {"values": {"rate": [dated("1", known_from=..., **START)]}}}
    policy = scheme(overlays=overlays)
    path = policy.definition.folder / "overlays" / "mine.yaml"
    for laid in ("mine", path, str(path), policy.definition.overlay("mine")):
        assert policy.at(values=[laid]).value("rate", on="2024-06-01")[0] == 1
    with pytest.raises(UnknownName, match=r"no overlay or file 'mien'; did you mean mine\?"):
        policy.at(values=["mien"])


def test_what_a_policy_tells_of_itself(scheme: Scheme) -> None:
    policy = scheme()
    assert (policy.id, policy.title) == ("toy-barges", "Charge on loud barges")
    assert repr(policy) == "<Policy toy-barges as known on 2026-01-01>"
    assert [column.name for column in policy.inputs] == ["name", "kind", "noise", "mass_kg", "day", "exempt", "port"]
    assert [output.name for output in policy.outputs] == ["over_g", "charge_eur", "band"]


# -- one


def test_an_unknown_column_of_a_record_is_refused_with_near_ones(scheme: Scheme) -> None:
    policy = scheme()
    with pytest.raises(UnknownName, match=r"toy-barges has no input column 'noize'; did you mean noise\?"):
        policy.one({**BARGE, "noize": 1})
    with pytest.raises(UnknownName, match="no input column 'row'"):
        policy.assess(FLEET)
        policy.one({**BARGE, "row": 1})


# -- values by name


def test_a_value_is_asked_for_with_its_day_and_keys(scheme: Scheme) -> None:
    policy = scheme()
    found, record = policy.value("limit", period=2025, kind="b")
    assert found == 80
    assert record is not None
    assert record.known_from == dt.date(2023, 1, 1)
    assert policy.value("rounding")[0] == "truncate"
    for asked, message in [
        ({"name": "limti"}, r"toy-barges has no value 'limti'; did you mean limit\?"),
        ({"name": "limit", "period": 2025}, "value limit has the keys kind, not none"),
        ({"name": "limit", "period": 2025, "kind": "d"}, "value limit: kind 'd' is unknown; known are a, b, c"),
        ({"name": "rate"}, "value rate is dated; say on which day"),
        ({"name": "rate", "on": "2024-06-01", "kind": "a"}, "value rate has the keys none, not kind"),
    ]:
        with pytest.raises(UnknownName, match=message):
            policy.value(**asked)  # type: ignore[arg-type]


# -- graph


def test_the_graph_names_what_each_rule_takes(scheme: Scheme) -> None:
    graph = scheme().graph()
    assert graph["over"] == ("noise", "limit")
    assert graph["charge"] == ("whole_over", "rate")
    assert graph["year"] == ("day",)
    assert set(graph) == {"year", "over", "whole_over", "charge", "band", "ground", "verdict", "is_heavy", "impossible"}


def test_the_graph_joins_the_formulas_known(scheme: Scheme) -> None:
    rules = RULES.replace("\n\ndef over(", '\n\n@dated("2024-01-01", known_from="2023-01-01", reference="s 1")\ndef over(')
    later = (
        '\n\n@dated("2025-01-01", known_from="2024-05-05", reference="s 2")\n'
        "def over(noise, mass_kg, heavy_from_kg):\n    return noise\n"
    )
    policy = scheme(rules=rules, more_rules=later)
    assert policy.graph()["over"] == ("noise", "limit", "mass_kg", "heavy_from_kg")
    assert policy.at(known="2024-05-04").graph()["over"] == ("noise", "limit")


# -- missing


def test_missing_counts_each_name(scheme: Scheme) -> None:
    assessment = scheme().assess(FLEET)
    assert assessment.frame["reason"].to_list() == [
        None,
        None,
        "small_craft",
        "missing:noise; missing:limit",
        "missing:kind",
    ]
    assert assessment.missing() == {"noise": 1, "limit": 1, "kind": 1}


def test_missing_adds_up_a_name_over_different_reasons(scheme: Scheme) -> None:
    frame = pl.DataFrame(
        {"kind": ["a"] * 3, "noise": [None, None, 1.0], "day": [dt.date(y, 5, 1) for y in (2024, 2026, 2026)]}
    )
    assessment = scheme().assess(frame)
    assert assessment.frame["reason"].to_list() == ["missing:noise", "missing:noise; missing:limit", "missing:limit"]
    assert assessment.missing() == {"noise": 2, "limit": 2}


def test_missing_is_sorted_by_number_and_empty_where_nothing_is_missing(scheme: Scheme) -> None:
    policy = scheme()
    more = pl.concat([FLEET, FLEET.filter(pl.col("row") == 5)])
    assert next(iter(policy.assess(more).missing().items())) == ("kind", 2)
    assert policy.assess(FLEET.head(3)).missing() == {}
    assert policy.assess(FLEET.clear()).missing() == {}


@pytest.mark.parametrize("kind", ["polars", "lazy", "pandas", "pyarrow"])
def test_missing_counts_in_every_kind_of_table(scheme: Scheme, kind: str) -> None:
    given: Any = {"polars": FLEET, "lazy": FLEET.lazy(), "pandas": FLEET.to_pandas(), "pyarrow": FLEET.to_arrow()}[kind]
    assert scheme().assess(given).missing() == {"noise": 1, "limit": 1, "kind": 1}


# -- compare


def test_compare_sets_two_answers_side_by_side(scheme: Scheme) -> None:
    old = scheme(
        values=value(
            "limit",
            dated("100.5", year="2024"),
            dated("90", year="2025"),
            dated("99.9", year="2024", known_from="2025-06-06"),
        )
    )
    found = compare(old.at(known="2025-06-05"), old, FLEET)
    assert found["changed"].to_list() == [True, False, False, False, False]
    first = found.row(0, named=True)
    assert (first["over_g_old"], first["over_g_new"], first["over_g_change"]) == (
        Decimal("3.49"),
        Decimal("4.09"),
        Decimal("0.60"),
    )
    assert first["charge_eur_change"] == Decimal("5.25")
    assert found.select(FLEET.columns).equals(FLEET)
    answers = ["status", "reason", "flags", "over_g", "charge_eur", "band"]
    assert found.columns == [
        *FLEET.columns, *(f"{name}_old" for name in answers), *(f"{name}_new" for name in answers),
        "over_g_change", "charge_eur_change", "changed",
    ]  # fmt: skip


def test_compare_sees_what_appears_and_what_disappears(scheme: Scheme) -> None:
    policy = scheme(values=value("rate", dated("5.25", **START, known_from="2025-01-01")))
    found = compare(policy.at(known="2024-12-31"), policy, FLEET)
    assert found["changed"].to_list() == [True, True, False, True, False]
    assert found.select("status_old", "status_new").row(0) == ("not_determined", "determined")
    assert found["charge_eur_change"].to_list() == [None] * 5


def test_compare_of_the_same_law_changes_nothing(scheme: Scheme) -> None:
    policy = scheme()
    found = compare(policy, policy.at(), FLEET)
    assert not found["changed"].any()
    assert found["over_g_change"].drop_nulls().to_list() == [Decimal("0.00")] * 2


def test_compare_of_two_schemes_with_other_words_and_outputs(scheme: Scheme) -> None:
    other = scheme(policy={
        "outcome": {"rule": "verdict", "answered": ["determined"], "reason": "ground", "undetermined": "incomplete"},
        "outputs": [{"name": "charge_eur", "rule": "charge", "decimals": "2"}],
    })  # fmt: skip
    found = compare(scheme(), other, FLEET)
    assert found["changed"].to_list() == [False, False, False, True, True]
    assert "over_g_old" not in found.columns


@pytest.mark.parametrize("kind", ["polars", "lazy", "pandas", "pyarrow"])
def test_compare_takes_every_kind_of_table(scheme: Scheme, kind: str) -> None:
    policy = scheme()
    given: Any = {"polars": FLEET, "lazy": FLEET.lazy(), "pandas": FLEET.to_pandas(), "pyarrow": FLEET.to_arrow()}[kind]
    found = compare(policy, policy.at(readings={"rounding": "half_up"}), given)
    assert found["flags_new"].cast(pl.String).to_list()[:2] == ["reading:rounding=half_up"] * 2
    assert found["changed"].to_list() == [True, True, False, False, False]


# -- errors come as one kind


def test_a_scheme_that_cannot_be_compiled_is_a_law_error(scheme: Scheme) -> None:
    with pytest.raises(LawError):
        scheme(rules="")
