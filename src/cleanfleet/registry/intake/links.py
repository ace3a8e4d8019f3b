"""What rows say of each other: references, states of accounts, who owes and holds what. Nothing here asks the database."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import Any

from cleanfleet.registry import ids

from .cells import ERASED, Read, Values

#: (table, column, table that has the key)
REFERENCES = (
    ("accounts", "holder", "holders"),
    ("accounts", "owner", "persons"),
    ("grants", "account", "accounts"),
    ("grants", "person", "persons"),
    ("lots", "account", "accounts"),
    ("lots", "earned_by", "accounts"),
    ("charges", "account", "accounts"),
    ("money", "account", "accounts"),
    ("fleet_years", "holder", "holders"),
    ("fleet_shares", "account", "accounts"),
    ("vehicles", "account", "accounts"),
    ("history", "account", "accounts"),
    ("control", "account", "accounts"),
)
#: Days that can't lie after the package's own.
NOT_AFTER = (
    ("holders", "aml_reviewed_on"),
    ("accounts", "opened_on"),
    ("accounts", "state_since"),
    ("accounts", "appealed_on"),
    ("lots", "earned_on"),
    ("vehicles", "entered_on"),
    ("vehicles", "ready_on"),
    ("vehicles", "accepted_on"),
    ("fleet_years", "known_on"),
    ("history", "date"),
)
REASONS = {"suspended": ("failed_to_comply", "convicted"), "closing": ("not_needed",)}
SUSPENDED_YEARS = 5


def check(values: Values, today: dt.date) -> None:
    """Add what is wrong between the rows of a package, on the clock's day."""
    _package(values, today)
    for table, column, of in REFERENCES:
        for row in values[table]:
            if row.get(column) is not None and row[column] not in values.keys[of]:
                values.error(table, row, column, "unknown_reference", f"a key of the table {of}")
    as_of = _as_of(values)
    for table, column in NOT_AFTER:
        for row in values[table]:
            if as_of is not None and row.get(column, as_of) > as_of:
                values.error(table, row, column, "future", f"a day up to {as_of}, the package's own")
    _persons(values)
    _holders(values)
    _accounts(values)


def _as_of(values: Values) -> dt.date | None:
    return values["package"][0]["as_of"] if len(values["package"]) == 1 else None


def _package(values: Values, today: dt.date) -> None:
    rows = values["package"]
    if len(rows) != 1:
        values.error("package", None, "", "one_row", "exactly one row, with format, register and as_of")
    elif rows[0]["as_of"] > today:
        values.error("package", rows[0], "as_of", "future", f"a day up to {today}")


def _persons(values: Values) -> None:
    seen: dict[str, Read] = {}
    for row in values["persons"]:
        address = str(row["email"]).casefold()
        if address not in ERASED and seen.setdefault(address, row) is not row:
            values.warn(
                "persons", row, "email", "shared", f"two persons may share one; row {seen[address].number} has it too"
            )
    named = {row["owner"] for row in values["accounts"]} | {row["person"] for row in values["grants"]}
    for row in values["persons"]:
        if row["person"] not in named:
            values.warn("persons", row, "person", "unused", "a person who owns an account or has a permission")


def _holders(values: Values) -> None:
    for row in values["holders"]:
        if row.get("aml", "unverified") != "unverified" and row.get("aml_reviewed_on") is None:
            values.error("holders", row, "aml_reviewed_on", "missing", "the day of the review")
        since = row.get("fleet_since")
        needed = ("fleet_state", "applicant_insolvency", "related_party_insolvency")
        for name in needed:
            if (row.get(name) is None) != (since is None):
                code, allowed = ("missing", "a value") if since else ("not_allowed", "nothing without fleet_since")
                values.error("holders", row, name, code, allowed)
        if since is not None and (since.month, since.day) != (1, 1):
            values.error("holders", row, "fleet_since", "bad_value", "a 1 January")


def accounts(values: Values) -> dict[str, Read]:
    """The accounts' rows by key."""
    return {row["account"]: row for row in values["accounts"]}


def fleet_runs(values: Values, on: dt.date) -> set[str]:
    """Keys of the holders who are under fleet average on a day."""
    return {
        row["holder"]
        for row in values["holders"]
        if row.get("fleet_state") == "approved" and row.get("fleet_since", dt.date.max) <= on
    }


def _accounts(values: Values) -> None:
    as_of = _as_of(values)
    runs = fleet_runs(values, as_of) if as_of else set()
    for row in values["accounts"]:

        def wrong(field: str, code: str, allowed: str, row: Read = row) -> None:
            values.error("accounts", row, field, code, allowed)

        state = row["state"]
        if ids.is_account_number(row["account"]):
            wrong("account", "own_series", "a number that isn't of this registry's own series; accounts get new numbers")
        if as_of and state != "closed" and (row["scheme"] == "fleet") != (row["holder"] in runs):
            wrong(
                "scheme", "scheme_conflict", "fleet where the holder is under fleet average on the package's day, else payg"
            )
        if state != "open" and row.get("state_since") is None:
            wrong("state_since", "missing", f"the day since when it is {state}")
        for name, of in (("suspended_until", "suspended"), ("answer_by", "closing")):
            if (row.get(name) is not None) != (state == of):
                wrong(name, "missing" if state == of else "not_allowed", f"a day where the account is {of}, else nothing")
        if row.get("appealed_on") is not None and state != "suspended":
            wrong("appealed_on", "not_allowed", "nothing, where the account isn't suspended")
        if state in REASONS and row.get("state_reason") not in REASONS[state]:
            wrong("state_reason", "bad_value", ", ".join(REASONS[state]))
        if state == "suspended" and row.get("state_since") and row.get("suspended_until"):
            since, until = row["state_since"], row["suspended_until"]
            if (until.year, until.month, until.day) > (since.year + SUSPENDED_YEARS, since.month, since.day):
                wrong("suspended_until", "too_long", f"at most {SUSPENDED_YEARS} years after state_since (s 192)")
        if row.get("auto_accept_above") and row["scheme"] == "payg":
            wrong("auto_accept_above", "not_allowed", "false for a pay-as-you-go account")
        if row.get("state_since", row["opened_on"]) < row["opened_on"]:
            wrong("state_since", "bad_value", "a day from opened_on")
    _closed(values)
    every = accounts(values)
    for row in values["grants"]:
        one = every.get(row["account"])
        if one is not None and one["owner"] == row["person"]:
            values.error(
                "grants", row, "person", "owner", "a person other than the account's owner, who has all permissions"
            )


def _closed(values: Values) -> None:
    """A closed account holds and owes nothing, and no vehicle waits on it."""
    left: dict[str, list[str]] = defaultdict(list)
    told: list[tuple[str, Any]] = [
        *((row["account"], f"{row['grams']} g of credits") for row in values["lots"] if row["grams"]),
        *((row["account"], f"{row['grams']} g owed") for row in values["charges"]),
        *((row["account"], f"{row['cents']} cents {row['bucket']}") for row in values["money"]),
        *((row["account"], f"a vehicle that is {row['state']}") for row in values["vehicles"] if row["state"] != "accepted"),
    ]
    for key, what in told:
        left[key].append(what)
    for row in values["accounts"]:
        has = left[row["account"]]
        if row["state"] == "closed" and has:
            more = f" and {len(has) - 3} more" if len(has) > 3 else ""
            values.error(
                "accounts", row, "state", "closed_with_balance",
                f"an account that holds and owes nothing; this one has {', '.join(has[:3])}{more}",
            )  # fmt: skip
