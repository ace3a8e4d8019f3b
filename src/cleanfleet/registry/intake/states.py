"""The states of an intake, and who may change them. Whoever proposes it doesn't approve it."""

from __future__ import annotations

from cleanfleet.registry.states import States, Step

PROPOSING = ("administrator", "finance")
APPROVING = "approver"

INTAKE = States(
    "intake",
    "staging",
    {"staging": "being handed over", "proposed": "proposed", "taken_in": "taken in", "withdrawn": "not taken in"},
    [
        *(
            Step(state, action, f"agency:{role}", target)
            for role in PROPOSING
            for state, action, target in (
                ("staging", "stage", "staging"),
                ("staging", "propose", "proposed"),
                ("proposed", "propose", "proposed"),
                ("staging", "withdraw", "withdrawn"),
                ("proposed", "withdraw", "withdrawn"),
            )
        ),
        Step("proposed", "approve", f"agency:{APPROVING}", "taken_in"),
        Step("proposed", "withdraw", f"agency:{APPROVING}", "withdrawn"),
    ],
)
