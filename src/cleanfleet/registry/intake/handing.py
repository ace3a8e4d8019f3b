"""Handing a package over: begun, staged part by part, proposed; started anew after a kill it goes on where it stopped."""

from __future__ import annotations

from typing import Any

from cleanfleet.registry.ledger.models import Principal
from cleanfleet.registry.ledger.operations import perform

from .models import Intake
from .operations import BeginIntake, ProposeIntake, StageIntake
from .package import Package


def propose(package: Package, digest: str, by: Principal) -> dict[str, Any]:
    """Hand over all parts and propose the package on the digest of its dry run; gives the proposal's answer.

    Each step is an operation of its own under a key made of the package's digest and its number, so that what was done before a
    kill isn't done again. Raises what the steps refuse.
    """
    parts = list(package.parts())
    tried = Intake.objects.filter(package=package.digest, state="withdrawn").count()
    key = f"intake:{package.digest}:{tried}"
    going = Intake.objects.filter(package=package.digest, proposed_by=by, state__in=("staging", "proposed")).first()
    if going is None:
        begun = perform(BeginIntake(package=package.digest, parts=len(parts)), by=by, key=f"{key}:begin")
        number, operation = begun.answer["intake"], begun.operation
    else:
        number, operation = going.public_id, going.begun_id
    for part in parts:
        rows = [(row.number, row.cells) for row in part.rows]
        staged = StageIntake.read({"intake": number, "part": part.number, "table": part.table, "rows": rows, **part.private})
        perform(staged, by=by, key=f"{key}:{part.number}", parent=operation)
    again = Intake.objects.values_list("proposed_id", flat=True).get(public_id=number)
    return perform(ProposeIntake(intake=number, digest=digest), by=by, key=f"{key}:propose:{again or 0}").answer
