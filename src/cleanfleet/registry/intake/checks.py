"""The audit of intakes: what came out of ``opening`` is what approved packages brought, account by account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from django.db.models import Sum

from cleanfleet.registry.ledger.audit import Finding
from cleanfleet.registry.ledger.models import Movement

from . import control
from .cells import Values
from .models import Intake, Origin
from .operations import staged
from .posting import OPENING, place


def run() -> list[Finding]:
    """All findings; reads only."""
    return [*_opened(), *_packages()]


def _opened() -> Iterator[Finding]:
    """Nothing but an approved intake moves anything out of ``opening``, and nothing moves back."""
    approved = Intake.objects.filter(state="taken_in").values("ended_id")
    found = Movement.objects.filter(source__kind=OPENING, source__owner=None).exclude(seal_id__in=approved)
    back = Movement.objects.filter(target__kind=OPENING, target__owner=None)
    for operation in sorted({*found.values_list("seal_id", flat=True), *back.values_list("seal_id", flat=True)}):
        yield Finding("intake", f"operation {operation}", f"moves out of or into {OPENING!r} and is no approved intake")


def _packages() -> Iterator[Finding]:
    for intake in Intake.objects.filter(state="taken_in").order_by("pk"):
        about = f"intake {intake.public_id}"
        package = staged(intake)
        if package.digest != intake.package:
            yield Finding("intake", about, "the package that was handed over isn't the one that was approved")
            continue
        values = Values(package, {})
        should: Counter[tuple[str, str, str]] = Counter()
        for (account, unit), amount in control.sums(values).items():
            should[(account, *place(unit))] = amount
        for row in values["lots"]:
            if row.get("expired_g"):
                should[row["account"], "held", f"credit:{row['pool']}"] += row["expired_g"]
        keys = dict(Origin.objects.filter(intake=intake, kind="account").values_list("public_id", "key"))
        moved = Movement.objects.filter(seal_id=intake.ended_id, source__kind=OPENING, source__owner=None)
        told = moved.values_list("target__owner__public_id", "target__kind", "unit__code").annotate(n=Sum("amount"))
        stands = {(keys.get(owner, ""), kind, unit): int(n) for owner, kind, unit, n in told.order_by()}
        for at in sorted(should.keys() | stands.keys()):
            if should[at] != stands.get(at, 0):
                yield Finding(
                    "intake", f"{about}, {' '.join(at)}", f"{stands.get(at, 0)} was opened, the package has {should[at]}"
                )
