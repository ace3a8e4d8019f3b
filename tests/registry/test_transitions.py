"""Every cell of every table of states: state x action x permission, against a file of its own."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml

from cleanfleet.registry.acceptance.states import ACCEPTANCE
from cleanfleet.registry.accounts.states import ACCOUNT, ENQUIRY
from cleanfleet.registry.bankfiles.states import ENTRY
from cleanfleet.registry.charges.states import SETTLEMENT
from cleanfleet.registry.intake.states import INTAKE
from cleanfleet.registry.payments.states import PAYMENT
from cleanfleet.registry.refusals import Conflict, Forbidden
from cleanfleet.registry.states import States
from cleanfleet.registry.transfers.states import OFFER
from cleanfleet.registry.vehicles.states import CLAIM, DISPUTE

TABLES = {
    table.what: table for table in (ACCOUNT, ENQUIRY, CLAIM, DISPUTE, PAYMENT, ACCEPTANCE, SETTLEMENT, OFFER, ENTRY, INTAKE)
}
EXPECTED: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("transitions.yaml").read_text())
APART = ("first", "permissions")


def outcome(table: States, state: str, action: str, permission: str) -> str:
    try:
        return table.go(state, action, {permission})
    except Forbidden:
        return "forbidden"
    except Conflict as refusal:
        return "wrong_state" if f"{table.what} is {state}" in refusal.message else refusal.message


def test_every_table_is_in_the_file() -> None:
    assert set(TABLES) == set(EXPECTED)


@pytest.mark.parametrize("what", sorted(TABLES))
def test_every_cell(what: str) -> None:
    table, expected = TABLES[what], EXPECTED[what]
    states = [state for state in expected if state not in APART]
    assert expected["first"] == table.first
    assert set(states) == set(table.shown)
    actions = sorted({action for state in states for action in expected[state]} | set(table.actions))
    assert {step.permission for step in table.steps} <= set(expected["permissions"])
    for state, action, permission in itertools.product(states, actions, expected["permissions"]):
        ever = any(permission in expected[other].get(action, {}) for other in states)
        should = expected[state].get(action, {}).get(permission, "wrong_state" if ever else "forbidden")
        assert outcome(table, state, action, permission) == should, (state, action, permission)


@pytest.mark.parametrize(
    ("what", "number"), [(what, number) for what in sorted(TABLES) for number in range(len(TABLES[what].steps))]
)
def test_without_any_one_row_a_cell_is_wrong(what: str, number: int) -> None:
    table, expected = TABLES[what], EXPECTED[what]
    steps = [step for place, step in enumerate(table.steps) if place != number]
    gone = table.steps[number]
    poorer = States(table.what, table.first, table.shown, steps)
    assert outcome(poorer, gone.state, gone.action, gone.permission) != expected[gone.state][gone.action][gone.permission]


def test_who_belongs_to_the_case_has_no_role_in_it() -> None:
    with pytest.raises(Forbidden, match="nobody at the agency decides their own case: to suspend account") as caught:
        ACCOUNT.go("open", "suspend", {"owner", "own_case"})
    assert caught.value.code == "own_case"
    assert ACCOUNT.go("open", "close", {"owner", "own_case"}) == "closed"
    with pytest.raises(Forbidden, match="needs the permission owner"):  # what the agency never does is nobody's own case
        ACCOUNT.go("closing", "answer_notice", {"view", "own_case"})


def test_a_table_shows_every_state() -> None:
    from cleanfleet.registry.states import Step

    with pytest.raises(ValueError, match="without a status to show"):
        States("x", "a", {"a": "A"}, [Step("a", "go", "system", "b")])
    assert CLAIM.allowed("ready", {"accept_vehicles"}) == ["reject", "dispute", "accept", "await_payment"]
