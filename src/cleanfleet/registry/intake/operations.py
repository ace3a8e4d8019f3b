"""An intake step by step: begun, staged part by part, proposed on a clean dry run, approved by another person, or withdrawn.

Staging writes nothing into accounts or book; a run that was killed goes on where it stopped. Approving writes everything in one
transaction, because a register that is half there can't be balanced against anything.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Self

import pydantic

from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.ledger.models import Operation, PrivateText
from cleanfleet.registry.ledger.operations import Action, Work
from cleanfleet.registry.refusals import Conflict, Forbidden, Invalid, NotVisible

from . import hooks, posting_cars, posting_fleets, report
from .cells import ERASED, LONGEST
from .layout import TABLES
from .models import Intake, Part
from .package import ROWS, Package, rows_of
from .posting import Opening
from .report import Report
from .states import APPROVING, INTAKE, PROPOSING

Digest = Annotated[str, pydantic.Field(pattern=r"^[0-9a-f]{64}$")]
Cell = Annotated[str, pydantic.Field(min_length=1, max_length=LONGEST)]
_PRIVATE = re.compile(r"\d+:[a-z_]+")


class BeginIntake(Action):
    """Begin to hand over a package, known by its digest, in so many parts. A package is taken in once."""

    package: Digest
    parts: Annotated[int, pydantic.Field(ge=1, le=1_000_000, strict=True)]

    def run(self, work: Work) -> dict[str, Any]:
        permissions.require_role(work.by, *PROPOSING)
        other = Intake.objects.filter(package=self.package).exclude(state="withdrawn").first()
        if other is not None:
            raise Conflict(
                "taken_in", f"this package is {INTAKE.shown[other.state]} already, as {other.public_id}", field="package"
            )
        made = Intake.objects.create(
            public_id=work.id("int"),
            package=self.package,
            parts=self.parts,
            state=INTAKE.first,
            begun_id=work.number,
            proposed_by=work.by,
        )
        return {"intake": made.public_id, "state": made.state}


class _OnIntake(Action):
    """What operations on one intake share."""

    intake: str

    def find(self, work: Work, action: str) -> Intake:
        """The intake, locked, in the state that the action leads to."""
        permissions.require_role(work.by, *PROPOSING, APPROVING)
        found = Intake.objects.select_for_update().filter(public_id=self.intake).first()
        if found is None:
            raise NotVisible("not_found", f"there is no intake {self.intake!r}", field="intake")
        found.state = INTAKE.go(found.state, action, permissions.permissions(work.by))
        return found


class StageIntake(_OnIntake):
    """Hand over one part of a package: up to 5,000 rows of one table, as (number, cells). Private cells come beside them, each as
    a field ``row:column`` of its own, so that each can be erased by itself."""

    model_config = pydantic.ConfigDict(extra="allow")

    part: Annotated[int, pydantic.Field(ge=1, strict=True)]
    table: str
    rows: Annotated[list[tuple[int, dict[str, Cell]]], pydantic.Field(min_length=1, max_length=ROWS)]

    @pydantic.model_validator(mode="after")
    def _known(self) -> Self:
        columns = TABLES[self.table].columns if self.table in TABLES else {}
        numbers = {number for number, _ in self.rows}
        for name, text in self.private().items():
            number, _, column = name.partition(":")
            if not _PRIVATE.fullmatch(name) or not isinstance(text, str) or not text:
                raise ValueError(f"{name} is not a field of this operation")
            if column not in columns or not columns[column].private or int(number) not in numbers:
                raise ValueError(f"{name} is no private cell of these rows")
        hidden = [c for _, cells in self.rows for c in cells if c in columns and columns[c].private]
        if hidden:
            raise ValueError(f"{hidden[0]} is private and stands beside the rows")
        return self

    def private(self) -> dict[str, str]:
        return dict(self.model_extra or {})

    def run(self, work: Work) -> dict[str, Any]:
        found = self.find(work, "stage")
        _mine(work, found)
        if self.table not in TABLES:
            raise Invalid("table", f"table is {self.table!r}; allowed are {', '.join(TABLES)}", field="table")
        if self.part > found.parts:
            raise Invalid("part", f"part is {self.part}; the package has {found.parts}", field="part")
        if Part.objects.filter(intake=found, number=self.part).exists():
            raise Conflict("staged", f"part {self.part} is there already", field="part")
        Part.objects.create(intake=found, number=self.part, operation_id=work.number)
        return {"intake": found.public_id, "part": self.part, "rows": len(self.rows)}


def _mine(work: Work, found: Intake) -> None:
    if found.proposed_by_id != work.by.pk:
        raise Forbidden("not_yours", "who began an intake hands it over and proposes it")


class ProposeIntake(_OnIntake):
    """Propose a package that is there in full. ``digest`` is that of its dry run: package and findings must be those of now, without an
    error, and its sums the control totals."""

    digest: Digest

    def run(self, work: Work) -> dict[str, Any]:
        found = self.find(work, "propose")
        _mine(work, found)
        checked = _checked(found, self.digest)
        (row,) = checked.values["package"]
        found.register, found.as_of, found.report = row["register"], row["as_of"], self.digest
        found.proposed_id = work.number
        found.save()
        return {"intake": found.public_id, "state": found.state, **_told(checked)}


class ApproveIntake(_OnIntake):
    """Approve a proposed package and take it in: accounts get their numbers, balances come out of the bucket ``opening``. Not by who
    proposed it, nor by someone who has an account in it; the dry run's digest must still be that of now."""

    digest: Digest

    def run(self, work: Work) -> dict[str, Any]:
        found = self.find(work, "approve")
        if found.proposed_by_id == work.by.pk:
            raise Forbidden("own_case", "nobody approves what they proposed")
        if found.report != self.digest:
            raise Conflict("other_report", f"digest is {self.digest}; proposed is {found.report}", field="digest")
        checked = _checked(found, self.digest)
        if any(row.get("registered_as") == work.by.public_id for row in checked.values["persons"]):
            raise Forbidden("own_case", "nobody approves an intake with an account or a permission of their own")
        opening = Opening(work, found, checked)
        opening.run()
        posting_cars.run(opening)
        posting_fleets.run(opening)
        opening.verify()
        found.approved_by, found.ended_id = work.by, work.number
        found.save()
        return {"intake": found.public_id, "state": found.state, **_told(checked)}


