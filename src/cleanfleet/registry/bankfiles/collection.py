"""The agency's own bank accounts."""

from __future__ import annotations

from typing import Annotated, Any

import pydantic
from stdnum.nz import bankaccount

from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.ledger.operations import Action, Work
from cleanfleet.registry.refusals import Conflict, Invalid

from .models import CollectionAccount


class OpenCollectionAccount(Action):
    """Name a bank account of the agency's into which charges are paid: statements of others are refused."""

    number: str
    account_name: Annotated[str, pydantic.Field(min_length=1, max_length=200)]

    def run(self, work: Work) -> dict[str, Any]:
        permissions.require_role(work.by, "administrator", permissions.SYSTEM)
        number = bank_account(self.number, "number")
        if CollectionAccount.objects.filter(number=number).exists():
            raise Conflict("there_already", f"{bankaccount.format(number)} is a collection account already", field="number")
        CollectionAccount.objects.create(number=number, name=self.account_name, begun_id=work.number)
        return {"number": bankaccount.format(number), "account_name": self.account_name}


def bank_account(text: str, field: str) -> str:
    """The sixteen digits of a New Zealand bank account number; :class:`Invalid` where bank, branch or check digit are wrong."""
    if not bankaccount.is_valid(text):
        raise Invalid(
            "bank_account",
            f"{field} is no New Zealand bank account number; allowed is one such as 01-0242-0100194-00, with bank, branch, number "
            "(with its check digit) and suffix",
            field=field,
        )
    return bankaccount.compact(text)
