"""An output column that applies to some rows only: empty in the others, and nothing is missing for it there."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import duckdb
import polars as pl
import pytest

from cleanfleet.law.errors import LawError
from cleanfleet.law.policy import Policy

from .toy import BARGE, POLICY, changed, dated, value

Scheme = Callable[..., Policy]

RULE = """

def is_from_south(port):
    '''Whether the barge comes from the south.'''
    return port == "south"


def mass_left(mass_kg, heavy_from_kg):
    '''What is left up to a heavy barge.'''
    return heavy_from_kg - mass_kg


def is_exempt(exempt):
    '''As given.'''
    return exempt
"""
SOUTH = [
    {"name": "over_g", "rule": "over", "decimals": "2"},
    {"name": "left_kg", "rule": "mass_left", "where": "is_from_south"},
]


def south(scheme: Scheme, where: str = "is_from_south", **how: Any) -> Policy:
    return scheme(more_rules=RULE, policy={"outputs": [SOUTH[0], {**SOUTH[1], "where": where}]}, **how)


def test_it_is_empty_where_it_does_not_apply(scheme: Scheme) -> None:
    found = south(scheme).one({**BARGE, "port": "north"})
    assert (found["status"], found["reason"], found["left_kg"], found["over_g"]) == (
        "determined", None, None, Decimal("3.49"),
    )  # fmt: skip


def test_nothing_is_missing_where_it_does_not_apply(scheme: Scheme) -> None:
    policy = south(scheme)
    without = {**BARGE, "mass_kg": None}
    assert policy.one({**without, "port": "north"})["status"] == "determined"
    found = policy.one({**without, "port": "south"})
    assert (found["status"], found["reason"]) == ("not_determined", "missing:mass_kg")
    assert policy.one({**BARGE, "port": "south"})["left_kg"] == Decimal(4900)


def test_whether_it_applies_may_be_missing_itself(scheme: Scheme) -> None:
    policy = south(scheme, where="is_exempt")
    found = policy.one({**BARGE, "exempt": None, "kind": "a"})
    assert (found["status"], found["reason"], found["left_kg"]) == ("not_determined", "missing:exempt", None)


def test_a_doubtful_value_marks_only_rows_to_which_the_column_applies(scheme: Scheme) -> None:
    doubtful = value("heavy_from_kg", dated("5000", confidence="L", **{"from": "2000-01-01"}))
    policy = south(scheme, values=doubtful)
    assert policy.one({**BARGE, "port": "south"})["flags"] == "doubtful:heavy_from_kg"
    assert policy.one({**BARGE, "port": "north"})["flags"] is None


def test_every_way_gives_the_same(scheme: Scheme) -> None:
    policy = south(scheme)
    rows = [{**BARGE, "port": port, "mass_kg": mass} for port in ("north", "south") for mass in (100, None)]
    frame = pl.DataFrame(
        [{**row, "noise": Decimal(row["noise"])} for row in rows], schema_overrides={"mass_kg": pl.Int64}
    ).with_columns(pl.col("day").str.to_date()).with_row_index("place")  # fmt: skip
    names = policy.table().names()
    blocks = policy.assess(frame).frame.select(names).cast(dict.fromkeys(["status", "reason", "flags"], pl.String))
    assert [list(policy.one(row).values()) for row in rows] == [list(row) for row in blocks.iter_rows()]
    relation = duckdb.connect().from_arrow(frame.to_arrow())
    found = pl.DataFrame(pl.from_arrow(policy.assess(relation).frame.to_arrow_table())).sort("place")
    assert found.select(names).rows() == blocks.rows()


def test_explain_leaves_the_column_out_where_it_does_not_apply(scheme: Scheme) -> None:
    policy = south(scheme)
    assert "mass_left" not in [step.rule for step in policy.explain({**BARGE, "port": "north"}).steps]
    assert policy.explain({**BARGE, "port": "south"}).step("mass_left").result == "4900"


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("is_from_soth", "output left_kg: where names rule 'is_from_soth'; did you mean is_from_south"),
        ("over", "output left_kg: where names over, a number, not a truth"),
    ],
)
def test_a_wrong_name_is_refused(scheme: Scheme, where: str, message: str) -> None:
    with pytest.raises(LawError, match=message):
        south(scheme, where=where)


def test_only_outputs_have_it(scheme: Scheme) -> None:
    flags = [{**POLICY["flags"][0], "where": "is_heavy"}]
    with pytest.raises(LawError, match="flags heavy: unknown key 'where'"):
        scheme(policy=changed({}, {"flags": flags}))