class WithdrawIntake(_OnIntake):
    """Drop a package that isn't taken in: by who proposes, or by the approver. It may be handed over anew."""

    def run(self, work: Work) -> dict[str, Any]:
        found = self.find(work, "withdraw")
        found.ended_id = work.number
        found.save()
        return {"intake": found.public_id, "state": found.state}


def _told(checked: Report) -> dict[str, Any]:
    units = {total.of: total.found for total in checked.totals if total.measure == "sum" and not total.account}
    return {
        "rows": {name: count for name, count in checked.rows.items() if count},
        "sums": units,
        "warnings": len(checked.findings),
    }


def staged(intake: Intake) -> Package:
    """The package as it was handed over so far: from the inputs of the operations that staged it, and their private texts."""
    found = Part.objects.filter(intake=intake).order_by("number")
    texts: dict[int, dict[str, str]] = {}
    private = PrivateText.objects.filter(operation__in=found.values("operation_id"))
    for operation, name, text in private.values_list("operation_id", "field", "text").iterator(5000):
        texts.setdefault(operation, {})[name] = text or ERASED[-1]
    package = Package()
    inputs = Operation.objects.filter(pk__in=found.values("operation_id")).order_by("pk").values_list("pk", "input")
    for number, written in inputs.iterator(10):
        data = json.loads(written)
        package.add(data["table"], rows_of(data["rows"]), texts.get(number, {}))
        package.operations.update({(data["table"], int(place.partition(":")[0])): number for place in texts.get(number, ())})
    for rows in package.tables.values():
        rows.sort(key=lambda row: row.number)
    return package


def _checked(intake: Intake, digest: str) -> Report:
    """The dry run of what was handed over, which must be what it is said to be."""
    there = Part.objects.filter(intake=intake).count()
    if there < intake.parts:
        raise Conflict("incomplete", f"{there} of {intake.parts} parts are there")
    package = staged(intake)
    if package.digest != intake.package:
        raise Conflict("other_package", f"what was handed over has the digest {package.digest}, not {intake.package}")
    checked = report.dry_run(package)
    if checked.errors:
        first = next(finding for finding in checked.findings if finding.severity == "error")
        at = f"{first.table}, row {first.row}, {first.field}: {first.code}; allowed is {first.allowed}"
        raise Conflict("errors", f"the dry run finds {checked.errors} errors, the first: {at}", errors=checked.errors)
    if checked.digest != digest:
        raise Conflict(
            "findings_changed",
            f"digest is {digest}; the dry run of now gives {checked.digest}: look at its findings and propose again",
            field="digest",
        )
    return checked


hooks.join()
