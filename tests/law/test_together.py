"""Two schemes on the same table: each answers as it does alone, on every kind of frame; how the columns are named."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from cleanfleet.law.errors import InputError
from cleanfleet.law.policy import Policy
from cleanfleet.law.together import answer_names, assess_together

Scheme = Callable[..., Policy]

FRAME = pl.DataFrame(
    {
        "kind": ["a", "b", "c", "a", "zz", None],
        "noise": [103.99, 85.0, 200.0, 100.0, 103.0, 103.0],
        "mass_kg": [100, 6000, 100, 9000, 100, 100],
        "day": [dt.date(2024, 5, 1)] * 6,
        "remark": ["one", "two", "three", "four", "five", "six"],
    }
)


@pytest.fixture
def pair(scheme: Scheme) -> list[Policy]:
    """The toy, and another one with a doubled rate whose answer ``charge_eur`` is called ``fee_eur``."""
    from .toy import POLICY, RULES

    outputs = [{"name": "over_g", "rule": "over", "decimals": "2"}, {"name": "fee_eur", "rule": "charge", "decimals": "2"}]
    double = scheme(
        policy={"id": "toy-lighters", "outputs": outputs, "title": POLICY["title"]},
        rules=RULES.replace("return whole_over * rate", "return whole_over * rate * 2"),
    )
    return [scheme(), double]


def alone(policy: Policy, names: dict[str, str]) -> pl.DataFrame:
    return policy.assess(FRAME).frame.select(policy.table().names()).rename(names).cast(pl.String)


def texts(frame: Any) -> pl.DataFrame:
    """Any frame as Polars with plain texts."""
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if not isinstance(frame, pl.DataFrame):
        table = frame.to_arrow_table() if hasattr(frame, "to_arrow_table") else frame
        frame = pl.from_pandas(table) if type(table).__module__.startswith("pandas") else pl.DataFrame(pl.from_arrow(table))
    return frame.cast(pl.String)


def test_a_column_that_another_has_too_gets_its_policy_s_id(pair: list[Policy]) -> None:
    barges, lighters = answer_names(pair).values()
    assert barges == {
        "status": "toy_barges_status", "reason": "toy_barges_reason", "flags": "toy_barges_flags", "over_g": "toy_barges_over_g",
        "charge_eur": "charge_eur", "band": "band",
    }  # fmt: skip
    assert lighters["over_g"] == "toy_lighters_over_g"
    assert lighters["fee_eur"] == "fee_eur"


def test_an_answer_that_another_reads_as_input_gets_its_policy_s_id(scheme: Scheme) -> None:
    from .toy import inputs

    outputs = [{"name": "fee", "rule": "charge", "decimals": "2"}]
    reader = scheme(
        policy={"id": "toy-readers", **inputs({"name": "band", "type": "text"}), "outputs": outputs}, rules=_no_band()
    )
    names = answer_names([scheme(), reader])
    assert names["toy-barges"]["band"] == "toy_barges_band"


@pytest.mark.parametrize("kind", ["polars", "lazy", "pandas", "pyarrow", "duckdb"])
def test_each_answers_as_it_does_alone(pair: list[Policy], kind: str) -> None:
    frame: Any = FRAME
    if kind == "lazy":
        frame = FRAME.lazy()
    elif kind == "pandas":
        frame = FRAME.to_pandas()
    elif kind == "pyarrow":
        frame = FRAME.to_arrow()
    elif kind == "duckdb":
        duckdb = pytest.importorskip("duckdb")
        frame = duckdb.from_arrow(FRAME.to_arrow())
    found = assess_together(pair, frame)
    assert type(found) is type(frame)
    found = texts(found)
    if kind == "duckdb":
        found = found.sort("remark").join(FRAME.select("remark").with_row_index("i"), on="remark").sort("i").drop("i")
    names = answer_names(pair)
    for policy in pair:
        expected = alone(policy, names[policy.id])
        assert found.select(expected.columns).equals(expected, null_equal=True)
    assert found["remark"].to_list() == FRAME["remark"].to_list()


def test_statuses_are_each_policy_s_own(scheme: Scheme) -> None:
    strict = scheme(policy={"id": "toy-strict"}, rules=_strict())
    found = assess_together([scheme(), strict], FRAME)
    assert found["toy_barges_status"].to_list()[2] == "excluded"
    assert found["toy_strict_status"].to_list()[2] == "determined"


def _no_band() -> str:
    from .toy import RULES

    return RULES.replace("def band(over)", "def loudness(over)")


def _strict() -> str:
    from .toy import RULES

    return RULES.replace('kind == "c", "small_craft", ', "")


def test_what_cannot_stand_together_is_refused(scheme: Scheme, pair: list[Policy]) -> None:
    with pytest.raises(InputError, match="it takes two policies or more"):
        assess_together([scheme()], FRAME)
    with pytest.raises(InputError, match="policy toy-barges is named 2 times"):
        assess_together([scheme(), scheme()], FRAME)
    with pytest.raises(InputError, match="already has the answer column toy_lighters_status"):
        assess_together(pair, FRAME.with_columns(toy_lighters_status=pl.lit("mine")))
    with pytest.raises(InputError, match="kind"):
        assess_together(pair, FRAME.drop("kind"))
