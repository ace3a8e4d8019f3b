"""The states of an offered transfer: the giver's permissions begin with ``giver:``, the receiver's with ``receiver:``."""

from __future__ import annotations

from cleanfleet.registry.states import States, Step

OFFER = States(
    "offer",
    "offered",
    {
        "offered": "waiting for the receiver",
        "accepted": "done",
        "declined": "declined",
        "withdrawn": "withdrawn",
        "lapsed": "lapsed",
    },
    [
        Step("offered", "accept", "receiver:transfer_credits", "accepted"),
        Step("offered", "decline", "receiver:transfer_credits", "declined"),
        Step("offered", "withdraw", "giver:transfer_credits", "withdrawn"),
        Step("offered", "lapse", "system", "lapsed"),
    ],
)
