"""Making notices of deadlines; the daily job does it. Nothing is sent here."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.ledger import rows
from cleanfleet.registry.ledger.operations import Action, Work

from .deadlines import Told, to_tell
from .models import Notice


def pending(on: dt.date) -> list[Told]:
    """Who is to be told of what on that day and hasn't been, in a fixed order."""
    found = to_tell(on)
    if not found:
        return []
    days = [told.deadline.day for told in found]
    made = Notice.objects.filter(due_on__range=(min(days), max(days)))
    known = set(made.values_list("kind", "account_id", "recipient", "subject", "due_on", "step"))
    return [told for told in found if _key(told) not in known]


def _key(told: Told) -> tuple[str, int, str, str, dt.date, int]:
    one = told.deadline
    return (one.kind, one.account, told.recipient, one.subject, one.day, told.step)


class MakeNotices(Action):
    """Note for everybody concerned which deadlines are near, and which are over; each is noted once, and again after a while where it
    stays open. On the same day it makes nothing twice."""

    def run(self, work: Work) -> dict[str, Any]:
        permissions.require_role(work.by, permissions.SYSTEM)
        found = pending(work.today)
        head = ("public_id", "kind", "account_id", "recipient", "subject", "due_on", "step")
        rows.insert(
            "notices_notice",
            (*head, "reference", "made_on", "grams", "cents", "operation_id"),
            [
                (work.id("ntc"), *_key(t), t.deadline.reference, work.today, t.deadline.grams, t.deadline.cents, work.number)
                for t in found
            ],
        )
        return {"made": len(found), "kinds": dict(sorted(Counter(told.deadline.kind for told in found).items()))}
