"""The agency's queue of accounts that it means to close: until when the holder may answer, what they answered, what is left."""

from __future__ import annotations

from typing import Any

from cleanfleet.registry.ledger import book, texts
from cleanfleet.registry.ledger.models import Principal

from . import permissions
from .models import Account
from .operations import BEFORE_CLOSING


def notices(principal: Principal) -> list[dict[str, Any]]:
    """The accounts under notice, the earliest day first; for the agency's seeing roles.

    ``left`` lists what must be gone before the account is closed, as (unit, bucket, amount, what is done about it).
    """
    permissions.require_role(principal, *permissions.SEEING)
    found = Account.objects.filter(state="closing").select_related("holder", "answered").order_by("answer_by", "pk")
    waiting = list(found)
    said = texts.of(one.answered_id for one in waiting if one.answered_id is not None)
    left = book.balances_of(one.pk for one in waiting)
    return [
        {
            "account": one.public_id,
            "number": one.number,
            "holder_name": one.holder.name,
            "answer_by": one.answer_by,
            "answered_on": None if one.answered is None else one.answered.effective_on,
            "answer": None if one.answered is None else said[one.answered.pk]["answer"],
            "left": [
                (unit, kind, amount, BEFORE_CLOSING.get(kind, kind))
                for (kind, unit), amount in sorted(left.get(one.pk, {}).items())
            ],
        }
        for one in waiting
    ]
