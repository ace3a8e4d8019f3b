"""What becomes of an entry of a bank statement: its outcome when it is taken in, and the state it is in since."""

from __future__ import annotations

from cleanfleet.registry.states import States, Step

FINANCE = "agency:finance"

#: What taking in did with an entry, exactly one for each; it never changes.
OUTCOMES = {
    "confirmed": "the money of a direct debit or another payment that the register waited for",
    "late": "money of a payment that had failed: the holder's, unallocated",
    "failed": "a direct debit that was returned unpaid",
    "reversed": "a payment that the payer's bank took back",
    "refunded": "money that was given back",
    "met": "met a charge that was due",
    "held": "the holder's, unallocated: what it was for isn't due, or of another amount",
    "queued": "waits for the agency's finance",
    "noted": "moves no money: not booked yet, or of nothing",
}

ENTRY = States(
    "bank entry",
    "queued",
    {
        "queued": "waits for the agency's finance",
        "matched": "matched",
        "noted": "moves no money",
        "held": "unallocated, in the refund queue",
        "met": "met a charge",
        "refund_due": "being refunded",
        "refunded": "refunded",
        "not_ours": "not the register's",
    },
    [
        Step("queued", "match", FINANCE, "matched"),
        Step("queued", "note", FINANCE, "noted"),
        Step("queued", "hold", FINANCE, "held"),
        Step("queued", "meet", FINANCE, "met"),
        Step("held", "meet", FINANCE, "met"),
        Step("queued", "refund", FINANCE, "refund_due"),
        Step("held", "refund", FINANCE, "refund_due"),
        Step("queued", "disown", FINANCE, "not_ours"),
        Step("refund_due", "confirm_refund", FINANCE, "refunded"),
    ],
)
