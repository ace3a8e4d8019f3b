"""The states of a payment. What the provider says reaches the register as the system's own work."""

from __future__ import annotations

from cleanfleet.registry.states import States, Step

PROVIDER = "system"
FINANCE = "agency:finance"

PAYMENT = States(
    "payment",
    "created",
    {
        "created": "waiting",
        "started": "waiting",
        "succeeded": "paid",
        "declined": "not paid",
        "timed_out": "not paid",
        "late": "paid too late, to be refunded",
        "refund_due": "being refunded",
        "refunded": "refunded",
        "reversed": "reversed by the payer's bank",
    },
    [
        Step("created", "start", PROVIDER, "started"),
        Step("created", "succeed", PROVIDER, "succeeded"),
        Step("started", "succeed", PROVIDER, "succeeded"),
        Step("created", "decline", PROVIDER, "declined"),
        Step("started", "decline", PROVIDER, "declined"),
        Step("created", "time_out", PROVIDER, "timed_out"),
        Step("started", "time_out", PROVIDER, "timed_out"),
        Step("declined", "succeed", PROVIDER, "late"),
        Step("timed_out", "succeed", PROVIDER, "late"),
        Step("late", "refund", FINANCE, "refund_due"),
        Step("refund_due", "confirm_refund", PROVIDER, "refunded"),
        Step("succeeded", "reverse", PROVIDER, "reversed"),
        Step("late", "reverse", PROVIDER, "reversed"),
    ],
)
#: A message's outcome -> the action that it means.
OUTCOMES = {
    "succeeded": "succeed",
    "declined": "decline",
    "timed_out": "time_out",
    "reversed": "reverse",
    "refunded": "confirm_refund",
}
#: An outcome -> the states in which it is known already: two messages, or a message and the bank's statement, tell one thing once.
TOLD = {
    "succeeded": ("succeeded", "late", "refund_due", "refunded", "reversed"),
    "declined": ("declined", "timed_out", "late", "refund_due", "refunded"),
    "timed_out": ("declined", "timed_out", "late", "refund_due", "refunded"),
    "reversed": ("reversed",),
    "refunded": ("refunded",),
}
