"""The tables of states against an expected matrix that stands in a file of its own: every cell is tried, and no row is spare."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import yaml

from cleanfleet.registry.accounts.permissions import OWNER, ROLES, SYSTEM, VERBS
from cleanfleet.registry.fleets import states
from cleanfleet.registry.refusals import Conflict, Forbidden
from cleanfleet.registry.states import States

EXPECTED = yaml.safe_load((Path(__file__).parent / "transitions.yaml").read_text())
TABLES: dict[str, States] = {
    "application": states.APPLICATION,
    "standing": states.STANDING,
    "fleet_year": states.FLEET_YEAR,
    "share": states.SHARE,
    "settlement": states.SETTLEMENT,
    "deferral": states.DEFERRAL,
}
PERMISSIONS = (*VERBS, OWNER, SYSTEM, *(f"agency:{role}" for role in ROLES))


def matrix(name: str) -> dict[tuple[str, str, str], str]:
    """(state, action, permission) -> target or the refusal's code, for the full product, from the file alone."""
    told = EXPECTED[name]
    allowed = {
        (state, action, who): target
        for action, rows in told["actions"].items()
        for row in rows
        for who in row["who"]
        for state, target in row["from"].items()
    }
    somewhere = {(action, who) for _, action, who in allowed}
    return {
        (state, action, who): allowed.get((state, action, who), "wrong_state" if (action, who) in somewhere else "forbidden")
        for state, action, who in itertools.product(told["states"], told["actions"], PERMISSIONS)
    }


def found(table: States, name: str) -> dict[tuple[str, str, str], str]:
    """The same product, tried on the table."""
    cells = {}
    for state, action, who in itertools.product(EXPECTED[name]["states"], EXPECTED[name]["actions"], PERMISSIONS):
        try:
            cells[state, action, who] = table.go(state, action, {who})
        except (Conflict, Forbidden) as refusal:
            cells[state, action, who] = refusal.code
    return cells


@pytest.mark.parametrize("name", TABLES)
def test_every_cell_is_as_the_file_says(name: str) -> None:
    table = TABLES[name]
    assert found(table, name) == matrix(name)
    assert set(table.shown) == set(EXPECTED[name]["states"])
    assert table.first == EXPECTED[name]["states"][0]
    assert set(table.actions) == set(EXPECTED[name]["actions"])
    assert all(row["because"] for rows in EXPECTED[name]["actions"].values() for row in rows)


@pytest.mark.parametrize("name", TABLES)
def test_without_any_one_row_of_the_table_it_would_not_be(name: str) -> None:
    table = TABLES[name]
    for number in range(len(table.steps)):
        less = States(table.what, table.first, table.shown, [*table.steps[:number], *table.steps[number + 1 :]])
        assert found(less, name) != matrix(name), table.steps[number]


def test_every_state_of_a_room_s_table_is_tried() -> None:
    tables = {id(value) for value in vars(states).values() if isinstance(value, States)}
    assert tables == {id(table) for table in TABLES.values()}


def test_every_status_that_a_holder_sees_says_something() -> None:
    assert all(status for table in TABLES.values() for status in table.shown.values())


def test_refusals_say_from_which_state_it_can_be_done() -> None:
    with pytest.raises(
        Conflict, match="share is paying; to settle it must be owed or debit_failed or deferred or overdue"
    ) as no:
        states.SHARE.go("paying", "settle", {"transfer_credits"})
    assert no.value.details == {"state": "paying", "allowed": ["owed", "debit_failed", "deferred", "overdue"]}
    with pytest.raises(Forbidden, match="to determine share needs the permission agency:case_officer"):
        states.SHARE.go("provisional", "determine", set(PERMISSIONS) - {"agency:case_officer"})
