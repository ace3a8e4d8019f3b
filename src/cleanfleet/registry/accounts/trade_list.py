"""The list of holders who want to be asked for trades of credits. Who trades at what price is between them: none is kept or shown.

That there is such a list, and that it is opt-in, is in the agency's notices of May 2023; what it shows was not found. It shows what
is needed to ask: account number, holder's name, condition (which credits the account holds: of new or of used vehicles) and the
address that the holder gave for it. Whether credits are there, and how many, stays the holder's own.
"""

from __future__ import annotations

from typing import NamedTuple

from cleanfleet.registry.ledger import texts
from cleanfleet.registry.ledger.models import Principal
from cleanfleet.registry.refusals import Forbidden

from . import permissions
from .models import Account, Grant


class Listed(NamedTuple):
    """One account on the list. ``account`` is the id with which its own people take it off again (``list_for_trade`` with ``listed``
    false); None in the eyes of others."""

    number: str
    holder_name: str
    condition: str
    contact_email: str
    account: str | None


def trade_list(principal: Principal) -> list[Listed]:
    """The open, listed accounts of verified holders, by number. For those who may transfer credits of an open account of a verified
    holder, and for the agency's seeing roles; :class:`Forbidden` for anyone else."""
    mine = Grant.objects.filter(
        principal=principal, ended=None, verb__in=("transfer_credits", permissions.OWNER), account__state="open"
    )
    agency = permissions.roles(principal) & set(permissions.SEEING)
    if not agency and not mine.filter(account__holder__aml="verified").exists():
        raise Forbidden(
            "forbidden",
            "the list is for those who may transfer credits of an open account whose holder is verified against money laundering",
            needed=["transfer_credits"],
        )
    own = set(mine.values_list("account_id", flat=True))
    shown = Account.objects.filter(listed=True, state="open", holder__aml="verified").select_related("holder")
    found = list(shown.order_by("number"))
    said = texts.of(one.listing_id for one in found if one.listing_id is not None)
    return [
        Listed(
            one.number,
            one.holder.name,
            one.condition,
            said.get(one.listing_id or 0, {}).get("contact_email", ""),
            one.public_id if one.pk in own else None,
        )
        for one in found
    ]
