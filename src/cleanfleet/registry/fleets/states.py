"""The states of an application, a standing, a fleet year, a share of it and a deferral, and who may change them.

``owner`` stands for the owner of one of the holder's accounts.
"""

from __future__ import annotations

from cleanfleet.registry.states import States, Step

OWNER = "owner"
SPEND = "transfer_credits"
CASE = "agency:case_officer"
DECIDE = "agency:approver"
FINANCE = "agency:finance"
SYSTEM = "system"

APPLICATION = States(
    "application",
    "submitted",
    {
        "submitted": "being assessed",
        "recommended": "being assessed",
        "approved": "approved",
        "declined": "declined",
        "withdrawn": "withdrawn",
    },
    [
        Step("submitted", "recommend", CASE, "recommended"),
        Step("recommended", "recommend", CASE, "recommended"),
        Step("recommended", "approve", DECIDE, "approved"),
        Step("recommended", "decline", DECIDE, "declined"),
        Step("submitted", "withdraw", OWNER, "withdrawn"),
        Step("recommended", "withdraw", OWNER, "withdrawn"),
    ],
)

#: What a holder is once approved. ``approved`` counts from its first day on.
STANDING = States(
    "fleet average",
    "approved",
    {
        "approved": "fleet average",
        "suspended": "pay as you go: fleet average suspended",
        "revoked": "pay as you go: fleet average revoked",
    },
    [
        Step("approved", "suspend", CASE, "suspended"),
        Step("suspended", "reinstate", DECIDE, "approved"),
        Step("approved", "revoke", DECIDE, "revoked"),
        Step("suspended", "revoke", DECIDE, "revoked"),
    ],
)

FLEET_YEAR = States(
    "fleet year",
    "open",
    {"open": "not determined yet", "submitted": "submitted", "determined": "determined"},
    [
        Step("open", "submit", SPEND, "submitted"),
        Step("submitted", "submit", SPEND, "submitted"),
        Step("open", "determine", CASE, "determined"),
        Step("submitted", "determine", CASE, "determined"),
        Step("determined", "correct", CASE, "determined"),
    ],
)

#: One account's part of a fleet year. ``overdue`` is what is due in money after the last day; there is no interest.
SHARE = States(
    "share",
    "provisional",
    {
        "provisional": "not determined yet",
        "owed": "to be settled",
        "paying": "direct debit under way",
        "debit_failed": "direct debit failed",
        "deferred": "deferred to the next year",
        "overdue": "overdue",
        "collecting": "overdue, direct debit under way",
        "settled": "settled",
    },
    [
        Step("provisional", "determine", CASE, "owed"),
        Step("owed", "settle", SPEND, "owed"),
        Step("debit_failed", "settle", SPEND, "owed"),
        Step("deferred", "settle", SPEND, "deferred"),
        Step("overdue", "settle", SPEND, "overdue"),
        Step("owed", "debit", SPEND, "paying"),
        Step("debit_failed", "debit", SPEND, "paying"),
        Step("deferred", "debit", SPEND, "paying"),
        Step("paying", "fail", SYSTEM, "debit_failed"),
        Step("paying", "confirm", SYSTEM, "owed"),
        Step("owed", "finish", SYSTEM, "settled"),
        Step("debit_failed", "finish", SYSTEM, "settled"),
        Step("deferred", "finish", SYSTEM, "settled"),
        Step("overdue", "finish", SYSTEM, "settled"),
        Step("overdue", "resume", SYSTEM, "owed"),
        Step("owed", "defer", DECIDE, "deferred"),
        Step("debit_failed", "defer", DECIDE, "deferred"),
        Step("owed", "fall_due", SYSTEM, "overdue"),
        Step("debit_failed", "fall_due", SYSTEM, "overdue"),
        Step("deferred", "fall_due", SYSTEM, "overdue"),
        Step("overdue", "fall_due", SYSTEM, "overdue"),
        Step("overdue", "collect", SPEND, "collecting"),
        Step("overdue", "collect", FINANCE, "collecting"),
        Step("overdue", "collect", SYSTEM, "collecting"),
        Step("collecting", "fail", SYSTEM, "overdue"),
        Step("collecting", "confirm", SYSTEM, "overdue"),
        Step("settled", "reopen", CASE, "owed"),
        Step("owed", "reopen", CASE, "owed"),
        Step("debit_failed", "reopen", CASE, "owed"),
        Step("deferred", "reopen", CASE, "deferred"),
        Step("overdue", "reopen", CASE, "overdue"),
        Step("owed", "reverse_debit", SYSTEM, "overdue"),
        Step("debit_failed", "reverse_debit", SYSTEM, "overdue"),
        Step("deferred", "reverse_debit", SYSTEM, "overdue"),
        Step("settled", "reverse_debit", SYSTEM, "overdue"),
        Step("overdue", "reverse_debit", SYSTEM, "overdue"),
        Step("paying", "reverse_debit", SYSTEM, "paying"),
        Step("collecting", "reverse_debit", SYSTEM, "collecting"),
    ],
)

#: One way in which grams of a share are met: credits, money, or both.
SETTLEMENT = States(
    "fleet settlement",
    "begun",
    {
        "begun": "being settled",
        "reserved": "credits reserved",
        "waiting": "waiting for the direct debit",
        "due": "due in money",
        "collecting": "waiting for the direct debit",
        "done": "settled",
        "released": "not settled",
    },
    [
        Step("begun", "reserve", SPEND, "reserved"),
        Step("begun", "wait", SPEND, "waiting"),
        Step("begun", "complete", SPEND, "done"),
        Step("begun", "fall_due", SYSTEM, "due"),
        Step("reserved", "complete", CASE, "done"),
        Step("reserved", "release", SPEND, "released"),
        Step("reserved", "release", CASE, "released"),
        Step("waiting", "complete", SYSTEM, "done"),
        Step("waiting", "release", SYSTEM, "released"),
        Step("due", "collect", SPEND, "collecting"),
        Step("due", "collect", FINANCE, "collecting"),
        Step("due", "collect", SYSTEM, "collecting"),
        Step("due", "cancel", CASE, "done"),
        Step("collecting", "complete", SYSTEM, "done"),
        Step("collecting", "fail", SYSTEM, "due"),
        Step("done", "reverse", SYSTEM, "due"),
    ],
)

DEFERRAL = States(
    "deferral",
    "requested",
    {"requested": "being decided", "granted": "granted", "declined": "declined", "withdrawn": "withdrawn"},
    [
        Step("requested", "grant", DECIDE, "granted"),
        Step("requested", "decline", DECIDE, "declined"),
        Step("requested", "withdraw", OWNER, "withdrawn"),
    ],
)
