"""Credits that lapsed and live again, because the law as later known gives them a later last day.

The reversal of :class:`~.operations.ExpireCredits`: expired -> held, in the same lot, so that it keeps its vintage and the day it was earned.
Both ask the same function for the last day, by the law as known on the day they are done.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from cleanfleet import credits as bank
from cleanfleet.registry.acceptance import spending
from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.operations import OnAccount
from cleanfleet.registry.ledger.models import Lot
from cleanfleet.registry.ledger.operations import Work
from cleanfleet.registry.refusals import Conflict
from cleanfleet.registry.rulings import law


class ReviveCredits(OnAccount):
    """Give the account back what expired on it and by the law as known today may still be used; the daily job does it.

    Nothing lives again by a doubtful rule that the agency hasn't confirmed. What a correction or a withdrawal has cancelled since
    stays gone. A closed account takes nothing.
    """

    def run(self, work: Work) -> dict[str, Any]:
        account = self.find(work)
        permissions.require_role(work.by, permissions.SYSTEM)
        if account.state == "closed":
            raise Conflict("account_not_open", f"account {account.number} is closed and takes no credits")
        unit = spending.unit_of(account)
        held, expired = work.bucket(account.pk, "held", unit), work.bucket(None, "expired", unit)
        lapsed = {lot: grams for (_, lot), grams in spending.lapsed(account.pk).items()}
        alive = _alive(lapsed, work.today)
        law.chargeable(spending.life_marks(alive.values(), work.today))
        for lot in sorted(alive):
            work.move(unit, expired, held, lapsed[lot], lot=lot)
        if alive:
            work.law(law.policy(work.today))
        return {"account": account.public_id, "revived_g": sum(lapsed[lot] for lot in alive)}


def _alive(lots: Iterable[int], today: dt.date) -> dict[int, bank.Lot]:
    """Those of the lots that by the law as known today may still be used."""
    wanted = sorted(set(lots))
    found: dict[int, bank.Lot] = {}
    if not wanted:
        return found
    rules, known = law.bank(today), law.policy(today).known
    columns = ("pk", "unit__code", "vintage", "earned_on")
    for start in range(0, len(wanted), 5000):
        rows = Lot.objects.filter(pk__in=wanted[start : start + 5000]).values_list(*columns)
        for pk, unit, vintage, earned_on in rows:
            lot = bank.Lot(pk, "", unit.rpartition(":")[2], vintage, earned_on, 0)
            if bank.last_day(lot, today, known, rules) >= today:
                found[pk] = lot
    return found


def reviving(today: dt.date) -> list[str]:
    """The accounts on which something expired that may still be used by the law as known today."""
    lapsed = spending.lapsed()
    alive = _alive((lot for _, lot in lapsed), today)
    owners = {owner for owner, lot in lapsed if lot in alive}
    found = Account.objects.filter(pk__in=owners).exclude(state="closed").order_by("pk")
    return list(found.values_list("public_id", flat=True))
