"""Asking the law again for vehicles that wait on an account, once it can answer otherwise."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.db.models import QuerySet

from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.ledger.operations import Action, Work
from cleanfleet.registry.rulings import law

from . import assessing
from .models import Claim
from .operations import MOST, PREVIEW, exclude, preview_of
from .states import WAITING


def stale(stamp: str) -> QuerySet[Claim]:
    """Vehicles that wait on an account and were last asked under another law, or other confirmations, than the stamp's."""
    return Claim.objects.filter(ended_on=None, state__in=WAITING).exclude(preview_stamp=stamp).order_by("pk")


class ReassessVehicles(Action):
    """Ask the law again for up to 5,000 vehicles that wait, because it, its dates or the agency's confirmations have changed
    since. What is no longer held may be accepted; what is excluded now ends on its account. The daily job does it until none is left."""

    def run(self, work: Work) -> dict[str, Any]:
        permissions.require_role(work.by, permissions.SYSTEM)
        stamp = law.stamp(work.today)
        found = list(stale(stamp).values_list("pk", "account_id")[:MOST])
        work.lock(*{account for _, account in found})
        claims = list(
            stale(stamp).filter(pk__in=[pk for pk, _ in found]).select_related("version", "account").defer("account__holder")
        )
        confirmed, policy = law.confirmed(), law.policy(work.today)
        done = {"asked": len(claims), "held": 0, "no_longer_held": 0, "not_subject": 0}
        changed = []
        for scheme in ("payg", "fleet"):
            part = [claim for claim in claims if claim.account.scheme == scheme]
            answers = assessing.assess(policy, assessing.read(c.version.attributes for c in part), work.today, scheme)
            for claim, answer in zip(part, answers, strict=True):
                if answer.status == "excluded" and answer.reason != assessing.BEFORE:
                    exclude(work, claim)
                    done["not_subject"] += 1
                    continue
                preview = preview_of(answer, confirmed, work.today, stamp, claim)
                done["held"] += bool(preview["missing"])
                done["no_longer_held"] += bool(claim.missing and not preview["missing"])
                changed.append((*preview.values(), claim.pk))
        if changed:
            columns = ", ".join(f'"{name}" = %s' for name in PREVIEW)
            with connection.cursor() as cursor:
                cursor.executemany(f"UPDATE vehicles_claim SET {columns} WHERE id = %s", changed)  # noqa: S608 - our own names
        if claims:
            work.law(policy)
        return done
