"""The list of holders who want to be asked for trades; and that a price of a credit stands nowhere."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.apps import apps

from cleanfleet.registry import clock, kinds
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.operations import (
    CloseAccount,
    GiveNotice,
    ListForTrade,
    Permit,
    SetAml,
    SuspendAccount,
)
from cleanfleet.registry.accounts.trade_list import Listed, trade_list
from cleanfleet.registry.ledger.models import Principal
from cleanfleet.registry.refusals import Conflict, Forbidden, Invalid
from registry.people import account, do, officer, person, verify

DAY = "2026-04-10"


def listed(name: str, condition: str = "used", **more: object) -> tuple[Principal, Account]:
    """A verified holder's account on the list, and its owner."""
    owner = person(name)
    of = account(owner, condition)
    verify(of)
    assert do(ListForTrade.read({"account": of.public_id, "listed": True, **more}), owner)["shown"] is True
    return owner, of


@pytest.mark.usefixtures("database")
def test_the_list_shows_number_name_condition_and_contact_and_how_to_leave_it() -> None:
    owner, mine = listed("Kea", contact_email="trade@kea.example")
    _, other = listed("Tui", "new")
    account(owner, "used", mine.holder.public_id)  # not listed
    assert trade_list(owner) == [
        Listed(mine.number, "Kea Imports Ltd", "used", "trade@kea.example", mine.public_id),
        Listed(other.number, "Kea Imports Ltd", "new", "", None),
    ]
    assert Listed._fields == ("number", "holder_name", "condition", "contact_email", "account")
    left = trade_list(owner)[0].account
    assert left is not None
    assert do(ListForTrade(account=left, listed=False), owner)["listed"] is False
    assert [one.number for one in trade_list(owner)] == [other.number]


@pytest.mark.usefixtures("database")
def test_who_may_see_the_list() -> None:
    owner, of = listed("Kea")
    seen = [one.number for one in trade_list(owner)]
    helper, viewer = person("Helper"), person("Viewer")
    for who, verb in ((helper, "transfer_credits"), (viewer, "view"), (viewer, "edit_details")):
        do(Permit(account=of.public_id, person=who.public_id, verb=verb), owner)
    assert [one.number for one in trade_list(helper)] == seen
    for role in ("case_officer", "approver", "finance", "support", "auditor"):
        assert [one.number for one in trade_list(officer(role))] == seen
    unverified = person("Ben")
    account(unverified)
    for by in (viewer, person("Stranger"), officer("administrator"), unverified):
        with pytest.raises(Forbidden, match="may transfer credits of an open account"):
            trade_list(by)


@pytest.mark.usefixtures("database")
def test_who_is_not_open_or_not_verified_is_not_shown() -> None:
    reader, agent = listed("Reader")[0], officer()
    with clock.at(DAY):
        _, suspended = listed("A")
        until = dt.date(2027, 1, 1)
        do(SuspendAccount(account=suspended.public_id, until=until, reason="convicted", grounds="x"), agent)
        _, closing = listed("B")
        do(GiveNotice(account=closing.public_id, answer_by=dt.date(2026, 5, 1)), agent)
        owner, closed = listed("C")
        do(CloseAccount(account=closed.public_id), owner)
        closed.refresh_from_db()
        assert (closed.listed, closed.listing_id) == (False, None)
        with pytest.raises(Conflict, match="is closed and can't be listed"):
            do(ListForTrade(account=closed.public_id, listed=True), owner)
        _, refused = listed("D")
        do(SetAml(holder=refused.holder.public_id, result="refused"), agent)
        new = person("E")
        unverified = account(new)
        assert do(ListForTrade(account=unverified.public_id, listed=True), new)["shown"] is False
        with pytest.raises(Invalid, match="contact_email is given, but listed is false"):
            do(ListForTrade(account=unverified.public_id, listed=False, contact_email="a@b.nz"), new)
        assert len(trade_list(reader)) == 1
        do(SetAml(holder=unverified.holder.public_id, result="verified"), agent)
        assert len(trade_list(reader)) == 2


#: Words of a name that would tell what a credit costs.
PRICE = {"price", "prices", "priced", "cost", "costs", "bid", "bids", "ask", "asking", "worth", "premium", "consideration"}
#: Words that name money; the rooms in which credits are given, held and listed have no field for any.
MONEY = {"cents", "nzd", "dollar", "dollars", "money", "rate", "currency", "fee"}
NO_MONEY = ("accounts", "transfers")


def words(name: str) -> set[str]:
    return set(re.split(r"[^a-z]+", name.lower()))


def names() -> dict[str, str]:
    """Every column of every table, and every field of every operation, with the room that it is of."""
    found = {}
    for model in apps.get_models():
        for column in model._meta.concrete_fields:
            found[f"{model._meta.db_table}.{column.column}"] = model._meta.app_label
    for name, kind in kinds.all_kinds().items():
        schema = kind.model_json_schema()
        for part in (schema, *schema.get("$defs", {}).values()):
            for field in part.get("properties", {}):
                found[f"{name}({field})"] = kind.__module__.split(".")[2]
    return found


def test_no_price_of_a_credit_stands_anywhere() -> None:
    found = names()
    assert {"transfers_offer.grams", "offer_transfer(grams)", "payments_payment.cents"} <= set(found)
    assert [name for name in found if words(name) & PRICE] == []
    assert [name for name, room in found.items() if room in NO_MONEY and words(name) & MONEY] == []
    assert words("offers.asking_price(NZD)") & PRICE & {"asking", "price"}
