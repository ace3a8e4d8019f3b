"""Giving back money that corrections found overcharged."""

from __future__ import annotations

from typing import Annotated, Any

import pydantic

from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.operations import OnAccount
from cleanfleet.registry.ledger.operations import Work
from cleanfleet.registry.payments.operations import MONEY
from cleanfleet.registry.refusals import Conflict

from .meeting import PAID_OUT, to_give_back


class RefundOvercharge(OnAccount):
    """Note that money which corrections of single vehicles found overcharged was given back by bank transfer: all of it."""

    reference: Annotated[str, pydantic.Field(min_length=1, max_length=80)]

    def run(self, work: Work) -> dict[str, Any]:
        account = self.find(work)
        permissions.require_role(work.by, "finance")
        cents = to_give_back(account)
        if not cents:
            raise Conflict("nothing_due", f"account {account.number} has no overcharged money to be given back")
        due = work.bucket(account.pk, "refund_due", MONEY)
        work.move(MONEY, due, work.bucket(None, "refunded", MONEY), cents, subject=work.number, about=PAID_OUT)
        return {"account": account.public_id, "refunded_cents": cents, "reference": self.reference}
