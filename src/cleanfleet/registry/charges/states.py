"""The states of a settlement."""

from __future__ import annotations

from cleanfleet.registry.states import States, Step

SETTLEMENT = States(
    "settlement",
    "waiting",
    {"waiting": "waiting for payment", "settled": "settled", "released": "not settled"},
    [Step("waiting", "complete", "system", "settled"), Step("waiting", "release", "system", "released")],
)
