"""``cleanfleet registry intake`` and its fellows: another register's package, checked, proposed, approved; and the export of one."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .registry import FOUND, JsonOption, _print, _registry
from .registry_lists import app

if TYPE_CHECKING:
    from cleanfleet.registry.intake.report import Report
    from cleanfleet.registry.ledger.models import Principal
    from cleanfleet.registry.ledger.operations import Action

__all__ = ["app"]
ByOption = Annotated[str, typer.Option(metavar="PERSON", help="Who does it: a person's id.")]
#: Findings that the terminal shows; all of them go into the report's file.
SHOWN = 20


@app.command()
def intake(
    package: Annotated[Path, typer.Argument(help="A folder of CSV files, or an XLSX workbook.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, write nothing.")] = False,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all findings there, as CSV or XLSX.")] = None,
    propose: Annotated[
        str | None, typer.Option(metavar="DIGEST", help="Hand it over and propose it, on the digest of its dry run.")
    ] = None,
    by: Annotated[str | None, typer.Option(metavar="PERSON", help="With --propose: who proposes it.")] = None,
    json_: JsonOption = False,
) -> None:
    """Another register's accounts, lots, charges, vehicles and histories: dry run first. Exit code 1 where it finds errors."""
    with _registry():
        from cleanfleet.registry.intake import files, handing
        from cleanfleet.registry.intake import report as reports
        from cleanfleet.registry.refusals import Invalid

        if dry_run == (propose is not None) or (propose is not None and by is None):
            raise Invalid("options", "give either --dry-run, or --propose with the dry run's digest and --by")
        read = files.read(package)
        if propose is not None:
            _print(handing.propose(read, propose, _person(str(by))))
            return
        found = reports.dry_run(read)
        if report is not None:
            reports.write(found, report)
        if json_:
            _print(found.told())
        else:
            _show(found)
    if found.errors:
        raise typer.Exit(FOUND)


def _show(found: Report) -> None:
    from .shared import console, show, table

    screen = console()
    show(screen, table("", [("table", False), ("rows", True)], [one for one in found.rows.items() if one[1]]))
    totals = [(t.measure, t.of, t.account, t.stated, t.found, t.difference) for t in found.totals]
    headings = [("total", False), ("of", False), ("account", False), ("stated", True), ("found", True), ("difference", True)]
    show(screen, table("Control totals", headings, totals))
    cells = [(f.severity, f.table, f.row, f.field, f.value, f.code, f.allowed) for f in found.findings[:SHOWN]]
    named = [("", False), ("table", False), ("row", True), ("field", False), ("value", False), ("code", False)]
    if cells:
        show(screen, table("Findings", [*named, ("allowed", False)], cells))
    if len(found.findings) > SHOWN:
        typer.echo(f"{len(found.findings) - SHOWN} more; --report FILE has all")
    typer.echo(f"{found.errors} errors, {len(found.findings) - found.errors} warnings; nothing was written")
    if not found.errors:
        typer.echo(f"digest {found.digest}")


@app.command("approve-intake")
def approve_intake(
    intake: Annotated[str, typer.Argument(help="The intake's id.")],
    digest: Annotated[str, typer.Argument(help="The digest that was proposed.")],
    by: ByOption,
) -> None:
    """Approve a proposed intake, and take it in; not by who proposed it."""
    with _registry():
        from cleanfleet.registry.intake.operations import ApproveIntake

        _do(ApproveIntake.read({"intake": intake, "digest": digest}), by, f"approve-{intake}-{digest}")


@app.command("withdraw-intake")
def withdraw_intake(intake: Annotated[str, typer.Argument(help="The intake's id.")], by: ByOption) -> None:
    """Drop an intake that isn't taken in; its package may be handed over anew."""
    with _registry():
        from cleanfleet.registry.intake.operations import WithdrawIntake

        _do(WithdrawIntake(intake=intake), by, f"cli-{uuid.uuid4()}")


@app.command()
def intakes(json_: JsonOption = False) -> None:
    """The intakes: id, register, day, state, digests."""
    with _registry():
        from cleanfleet.registry.intake.models import Intake

        columns = ("public_id", "register", "as_of", "state", "package", "report")
        rows = list(Intake.objects.order_by("pk").values_list(*columns))
    if json_:
        _print([dict(zip(columns, row, strict=True)) for row in rows])
        return
    from .shared import console, show, table

    show(console(), table("", [(name, False) for name in columns], rows))


@app.command("export-package")
def export_package(
    package: Annotated[Path, typer.Argument(help="A new folder for CSV files, or a new .xlsx file.")],
    register: Annotated[str, typer.Option(metavar="NAME", help="The name that this register bears in it.")] = "cleanfleet",
) -> None:
    """Hand out this register's accounts, lots, charges, vehicles and histories as a package that 'intake' reads."""
    with _registry():
        from cleanfleet.registry.intake import export, files

        made = export.export(register)
        files.write(made, package)
        typer.echo(f"written: {package} ({len(made.tables['accounts'])} accounts, package {made.digest})")


def _person(public_id: str) -> Principal:
    from cleanfleet.registry.ledger.models import Principal
    from cleanfleet.registry.refusals import NotVisible

    found = Principal.objects.filter(public_id=public_id).first()
    if found is None:
        raise NotVisible("not_found", f"there is no person {public_id!r}")
    return found


def _do(action: Action, by: str, key: str) -> None:
    from cleanfleet.registry.ledger.operations import perform

    done = perform(action, by=_person(by), key=key)
    told: dict[str, Any] = {"operation": done.operation, "repeated": done.repeated, **done.answer}
    _print(told)
