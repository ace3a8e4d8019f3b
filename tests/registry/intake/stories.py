"""Each operation of this room, ready to be performed: for the tests that kill it between two statements."""

from __future__ import annotations

from collections.abc import Callable

from cleanfleet.registry import clock
from cleanfleet.registry.intake import handing, report
from cleanfleet.registry.intake.operations import ApproveIntake, BeginIntake, ProposeIntake, StageIntake, WithdrawIntake
from cleanfleet.registry.intake.package import Package
from cleanfleet.registry.ledger.models import Principal
from cleanfleet.registry.ledger.operations import Action
from registry.intake import packages
from registry.people import do, officer

Told = tuple[Action, Principal, str]


def _begin() -> Told:
    given = packages.package(packages.rows())
    return BeginIntake(package=given.digest, parts=3), officer("finance"), packages.TODAY


def _staging(most: int | None) -> tuple[Package, str, Principal, list[StageIntake]]:
    """A package of which the first ``most`` parts are there (all: None)."""
    given, by = packages.package(packages.rows()), officer("finance")
    parts = list(given.parts())
    made = do(BeginIntake(package=given.digest, parts=len(parts)), by)["intake"]
    found = [
        StageIntake.read({"intake": made, "part": p.number, "table": p.table, "rows": list(p.rows), **p.private})
        for p in parts
    ]
    for one in found[:most]:
        do(one, by)
    return given, made, by, found


def _stage() -> Told:
    _, _, by, found = _staging(1)
    return found[1], by, packages.TODAY


def _propose() -> Told:
    given, made, by, _ = _staging(None)
    with clock.at(packages.TODAY):
        return ProposeIntake(intake=made, digest=report.dry_run(given).digest), by, packages.TODAY


def _proposed() -> tuple[str, str]:
    given = packages.package(packages.rows())
    with clock.at(packages.TODAY):
        digest = report.dry_run(given).digest
        return handing.propose(given, digest, officer("finance"))["intake"], digest


def _approve() -> Told:
    made, digest = _proposed()
    return ApproveIntake(intake=made, digest=digest), officer("approver"), packages.TODAY


def _withdraw() -> Told:
    return WithdrawIntake(intake=_proposed()[0]), officer("approver"), packages.TODAY


STORIES: dict[str, Callable[[], Told]] = {
    "begin_intake": _begin,
    "stage_intake": _stage,
    "propose_intake": _propose,
    "approve_intake": _approve,
    "withdraw_intake": _withdraw,
}
