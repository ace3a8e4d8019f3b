"""The format of a package: its tables and columns, and how a cell is read. ``docs/registry-intake.md`` is made from here."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

FORMAT = "1"
SCALE = 10_000
#: Amounts that a cell may have: more is a mistake, and far from what an account can hold.
MOST = 10**12

CONDITIONS = ("new", "used")
TYPES = ("A", "B")
SCHEMES = ("payg", "fleet")
BUCKETS = ("unallocated", "refund_due", "payable")
CHANNELS = ("distributor_new", "parallel_new", "used")


class Column(NamedTuple):
    """One column: its name, how a cell is read, whether it must be filled, unit, what is allowed, what it means."""

    name: str
    read: Callable[[str], Any]
    required: bool
    unit: str
    allowed: str
    meaning: str
    private: bool = False


class Table(NamedTuple):
    """One table: its columns and those that no two rows share. ``attributes``: it also takes the policy's input columns."""

    name: str
    meaning: str
    key: tuple[str, ...]
    columns: dict[str, Column]
    attributes: bool = False


def _text(most: int) -> Callable[[str], str]:
    def read(cell: str) -> str:
        if len(cell) > most:
            raise ValueError
        return cell

    return read


_WHOLE = re.compile(r"-?\d{1,13}")
_SCALED = re.compile(r"-?\d{1,9}(\.\d{1,4})?")


def _whole(low: int, high: int = MOST) -> Callable[[str], int]:
    def read(cell: str) -> int:
        if not _WHOLE.fullmatch(cell) or not low <= int(cell) <= high:
            raise ValueError
        return int(cell)

    return read


def _scaled(cell: str) -> int:
    if not _SCALED.fullmatch(cell):
        raise ValueError
    return int(Decimal(cell) * SCALE)


def _date(cell: str) -> dt.date:
    if len(cell) != 10:
        raise ValueError
    return dt.date.fromisoformat(cell)


def _flag(cell: str) -> bool:
    return {"true": True, "false": False}[cell]


def _word(*words: str) -> Callable[[str], str]:
    def read(cell: str) -> str:
        if cell not in words:
            raise ValueError
        return cell

    return read


def _email(cell: str) -> str:
    if len(cell) > 254 or not re.fullmatch(r"[^@\s]+@[^@\s]+", cell):
        raise ValueError
    return cell


def unit_known(text: str) -> bool:
    """Whether it is a unit of a control total: ``credit:new``, ``charge:used:A:2026``, ``charge:new:B:2025:fleet``, ``NZD:payable``."""
    return bool(
        re.fullmatch(r"credit:(new|used)|charge:(new|used):[AB]:20\d\d(:fleet)?|NZD:(unallocated|refund_due|payable)", text)
    )


def _unit(cell: str) -> str:
    if not unit_known(cell):
        raise ValueError
    return cell


def _table(name: str, meaning: str, key: tuple[str, ...], *columns: Column, attributes: bool = False) -> Table:
    return Table(name, meaning, key, {column.name: column for column in columns}, attributes)


def _key(name: str, meaning: str, *, required: bool = True) -> Column:
    return Column(name, _text(60), required, "", "up to 60 characters", meaning)


def _choice(name: str, words: tuple[str, ...], meaning: str, *, required: bool = True) -> Column:
    return Column(name, _word(*words), required, "", ", ".join(words), meaning)


def _day(name: str, meaning: str, *, required: bool = False) -> Column:
    return Column(name, _date, required, "", "a date such as 2026-03-31", meaning)


def _yes(name: str, meaning: str) -> Column:
    return Column(name, _flag, False, "", "true, false", meaning)


def _grams(name: str, meaning: str, *, required: bool = True, least: int = 0) -> Column:
    return Column(name, _whole(least), required, "g CO2/km", f"a whole number from {least}", meaning)


def _count(name: str, meaning: str, *, required: bool = True) -> Column:
    return Column(name, _whole(0, 10**7), required, "vehicles", "a whole number from 0", meaning)


def _cents(name: str, meaning: str, *, required: bool = True, least: int = 0) -> Column:
    return Column(name, _whole(least), required, "cents", f"a whole number from {least}", meaning)


def _rate(name: str, meaning: str, *, required: bool = False) -> Column:
    return Column(name, _scaled, required, "g CO2/km", "a number with up to 4 decimals", meaning)


def _year(name: str, meaning: str, *, required: bool = True) -> Column:
    return Column(name, _whole(2023, 2100), required, "", "a year from 2023", meaning)


def _words(name: str, most: int, meaning: str, *, required: bool = False, private: bool = False) -> Column:
    return Column(name, _text(most), required, "", f"up to {most} characters", meaning, private)


