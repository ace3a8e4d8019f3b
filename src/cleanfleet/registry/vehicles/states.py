"""The states of a claim (a vehicle on an account) and of a dispute, and who may change them."""

from __future__ import annotations

from cleanfleet.registry.states import States, Step

ACCEPT = "accept_vehicles"
FEED = "system"
CASE = "agency:case_officer"

CLAIM = States(
    "vehicle",
    "entered",
    {
        "entered": "entered",
        "ready": "ready for acceptance",
        "pending": "ready for acceptance",
        "disputed": "disputed",
        "accepted": "accepted",
        "rejected": "ended",
        "reallocated": "ended",
        "withdrawn": "ended",
        "not_subject": "ended",
    },
    [
        Step("entered", "make_ready", FEED, "ready"),
        Step("entered", "reject", ACCEPT, "rejected"),
        Step("ready", "reject", ACCEPT, "rejected"),
        Step("entered", "dispute", ACCEPT, "disputed"),
        Step("ready", "dispute", ACCEPT, "disputed"),
        Step("disputed", "correct", FEED, "ready"),
        Step("disputed", "uphold", CASE, "ready"),
        Step("disputed", "give_in", CASE, "rejected"),
        Step("entered", "reallocate", CASE, "reallocated"),
        Step("entered", "reallocate", FEED, "reallocated"),
        Step("ready", "reallocate", CASE, "reallocated"),
        Step("ready", "reallocate", FEED, "reallocated"),
        Step("disputed", "reallocate", CASE, "reallocated"),
        Step("entered", "exclude", FEED, "not_subject"),
        Step("ready", "exclude", FEED, "not_subject"),
        Step("disputed", "exclude", FEED, "not_subject"),
        Step("ready", "accept", ACCEPT, "accepted"),
        Step("ready", "accept", FEED, "accepted"),
        Step("ready", "await_payment", ACCEPT, "pending"),
        Step("pending", "accept", FEED, "accepted"),
        Step("pending", "release", FEED, "ready"),
        Step("pending", "release", ACCEPT, "ready"),
        Step("accepted", "withdraw", CASE, "withdrawn"),
    ],
)
#: States in which a claim has ended, so that another may begin.
ENDED = ("rejected", "reallocated", "withdrawn", "not_subject")
#: States in which the law's answer is only shown, because the vehicle is not accepted yet.
WAITING = ("entered", "ready", "disputed")

DISPUTE = States(
    "dispute",
    "open",
    {"open": "waiting for an answer", "corrected": "corrected", "upheld": "details stand", "given_in": "vehicle removed"},
    [
        Step("open", "correct", FEED, "corrected"),
        Step("open", "uphold", CASE, "upheld"),
        Step("open", "give_in", CASE, "given_in"),
    ],
)
