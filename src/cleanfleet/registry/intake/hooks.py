"""What an intake means for other rooms: old numbers find accounts, statements show what was before, and what can't be corrected."""

from __future__ import annotations

import datetime as dt

from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.charges import meeting
from cleanfleet.registry.fleets import determining
from cleanfleet.registry.fleets.models import Determination
from cleanfleet.registry.refusals import Conflict
from cleanfleet.registry.statements import statement
from cleanfleet.registry.vehicles.models import Claim

from .models import History, Lack, Origin


def numbered(text: str) -> list[str]:
    """Public ids of the accounts that had this number in another register."""
    return list(Origin.objects.filter(kind="account", key=text.strip()).values_list("public_id", flat=True))


def references(account: Account) -> list[tuple[str, str]]:
    """(register, number) that the account had elsewhere."""
    return list(Origin.objects.filter(kind="account", public_id=account.public_id).values_list("register", "key"))


def texts_of(public_id: str) -> list[int]:
    """The operations with the private texts that a person or a holder was taken in with: what erasing them has to erase too."""
    return list(Origin.objects.filter(public_id=public_id).exclude(staged=None).values_list("staged_id", flat=True))


def before(account: Account, first: dt.date, last: dt.date) -> list[statement.Before]:
    """The other register's entries on an account in a period, the oldest first."""
    found = History.objects.filter(account=account, date__range=(first, last)).order_by("date", "intake_id", "line")
    columns = ("intake__register", "date", "operation", "unit", "bucket", "vintage", "amount", "vehicle", "reference")
    return [statement.Before(*row) for row in found.values_list(*columns)]


def _refuse(about: str, subject: int) -> None:
    lack = Lack.objects.filter(about=about, subject=subject).first()
    if lack is not None:
        raise Conflict(
            "lacking",
            f"what was taken in from another register doesn't suffice; missing: {lack.missing}",
            missing=[lack.missing],
        )


def _claim(claim: Claim) -> None:
    _refuse("claim", claim.pk)


def _determination(last: Determination) -> None:
    _refuse("determination", last.pk)


def join() -> None:
    """Tell the other rooms; done when the operations are loaded."""
    permissions.also_known_by(numbered)
    statement.comes_before(before)
    meeting.may_correct(_claim)
    determining.may_determine_anew(_determination)