TABLES = {
    table.name: table
    for table in (
        _table(
            "package", "one row: what this is", (),
            _choice("format", (FORMAT,), "version of this format"),
            _key("register", "name of the register that the package comes from"),
            _day("as_of", "the day whose closing balances these are", required=True),
        ),
        _table(
            "persons", "owners of accounts and other users", ("person",),
            _key("person", "the person's key in this package"),
            _words("full_name", 200, "name", required=True, private=True),
            Column("email", _email, True, "", "an e-mail address", "address", True),
            _key("registered_as", "id (per_...) of the person where this registry has them already", required=False),
        ),
        _table(
            "holders", "importers", ("holder",),
            _key("holder", "the holder's key in this package"),
            _choice("kind", ("person", "legal_entity"), "a person or a legal entity, not both"),
            _words("name", 200, "name", required=True, private=True),
            _words("address", 500, "address for invoices and receipts", required=True, private=True),
            _choice("aml", ("unverified", "verified", "refused"), "customer due diligence; empty: unverified", required=False),
            _day("aml_reviewed_on", "day of that review; needed where aml is verified or refused"),
            _day("fleet_since", "1 January from which the holder is under fleet average; empty: pay as you go"),
            _choice("fleet_state", ("approved", "suspended"), "needed with fleet_since", required=False),
            _yes("applicant_insolvency", "as declared (reg 20); needed with fleet_since"),
            _yes("related_party_insolvency", "as declared (reg 20); needed with fleet_since"),
        ),
        _table(
            "accounts", "CO2 accounts; each gets a new number here, the old one stays its reference", ("account",),
            _key("account", "the old register's number; not of this registry's own series CO2-00000000"),
            _key("holder", "a holder of this package"),
            _choice("condition", CONDITIONS, "for new or for used vehicles"),
            _choice("scheme", SCHEMES, "pay as you go or fleet average"),
            _choice("state", ("open", "suspended", "closing", "closed"), "state"),
            _words("name", 200, "name of the account", required=True),
            _key("owner", "a person of this package: the account's owner"),
            _day("opened_on", "day on which it was opened", required=True),
            _day("state_since", "since when it has its state; empty: opened_on. Needed where it isn't open"),
            _words("state_reason", 60, "failed_to_comply, convicted or not_needed; empty where there is none"),
            _day("suspended_until", "needed where it is suspended"),
            _day("appealed_on", "day of an appeal against the suspension"),
            _day("answer_by", "needed where it is closing: until when the holder may answer the notice"),
            _yes("auto_accept_below", "accept vehicles at or below target by itself; empty: false"),
            _yes("auto_accept_above", "accept vehicles above target by itself, fleet average only; empty: false"),
            _yes("listed", "on the list of holders who want to trade; empty: false"),
        ),
        _table(
            "grants", "permissions of persons other than the owner", ("account", "person", "verb"),
            _key("account", "an account of this package"),
            _key("person", "a person of this package"),
            _choice(
                "verb", ("view", "manage_users", "accept_vehicles", "transfer_credits", "edit_details"), "permission"
            ),
        ),
        _table(
            "lots", "credits that are held", ("account", "pool", "earned_by", "earned_on", "vintage", "origin"),
            _key("account", "the account that holds them"),
            _choice("pool", CONDITIONS, "pool; where grams are held it is the account's condition"),
            _day("earned_on", "day on which they were earned", required=True),
            _year("vintage", "year that they belong to, not after the year of earned_on"),
            _grams("grams", "grams left; 0 only for a lot that expired or that another one names as its origin"),
            _grams("expired_g", "grams that expired unused on this account; empty: 0", required=False),
            _key("earned_by", "account of this package that first earned them; empty: account", required=False),
            _key("lot", "a key, where another lot names this one as its origin", required=False),
            _key("origin", "key of the lot of the other pool that it came of by exchange", required=False),
        ),
        _table(
            "charges", "grams still owed", ("account", "vehicle_type", "year", "scheme"),
            _key("account", "the account that owes them"),
            _choice("vehicle_type", TYPES, "type"),
            _year("year", "obligation year"),
            _choice("scheme", SCHEMES, "payg: at pay-as-you-go rates; fleet: of a fleet year, which fleet_shares tells too"),
            _grams("grams", "grams owed", least=1),
            _cents("rate_cents", "cents for each gram, where known: must be the law's", required=False),
            _cents("cents_due", "grams at that rate, where known: must fit", required=False),
        ),
        _table(
            "money", "money that isn't settled", ("account", "bucket", "reference"),
            _key("account", "account"),
            _choice("bucket", BUCKETS, "the holder's money that pays nothing, money to be given back, or money owed"),
            _cents("cents", "amount", least=1),
            _words("reference", 80, "the payment's reference; no two amounts of one bucket and account share it"),
        ),
        _table(
            "fleet_years", "fleet years that the old register determined", ("holder", "vehicle_type", "year"),
            _key("holder", "a holder of this package"),
            _choice("vehicle_type", TYPES, "type"),
            _year("year", "fleet year"),
            _day("known_on", "day up to which the law was read", required=True),
            _day("due_on", "last day for settling it", required=True),
            _year("deferred_to", "year that it was deferred to", required=False),
            _count("count_new", "new vehicles counted"),
            _count("count_used", "used vehicles counted"),
            Column("tare_kg", _whole(0), True, "kg", "a whole number from 0", "sum of the tare weights that counted"),
            _rate("target", "fleet target"),
            _rate("average", "fleet average"),
            _rate("net", "sum of target minus CO2 over all vehicles", required=True),
            _grams("credit_new_g", "credits of the new vehicles"),
            _grams("credit_used_g", "credits of the used vehicles"),
            _grams("charge_new_g", "charge of the new vehicles"),
            _grams("charge_used_g", "charge of the used vehicles"),
            _cents("charge_cents", "the charges in money"),
        ),
        _table(
            "fleet_shares", "the part of a fleet year on one account", ("account", "vehicle_type", "year"),
            _key("account", "account of the fleet year's holder"),
            _choice("vehicle_type", TYPES, "type"),
            _year("year", "fleet year"),
            _grams("issued_g", "credits that it gave the account"),
            _grams("charge_g", "what it charged the account"),
            _grams("credits_g", "grams of the charge that were met by credits"),
            _grams("money_g", "grams of the charge that were met by money"),
            _day("settle_by", "last day for settling it", required=True),
        ),
        _table(
            "vehicles", "vehicles entered, ready or accepted; further columns: the standard's own inputs", (),
            _key("account", "account"),
            _words("vin", 40, "VIN"),
            _words("chassis", 40, "chassis number"),
            _words("register_id", 40, "id of the vehicle register; at least one of the three is needed"),
            _choice("entry_channel", CHANNELS, "how it enters New Zealand's fleet"),
            _choice("state", ("entered", "ready", "accepted"), "state"),
            _day("entered_on", "day on which it came on the account", required=True),
            _day("ready_on", "day of its certification or inspection; needed unless it is only entered"),
            _words("own_reference", 60, "the holder's own reference"),
            _words("client", 60, "an agent's client"),
            _day("accepted_on", "needed where it is accepted, as are all columns below"),
            _day("known_on", "day up to which the law was read for it; empty: accepted_on"),
            _choice("accepted_under", SCHEMES, "scheme that it was accepted under", required=False),
            _choice("posted_type", TYPES, "type, as the old register had it", required=False),
            _rate("posted_co2", "three-phase CO2, as the old register had it"),
            _rate("posted_target", "target, as the old register had it"),
            _grams("credit_g", "credit that it earned", required=False),
            _grams("charge_g", "charge that it caused", required=False),
            _cents("charge_cents", "that charge in money, a whole number of cents for each gram", required=False),
            _grams("offset_g", "grams of the charge that were met by credits", required=False),
            _grams("money_g", "grams of the charge that were met by money", required=False),
            attributes=True,
        ),
        _table(
            "history", "entries of the old register, kept to be read and not posted", (),
            _key("account", "account"),
            _day("date", "day", required=True),
            _words("operation", 60, "what was done", required=True),
            Column("unit", _text(40), True, "", "up to 40 characters", "credit:new, charge:used:A:2025, NZD, ..."),
            _words("bucket", 24, "where, such as held, owed, payable"),
            _year("vintage", "vintage", required=False),
            Column("amount", _whole(-MOST), True, "by unit", "a whole number, signed", "change"),
            _words("vehicle", 40, "VIN or chassis number"),
            _words("reference", 60, "reference"),
        ),
        _table(
            "control", "totals that the old register states, made apart from these tables", (
                "measure", "table", "unit", "account",
            ),
            _choice("measure", ("rows", "sum"), "number of rows of a table, or sum of a unit"),
            _key("table", "with rows: a table of this package", required=False),
            Column(
                "unit", _unit, False, "",
                "credit:new, charge:used:A:2026, charge:new:B:2025:fleet, NZD:payable and the like", "with sum: the unit",
            ),
            _key("account", "with sum: of this account; empty: of all", required=False),
            Column("value", _whole(0, 10**15), True, "by unit", "a whole number from 0", "rows, grams or cents"),
        ),
    )
}  # fmt: skip
#: What a control total must tell the number of, where a table has rows.
COUNTED = tuple(name for name in TABLES if name not in ("package", "control"))


def reference() -> str:
    """The format's reference as Markdown, one table for each table of a package."""
    lines = []
    for table in TABLES.values():
        lines += [f"### {table.name}", "", f"{table.meaning[0].upper()}{table.meaning[1:]}.", ""]
        if table.key:
            lines += [f"No two rows share {', '.join(f'`{name}`' for name in table.key)}.", ""]
        lines += ["| column | unit | required | allowed | meaning |", "|---|---|---|---|---|"]
        for one in table.columns.values():
            must, what = "yes" if one.required else "", one.meaning + (" (erasable)" if one.private else "")
            lines.append(f"| `{one.name}` | {one.unit} | {must} | {one.allowed} | {what} |")
        lines.append("")
    return "\n".join(lines)
