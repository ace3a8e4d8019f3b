"""Checks of what is held and owed: lots, charges, money, fleet years. Amounts are grams CO2/km and cents."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from .cells import Read, Values
from .layout import CONDITIONS
from .links import accounts


class Identity(NamedTuple):
    """What makes a lot the same lot, whoever holds it; ``origin`` is the key of the lot it came of by exchange."""

    pool: str
    earned_by: str
    vintage: int
    earned_on: object
    origin: str


def identity(row: Read) -> Identity:
    return Identity(
        row["pool"], row.get("earned_by") or row["account"], row["vintage"], row["earned_on"], row.get("origin", "")
    )


def unit_owed(account: Read, row: Read) -> str:
    """The unit of grams owed: ``charge:used:A:2025``, of a fleet year with ``:fleet``."""
    return f"charge:{account['condition']}:{row['vehicle_type']}:{row['year']}" + (
        ":fleet" if row["scheme"] == "fleet" else ""
    )


def check(values: Values) -> None:
    _lots(values)
    _charges(values)
    _fleets(values)


def _lots(values: Values) -> None:
    of = accounts(values)
    keys: dict[str, Identity] = {}
    holding: dict[tuple[str, Identity], Read] = {}
    origins: dict[tuple[str, str], Identity] = {}
    named = {row["origin"] for row in values["lots"] if row.get("origin")}
    for row in values["lots"]:

        def wrong(field: str, code: str, allowed: str, row: Read = row) -> None:
            values.error("lots", row, field, code, allowed)

        this, account = identity(row), of.get(row["account"])
        if row["vintage"] > row["earned_on"].year:
            wrong("vintage", "bad_value", f"a year up to {row['earned_on'].year}, in which they were earned")
        if account is not None and account["condition"] != row["pool"] and (row["grams"] or row.get("expired_g")):
            wrong("pool", "wrong_pool", f"{account['condition']}, what the account is for")
        if not row["grams"] and not row.get("expired_g") and row.get("lot") not in named:
            wrong("grams", "empty_lot", "grams from 1, except in a lot that expired or that another names as its origin")
        if (row["account"], this) in holding:
            wrong(
                "account",
                "duplicate",
                f"one row for each account and lot; row {holding[row['account'], this].number} has it",
            )
        holding.setdefault((row["account"], this), row)
        if row.get("lot") and keys.setdefault(row["lot"], this) != this:
            wrong("lot", "duplicate", "a key of its own for each lot (pool, earned_by, earned_on, vintage, origin)")
        if this.origin and origins.setdefault((this.pool, this.origin), this) != this:
            wrong("origin", "origin_twice", "one lot of each pool from one origin")
    for row in values["lots"]:
        origin = row.get("origin")
        if origin and origin not in keys:
            values.error("lots", row, "origin", "unknown_reference", "a key in the column lot")
        elif origin and keys[origin].pool == row["pool"]:
            values.error("lots", row, "origin", "wrong_pool", "a lot of the other pool: an exchange crosses pools")
        elif origin and _circle(keys, origin):
            values.error("lots", row, "origin", "circle", "an origin that doesn't lead back to this lot")


def _circle(keys: dict[str, Identity], start: str) -> bool:
    seen, at = set(), start
    while at:
        if at in seen:
            return True
        seen.add(at)
        at = keys[at].origin if at in keys else ""
    return False


def _charges(values: Values) -> None:
    as_of = values["package"][0]["as_of"] if values["package"] else None
    for row in values["charges"]:
        rate, due = row.get("rate_cents"), row.get("cents_due")
        if rate is not None and due is not None and due != rate * row["grams"]:
            values.error("charges", row, "cents_due", "does_not_fit", f"{rate * row['grams']}, grams times rate_cents")
        if rate is None and due is not None and due % row["grams"]:
            values.error("charges", row, "cents_due", "does_not_fit", "a whole number of cents for each gram")
        if as_of is not None and row["year"] > as_of.year:
            values.error("charges", row, "year", "future", f"a year up to {as_of.year}")


def _fleets(values: Values) -> None:
    of = accounts(values)
    owed = {(row["account"], row["vehicle_type"], row["year"]): row for row in values["charges"] if row["scheme"] == "fleet"}
    years = {(row["holder"], row["vehicle_type"], row["year"]): row for row in values["fleet_years"]}
    shares: dict[tuple[str, str, int, str], list[Read]] = defaultdict(list)
    for row in values["fleet_shares"]:

        def wrong(field: str, code: str, allowed: str, row: Read = row) -> None:
            values.error("fleet_shares", row, field, code, allowed)

        account = of.get(row["account"])
        if account is None:
            continue
        place = (account["holder"], row["vehicle_type"], row["year"])
        shares[(*place, account["condition"])].append(row)
        left = row["charge_g"] - row["credits_g"] - row["money_g"]
        charge = owed.pop((row["account"], row["vehicle_type"], row["year"]), None)
        if place not in years:
            wrong("year", "unknown_reference", "a fleet year of the account's holder in fleet_years")
        if left < 0:
            wrong("charge_g", "does_not_fit", "at least credits_g and money_g together")
        elif left != (charge["grams"] if charge else 0):
            wrong("charge_g", "does_not_fit", f"what charges has still owed of it; {left} g are neither met there nor here")
    for row in owed.values():
        values.error("charges", row, "scheme", "unknown_reference", "fleet only with the account's row in fleet_shares")
    for place, row in years.items():
        for condition in CONDITIONS:
            credit, charge = row[f"credit_{condition}_g"], row[f"charge_{condition}_g"]
            found = shares[(*place, condition)]
            if credit and charge:
                values.error("fleet_years", row, f"charge_{condition}_g", "credit_and_charge", "0 where there is a credit")
            if len(found) > 1:
                values.error(
                    "fleet_shares", found[1], "account", "duplicate", "one account for each condition of a fleet year"
                )
            elif sum(one["issued_g"] - one["charge_g"] for one in found) != credit - charge:
                values.error(
                    "fleet_years", row, f"credit_{condition}_g", "does_not_fit",
                    f"a share on an account for {condition} vehicles with issued_g less charge_g of {credit - charge}",
                )  # fmt: skip
