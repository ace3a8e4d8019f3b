"""Clearance: what the registers ask before a vehicle may be registered or get its WoF or CoF."""

from __future__ import annotations

import datetime as dt
from typing import Any

from cleanfleet.registry import clock
from cleanfleet.registry.rulings import law
from cleanfleet.registry.vehicles import assessing
from cleanfleet.registry.vehicles.identify import normalised
from cleanfleet.registry.vehicles.models import Claim, Version
from cleanfleet.registry.vehicles.states import CLAIM, WAITING

NOBODY = "no account has accepted this vehicle"


def clearance(kind: str, number: str) -> dict[str, Any]:
    """Whether a vehicle may be registered or get its WoF/CoF, by an identifier.

    ``cleared`` is true once it is accepted: ``for`` is ``registration`` (used and parallel imports) or ``wof_cof`` (vehicles of a
    distributor). It is true, too, for a vehicle that a feed told of and that the law of today excludes, and for any before
    the day from which an account number is needed (``for`` is None then, ``reason`` says why). A subject vehicle that nobody has accepted
    is never cleared; ``reason`` says where it stands, and what is missing where it is held. Raises :class:`Invalid` for what can't
    be an identifier.
    """
    value = normalised(kind, number)
    today = clock.today()
    named = {"vehicle__identifiers__kind": kind, "vehicle__identifiers__value": value}
    claim = Claim.objects.filter(**named, ended_on=None).values_list("state", "entry_channel", "missing").first()
    if claim is None:
        version = Version.objects.filter(**named).order_by("-number").values_list("attributes", flat=True).first()
        return _unclaimed(version, today)
    state, channel, missing = claim
    what = "wof_cof" if channel == "distributor_new" else "registration"
    if state == "accepted":
        return {"cleared": True, "for": what, "reason": None}
    if missing and state in WAITING:
        return {"cleared": False, "for": what, "reason": f"the vehicle is {CLAIM.shown[state]}, held: {missing}"}
    return {"cleared": False, "for": what, "reason": f"the vehicle is {CLAIM.shown[state]}"}


def _unclaimed(attributes: str | None, today: dt.date) -> dict[str, Any]:
    """The answer for a vehicle that is on no account, by what was last told of it."""
    needed = law.known_day("account_number_needed_from", today)
    if needed is None or today < needed:
        return {"cleared": True, "for": None, "reason": f"not subject: {assessing.BEFORE}"}
    if attributes is not None:
        (answer,) = assessing.assess(law.policy(today), assessing.read([attributes]), today, "payg")
        if answer.status == "excluded":
            return {"cleared": True, "for": None, "reason": f"not subject: {answer.reason}"}
    return {"cleared": False, "for": None, "reason": NOBODY}
