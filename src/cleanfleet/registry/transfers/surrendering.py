"""Giving credits up for good, so that an account can be closed. Grams: held -> surrendered; nobody gets them, and no money is paid.

The scheme pays nothing for credits (SEED1, S21a: no cash value); that a holder may give them up isn't forbidden by what was read of
the law, and reg 14 wasn't seen in full. Credits given up aren't owed again where their vehicle is withdrawn or corrected later.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pydantic

from cleanfleet import credits as bank
from cleanfleet.registry import clock
from cleanfleet.registry.acceptance import spending
from cleanfleet.registry.acceptance.operations import Vintage
from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.operations import OnAccount
from cleanfleet.registry.ledger.operations import Work
from cleanfleet.registry.refusals import Conflict
from cleanfleet.registry.rulings import law

from .operations import GivenGrams


class SurrenderCredits(OnAccount):
    """Give up credits of an account, for good: so many grams, the oldest first or of the ``vintages`` named. By its owner alone.

    The answer shows which lots they came from; :func:`plan` shows it before. An account that is open, or that the agency means
    to close, may; what is reserved stays reserved.
    """

    grams: GivenGrams
    vintages: list[Vintage] = pydantic.Field(default_factory=list)

    def run(self, work: Work) -> dict[str, Any]:
        account = self.find(work)
        permissions.require(work.by, account, permissions.OWNER)
        if account.state not in ("open", "closing"):
            raise Conflict("account_not_open", f"account {account.number} is {account.state} and gives up no credits")
        takes = spending.plan(account, self.grams, work.today, vintages=self.vintages).takes
        spending.take(work, account, takes, "held", "surrendered", subject=work.number, about="operation")
        return {"account": account.public_id, "grams": self.grams, "lots": _shown(takes, work.today)}


def plan(account: Account, grams: int, vintages: Sequence[int] = ()) -> list[dict[str, Any]]:
    """Which lots so many grams would be given up from today: vintage, day earned, last day, grams; in the order of use.

    Raises :class:`~cleanfleet.registry.refusals.Short` where fewer are free. Writes nothing.
    """
    return _shown(spending.plan(account, grams, clock.today(), vintages=vintages).takes, clock.today())


def _shown(takes: Sequence[bank.Take], on: dt.date) -> list[dict[str, Any]]:
    rules, known = law.bank(on), law.policy(on).known
    return [
        {
            "vintage": one.lot.vintage,
            "earned_on": str(one.lot.earned_on),
            "last_day": str(bank.last_day(one.lot, on, known, rules)),
            "grams": one.amount,
        }
        for one in takes
    ]
