"""Checks of vehicles as the package tells them: identifiers, states, and what the old register posted."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict

from cleanfleet.registry.refusals import Invalid
from cleanfleet.registry.vehicles.identify import normalised

from .cells import Read, Values
from .links import accounts

#: What an accepted vehicle must have, and no other may.
POSTED = (
    "accepted_on", "accepted_under", "posted_type", "posted_co2", "posted_target", "credit_g", "charge_g", "charge_cents",
    "offset_g", "money_g",
)  # fmt: skip
#: The first day on which a vehicle earned or owed anything.
FIRST = dt.date(2023, 1, 1)


def identifiers(row: Read) -> list[tuple[str, str]]:
    """(kind, normalised value) of a vehicle's identifiers; those that can't be read are left out."""
    found = []
    for kind, column in (("vin", "vin"), ("chassis", "chassis"), ("register", "register_id")):
        try:
            if row.get(column):
                found.append((kind, normalised(kind, row[column])))
        except Invalid:
            continue
    return found


def check(values: Values) -> None:
    of = accounts(values)
    seen: dict[tuple[str, str], Read] = {}
    for row in values["vehicles"]:
        _identified(values, row, seen)
        account = of.get(row["account"])
        if account is not None:
            _on_account(values, row, account)
        accepted = row["state"] == "accepted"
        for name in POSTED:
            if (row.get(name) is None) == accepted:
                code, allowed = ("missing", "a value where it is accepted") if accepted else ("not_allowed", "nothing")
                values.error("vehicles", row, name, code, allowed)
        if (row.get("ready_on") is None) != (row["state"] == "entered"):
            values.error("vehicles", row, "ready_on", "missing", "a day, unless it is only entered")
        if accepted and all(row.get(name) is not None for name in POSTED):
            _posted(values, row)
    _unpaid(values, of)


def _identified(values: Values, row: Read, seen: dict[tuple[str, str], Read]) -> None:
    for kind, column in (("vin", "vin"), ("chassis", "chassis"), ("register", "register_id")):
        try:
            if row.get(column):
                normalised(kind, row[column])
        except Invalid as refusal:
            values.error("vehicles", row, column, "bad_value", refusal.message.rpartition("; ")[2])
    found = identifiers(row)
    if not found and not any(row.get(name) for name in ("vin", "chassis", "register_id")):
        values.error("vehicles", row, "vin", "missing", "at least one of vin, chassis and register_id")
    for kind, value in found:
        first = seen.setdefault((kind, value), row)
        if first is not row:
            column = "register_id" if kind == "register" else kind
            values.error("vehicles", row, column, "duplicate", f"a vehicle of its own; row {first.number} has it")


def _on_account(values: Values, row: Read, account: Read) -> None:
    if (account["condition"] == "used") != (row["entry_channel"] == "used"):
        values.error(
            "vehicles",
            row,
            "entry_channel",
            "wrong_account",
            f"a channel of {account['condition']} vehicles, as the account",
        )
    since = account.get("state_since")
    if account["state"] == "suspended" and since and row.get("accepted_on") and row["accepted_on"] >= since:
        values.error(
            "vehicles", row, "accepted_on", "accepted_while_suspended",
            f"a day before {since}, since when the account is suspended and accepts no vehicle",
        )  # fmt: skip


def _posted(values: Values, row: Read) -> None:
    def wrong(field: str, code: str, allowed: str) -> None:
        values.error("vehicles", row, field, code, allowed)

    if row["accepted_on"] < FIRST:
        wrong("accepted_on", "bad_value", f"a day from {FIRST}; before that nothing accrued")
    if row["credit_g"] and row["charge_g"]:
        wrong("charge_g", "credit_and_charge", "0 where there is a credit")
    met = row["offset_g"] + row["money_g"]
    if met > (row["charge_g"] if row["accepted_under"] == "payg" else 0):
        wrong(
            "offset_g",
            "does_not_fit",
            "with money_g at most charge_g; 0 under fleet average, whose year is settled as a whole",
        )
    if row["charge_cents"] % row["charge_g"] if row["charge_g"] else row["charge_cents"]:
        wrong("charge_cents", "does_not_fit", "a whole number of cents for each gram of charge_g")


def _unpaid(values: Values, of: dict[str, Read]) -> None:
    """Grams that were neither offset nor paid are owed; where the account's charges have fewer, they were met together with others."""
    owed = {
        (row["account"], row["vehicle_type"], row["year"]): row["grams"]
        for row in values["charges"]
        if row["scheme"] == "payg"
    }
    unpaid: dict[tuple[str, str, int], list[Read]] = defaultdict(list)
    for row in values["vehicles"]:
        whole = row["state"] == "accepted" and all(row.get(name) is not None for name in POSTED)
        if whole and row["accepted_under"] == "payg" and _left(row) > 0 and row["account"] in of:
            unpaid[row["account"], row["posted_type"], row["accepted_on"].year].append(row)
    for place, rows in unpaid.items():
        left = sum(_left(row) for row in rows)
        if left > owed.get(place, 0):
            values.warn(
                "vehicles", rows[0], "money_g", "unpaid_without_charge",
                f"offset_g and money_g up to the charge, or charges that owe the rest: of {len(rows)} vehicles of type {place[1]} "
                f"of {place[2]} {left} g are unmet, the account owes {owed.get(place, 0)} g. A lower charge can't be given back",
            )  # fmt: skip


def _left(row: Read) -> int:
    return int(row["charge_g"] - row["offset_g"] - row["money_g"])
