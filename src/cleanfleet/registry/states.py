"""States as tables of allowed transitions: state x action x permission."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from .refusals import Conflict, Forbidden

#: Among the permissions of who would have a role at the agency if the case weren't their own.
OWN_CASE = "own_case"


class Step(NamedTuple):
    """From ``state``, who has ``permission`` may do ``action``, which leads to ``target``."""

    state: str
    action: str
    permission: str
    target: str


class States:
    """One table: its steps, its first state, and for each state the coarser status that a holder is shown."""

    def __init__(self, what: str, first: str, shown: Mapping[str, str], steps: Collection[Step]) -> None:
        self.what, self.first, self.shown, self.steps = what, first, dict(shown), tuple(steps)
        unknown = {step.state for step in steps} | {step.target for step in steps}
        if unknown - set(shown) or first not in shown:
            raise ValueError(f"{what}: states without a status to show: {sorted(unknown - set(shown))}")

    @property
    def actions(self) -> list[str]:
        return list(dict.fromkeys(step.action for step in self.steps))

    def permitted(self, action: str) -> list[str]:
        """The permissions that can ever do the action."""
        return list(dict.fromkeys(step.permission for step in self.steps if step.action == action))

    def allowed(self, state: str, permissions: Collection[str]) -> list[str]:
        """The actions that these permissions may do in this state."""
        return [a for a in self.actions if any(self._fits(s, state, a, permissions) for s in self.steps)]

    @staticmethod
    def _fits(step: Step, state: str, action: str, permissions: Collection[str]) -> bool:
        return step.state == state and step.action == action and step.permission in permissions

    def go(self, state: str, action: str, permissions: Collection[str]) -> str:
        """The state that the action leads to.

        Raises :class:`Forbidden` where none of the permissions may ever do it, :class:`Conflict` where they may, but not
        in this state; the message names the state and the states from which it can be done.
        """
        for step in self.steps:
            if self._fits(step, state, action, permissions):
                return step.target
        if not any(step.action == action and step.permission in permissions for step in self.steps):
            if OWN_CASE in permissions and any(p.startswith("agency:") for p in self.permitted(action)):
                raise Forbidden("own_case", f"nobody at the agency decides their own case: to {action} {self.what}")
            raise Forbidden(
                "forbidden", f"to {action} {self.what} needs the permission {' or '.join(self.permitted(action))}"
            )
        possible = list(dict.fromkeys(s.state for s in self.steps if s.action == action and s.permission in permissions))
        raise Conflict(
            "wrong_state",
            f"{self.what} is {state}; to {action} it must be {' or '.join(possible)}",
            state=state,
            allowed=possible,
        )
