"""The states of an acceptance."""

from __future__ import annotations

from cleanfleet.registry.states import States, Step

ACCEPTANCE = States(
    "acceptance",
    "waiting",
    {"waiting": "waiting for payment", "accepted": "accepted", "released": "not accepted"},
    [
        Step("waiting", "complete", "system", "accepted"),
        Step("waiting", "release", "system", "released"),
        Step("waiting", "release", "accept_vehicles", "released"),
    ],
)
