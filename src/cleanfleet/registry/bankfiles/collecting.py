"""Direct debits that wait are given to the bank: once each, in a file of ISO 20022 pain.008."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.conf import settings
from django.db import connection

from cleanfleet.registry import clock
from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.fleets import settling
from cleanfleet.registry.ledger.models import Principal
from cleanfleet.registry.ledger.operations import Action, Work
from cleanfleet.registry.payments import operations as payments
from cleanfleet.registry.payments.models import Payment
from cleanfleet.registry.payments.states import PROVIDER
from cleanfleet.registry.refusals import Conflict, Invalid, NotVisible

from . import camt, references
from .content import MOST
from .models import Collection, CollectionAccount, Debit, Mandate

#: The furthest day ahead for which a collection is made.
AHEAD = dt.timedelta(days=60)


class CollectDirectDebits(Action):
    """Put the direct debits that wait, of accounts with an authority, into a collection for a day: by finance. Each is then under way, and
    waits for the bank's answer from that day on. Debits without an authority are named and stay as they are."""

    collection_account: str
    on: dt.date

    def run(self, work: Work) -> dict[str, Any]:
        permissions.require_role(work.by, "finance")
        if not work.today <= self.on <= work.today + AHEAD:
            raise Invalid("on", f"on is {self.on}; allowed is a day from {work.today} to {work.today + AHEAD}", field="on")
        into = CollectionAccount.objects.filter(number=camt.account_number(self.collection_account)).first()
        if into is None:
            raise Invalid(
                "unknown_bank_account", f"{self.collection_account!r} is no collection account", field="collection_account"
            )
        waiting, mandates = _waiting(work)
        going = [one for one in waiting if one.account_id in mandates][:MOST]
        without = [one.public_id for one in waiting if one.account_id not in mandates]
        if not going:
            raise Conflict("nothing_waits", "no direct debit waits of an account with an authority", without_mandate=without)
        collection = Collection.objects.create(
            public_id=work.id("col"),
            account=into,
            on=self.on,
            made_at=work.now,
            operation_id=work.number,
        )
        Debit.objects.bulk_create(
            Debit(collection=collection, payment=one, mandate=mandates[one.account_id]) for one in going
        )
        over = dt.datetime.combine(self.on, dt.time.max, tzinfo=clock.ZONE)
        for one in going:
            payments.go(work, one, "start", {PROVIDER})
            one.reference = references.end_to_end(one.public_id)
            one.expires_at = max(one.expires_at, over + dt.timedelta(days=settings.OPTIONS["CLEANFLEET_DEBIT_DAYS"]))
            one.save(update_fields=["reference", "expires_at"])
        return {
            "collection": collection.public_id,
            "on": str(self.on),
            "debits": [{"payment": one.public_id, "cents": one.cents} for one in going],
            "cents": sum(one.cents for one in going),
            "without_mandate": without,
        }


def collection(principal: Principal, public_id: str) -> Collection:
    """A collection, for finance; :class:`NotVisible` where there is none of that id."""
    permissions.require_role(principal, "finance")
    found = Collection.objects.filter(public_id=public_id).select_related("account").first()
    if found is None:
        raise NotVisible("not_found", f"there is no collection {public_id!r}")
    return found


def _waiting(work: Work) -> tuple[list[Payment], dict[int, Mandate]]:
    """Debits of fleet years that nobody has begun to collect, locked; authorities by account."""
    found = Payment.objects.filter(purpose=settling.PURPOSE, state="created", expires_at__gt=work.now)
    work.lock(*set(found.values_list("account_id", flat=True)))
    if connection.vendor == "postgresql":
        found = found.select_for_update(no_key=True)
    waiting = list(found.order_by("pk"))
    accounts = {one.account_id for one in waiting}
    mandates = Mandate.objects.filter(account__in=accounts, ended=None)
    return waiting, {mandate.account_id: mandate for mandate in mandates}
