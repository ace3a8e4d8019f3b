"""Direct debit authorities: from which bank account an account's charges may be collected."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import pydantic

from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.operations import OnAccount
from cleanfleet.registry.ledger.operations import ERASED_IN_REPLAY, Private, Work, is_replayed
from cleanfleet.registry.refusals import Conflict, Invalid

from .collection import bank_account
from .models import Mandate

FINANCE = "agency:finance"


class RegisterMandate(OnAccount):
    """The account's owner lets the agency collect its charges from a New Zealand bank account, from the day it was signed on. It takes the
    place of an earlier one. Name and number are private."""

    payer_name: Annotated[Private, pydantic.Field(min_length=1, max_length=70)]
    bank_account: Annotated[Private, pydantic.Field(min_length=1, max_length=30)]
    signed_on: dt.date

    def run(self, work: Work) -> dict[str, Any]:
        account = self.find(work)
        permissions.require(work.by, account, permissions.OWNER)
        if account.state == "closed":
            raise Conflict("account_closed", f"account {account.number} is closed")
        if self.signed_on > work.today:
            raise Invalid(
                "signed_on", f"signed_on is {self.signed_on}; allowed is a day until {work.today}", field="signed_on"
            )
        _end(work, account)
        mandate = Mandate.objects.create(
            public_id=work.id("mnd"),
            account=account,
            payer_name=self.payer_name,
            number=number(self.bank_account),
            signed_on=self.signed_on,
            begun_id=work.number,
        )
        return {"account": account.public_id, "mandate": mandate.public_id, "signed_on": str(self.signed_on)}


def number(text: str) -> str:
    """The sixteen digits of a bank account; in a replay '' for one that was erased since."""
    return "" if text == ERASED_IN_REPLAY and is_replayed() else bank_account(text, "bank_account")


class RevokeMandate(OnAccount):
    """End an account's direct debit authority: by its owner, or by finance on the bank's word. Debits under way go on."""

    def run(self, work: Work) -> dict[str, Any]:
        account = self.find(work)
        permissions.require(work.by, account, permissions.OWNER, FINANCE)
        if not _end(work, account):
            raise Conflict("no_mandate", f"account {account.number} has no direct debit authority")
        return {"account": account.public_id, "revoked_on": str(work.today)}


def _end(work: Work, account: Account) -> int:
    return Mandate.objects.filter(account=account, ended=None).update(ended_id=work.number)
