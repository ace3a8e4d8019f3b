"""The states of an account (ss 189-192) and of an enquiry (s 188), and who may change them."""

from __future__ import annotations

from cleanfleet.registry.states import States, Step

ACCOUNT = States(
    "account",
    "open",
    {"open": "open", "suspended": "suspended", "closing": "closing", "closed": "closed"},
    [
        Step("open", "suspend", "agency:case_officer", "suspended"),
        Step("closing", "suspend", "agency:case_officer", "suspended"),
        Step("suspended", "lift", "agency:case_officer", "open"),
        Step("suspended", "lift", "system", "open"),
        Step("suspended", "note_appeal", "agency:case_officer", "suspended"),
        Step("open", "give_notice", "agency:case_officer", "closing"),
        Step("closing", "answer_notice", "owner", "closing"),
        Step("closing", "withdraw_notice", "agency:case_officer", "open"),
        Step("open", "close", "owner", "closed"),
        Step("closing", "close", "owner", "closed"),
        Step("closing", "close", "agency:case_officer", "closed"),
    ],
)

#: ``asker`` is who asks, whatever they may do elsewhere.
ENQUIRY = States(
    "enquiry",
    "open",
    {"open": "waiting for the agency", "answered": "answered", "refused": "refused", "withdrawn": "withdrawn"},
    [
        Step("open", "answer", "agency:case_officer", "answered"),
        Step("open", "refuse", "agency:case_officer", "refused"),
        Step("open", "withdraw", "asker", "withdrawn"),
    ],
)
