"""``cleanfleet registry``: the CO2 account registry on the command line of whoever runs it.

The database is that of ``DATABASE_URL``, or SQLite in ``CLEANFLEET_HOME``. Django is loaded when a command is called.
"""

from __future__ import annotations

import contextlib
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(no_args_is_help=True, help="The CO2 account registry: accounts, vehicles, charges and credits.")
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
#: The exit code where the audit found something.
FOUND = 1


@contextlib.contextmanager
def _registry(*, migrated: bool = True) -> Iterator[None]:
    """The registry ready for use; what it refuses becomes one line and exit code 2."""
    from cleanfleet.law.errors import InputError

    try:
        from cleanfleet.registry import boot
    except ModuleNotFoundError as error:
        raise InputError(f"the registry needs {error.name}; install cleanfleet[registry]") from None
    try:
        boot.start()
    except ModuleNotFoundError as error:
        raise InputError(f"the registry needs {error.name}; install cleanfleet[registry]") from None
    except ValueError as error:
        raise InputError(str(error)) from None
    from django.db import Error

    from cleanfleet.registry.refusals import Refusal

    try:
        if migrated:
            boot.check()
        yield
    except Refusal as refusal:
        raise InputError(f"{refusal.message} ({refusal.code})") from None
    except Error as error:
        raise InputError(f"the database: {' '.join(str(error).split())}") from None


def _print(data: Any) -> None:
    import json

    typer.echo(json.dumps(data, indent=2, ensure_ascii=False, default=str))


@app.command()
def migrate() -> None:
    """Make the database's tables, or bring them up to date, and put the ledger's guards in place."""
    with _registry(migrated=False):
        from cleanfleet.registry import boot

        boot.migrate()
        typer.echo("the database is up to date")


@app.command()
def settings(json_: JsonOption = False) -> None:
    """The settings: name, value, default, meaning. Secrets are not shown."""
    with _registry(migrated=False):
        from django.conf import settings as django_settings

        from cleanfleet.registry.config.options import OPTIONS

        rows = [
            (
                option.name,
                "(secret)"
                if option.secret and django_settings.OPTIONS[option.name]
                else str(django_settings.OPTIONS[option.name]),
                option.default,
                option.meaning,
            )
            for option in OPTIONS
        ]
    if json_:
        _print([dict(zip(("name", "value", "default", "meaning"), row, strict=True)) for row in rows])
        return
    from .shared import console, show, table

    show(console(), table("", [("setting", False), ("value", False), ("default", False), ("meaning", False)], rows))


@app.command()
def operations(name: Annotated[str | None, typer.Argument(help="One operation; all where it is left out.")] = None) -> None:
    """The operations that 'do' performs; for one of them the fields of its input as a JSON schema."""
    with _registry(migrated=False):
        from cleanfleet.registry import kinds
        from cleanfleet.registry.refusals import NotVisible

        found = kinds.all_kinds()
        if name is None:
            for kind, action in sorted(found.items()):
                typer.echo(f"{kind:24} {' '.join((action.__doc__ or '').split())}")
        elif name in found:
            _print(found[name].model_json_schema())
        else:
            raise NotVisible("not_found", f"there is no operation {name!r}; 'cleanfleet registry operations' lists them")


@app.command()
def do(
    operation: Annotated[str, typer.Argument(help="Name of the operation, such as open_account.")],
    file: Annotated[Path, typer.Argument(help="Its input as a JSON object; - for standard input.")] = Path("-"),
    by: Annotated[str, typer.Option(metavar="PERSON", help="Who does it: a person's id.")] = "system",
    key: Annotated[str | None, typer.Option(help="Idempotency key; the same key gives the first answer again.")] = None,
) -> None:
    """Perform one operation and print its answer. Whoever can run this has the database: it asks for no password."""
    import json

    with _registry():
        from cleanfleet.registry import kinds
        from cleanfleet.registry.ledger.operations import perform
        from cleanfleet.registry.refusals import Invalid, NotVisible

        found = kinds.all_kinds()
        if operation not in found:
            raise NotVisible(
                "not_found", f"there is no operation {operation!r}; 'cleanfleet registry operations' lists them"
            )
        if str(file) != "-" and not file.is_file():
            raise Invalid("file", f"{file} isn't there")
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        try:
            data = json.loads(text)
        except ValueError as error:
            raise Invalid("invalid_json", f"the input is no JSON: {error}") from None
        if not isinstance(data, dict):
            raise Invalid("invalid_json", f"the input is a {type(data).__name__}; a JSON object is needed")
        principal = _person(by)
        done = perform(found[operation].read(data), by=principal, key=key or f"cli-{uuid.uuid4()}")
        _print({"operation": done.operation, "repeated": done.repeated, **done.answer})


@app.command()
def bank_statement(
    file: Annotated[Path, typer.Argument(help="A camt.053 file (ISO 20022, versions 001.02 to 001.13).")],
    by: Annotated[str, typer.Option(metavar="PERSON", help="Who takes it in: a person's id, of the agency's finance.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be matched; nothing is written.")] = False,
    json_: JsonOption = False,
) -> None:
    """Take in a bank's statements and match their entries to direct debits, returns, refunds and charges. The same file twice
    answers as the first time."""
    import hashlib

    with _registry():
        from cleanfleet.registry.bankfiles import taking
        from cleanfleet.registry.ledger.operations import perform
        from cleanfleet.registry.refusals import Invalid

        if not file.is_file():
            raise Invalid("file", f"{file} isn't there")
        content = file.read_bytes()
        action, principal = taking.TakeInBankStatement.of(content), _person(by)
        if dry_run:
            told = {"dry_run": True, **taking.rehearse(action, principal)}
        else:
            done = perform(action, by=principal, key=f"camt.053:{hashlib.sha256(content).hexdigest()}")
            told = {"operation": done.operation, "repeated": done.repeated, **done.answer}
    if json_:
        _print(told)
    else:
        _show_statements(told)


@app.command()
def collection_file(
    file: Annotated[Path, typer.Argument(help="Where the file goes; it must not exist.")],
    by: Annotated[str, typer.Option(metavar="PERSON", help="Who collects: a person's id, of the agency's finance.")],
    into: Annotated[str, typer.Option(metavar="NUMBER", help="The collection account's number.")],
    on: Annotated[str, typer.Option(metavar="DATE", help="The day on which the bank is to collect.")],
    version: Annotated[str, typer.Option(help="Of pain.008.001: 08 or 02.")] = "08",
    again: Annotated[
        str | None, typer.Option(metavar="COLLECTION", help="Write the file of this collection once more.")
    ] = None,
) -> None:
    """Collect the direct debits that wait, of accounts with an authority, and write the bank's file (ISO 20022 pain.008)."""
    from .shared import date

    with _registry():
        from cleanfleet.registry.bankfiles import collecting, pain
        from cleanfleet.registry.ledger.operations import perform
        from cleanfleet.registry.refusals import Invalid

        if version not in ("02", "08"):
            raise Invalid("version", f"--version is {version}; allowed are 02 and 08")
        if file.exists():
            raise Invalid("file", f"{file} is there already, and is not overwritten")
        if again is None:
            asked = collecting.CollectDirectDebits(collection_account=into, on=date(on, "--on"))
            told = perform(asked, by=_person(by), key=f"cli-{uuid.uuid4()}").answer
            again = told["collection"]
            without = told["without_mandate"]
        else:
            without = []
        found = collecting.collection(_person(by), again)
        file.write_bytes(pain.write(found, "02" if version == "02" else "08"))
        typer.echo(f"written: {file} ({again}, {found.debits.count()} debits)")
        for payment in without:
            typer.echo(f"no authority: {payment}")


def _person(public_id: str) -> Any:
    """The principal of that id; the system's where it is 'system'."""
    from cleanfleet.registry.accounts.permissions import system
    from cleanfleet.registry.ledger.models import Principal
    from cleanfleet.registry.refusals import NotVisible

    found = system() if public_id == "system" else Principal.objects.filter(public_id=public_id).first()
    if found is None:
        raise NotVisible("not_found", f"there is no person {public_id!r}")
    return found


def _show_statements(told: dict[str, Any]) -> None:
    """Each statement: its balances, how it joins the one before, its entries with their outcomes."""
    from cleanfleet.registry.bankfiles.content import dollars

    from .shared import console, show, table

    screen = console()
    headings = [("entry", True), ("booked", False), ("NZ$", True), ("outcome", False), ("reason", False), ("account", False)]
    for one in told["statements"]:
        state = "taken in before" if one["repeated"] else "would be taken in" if told.get("dry_run") else "taken in"
        title = f"{one['identification']}, {one['first_on']} to {one['last_on']}: {state}"
        cells = [
            (
                e["number"],
                e["booked_on"],
                dollars(e["cents"]),
                e["outcome"],
                e["why"] or e["return_reason"],
                e["account"] or "",
            )
            for e in one["entries"]
        ]
        show(screen, table(title, headings, cells, narrow=("account", "booked")))
        sums = ", ".join(f"{sum_['entries']} {kind} ({dollars(sum_['cents'])})" for kind, sum_ in one["outcomes"].items())
        typer.echo(f"from {dollars(one['opening_cents'])} to {dollars(one['closing_cents'])}: {sums or 'no entries'}")
        if one["continuity"] == "gap":
            before = one["before"]
            typer.echo(
                f"a statement is missing: the one before, {before['identification']}, ended on {before['last_on']} at "
                f"{dollars(before['closing_cents'])}"
            )


@app.command()
def daily(json_: JsonOption = False) -> None:
    """What the register does by itself every day; done again on the same day it does nothing more."""
    with _registry():
        from cleanfleet.registry import daily as work

        done = {**work.run(), "accepted": work.auto_accept()}
        if json_:
            _print(done)
        else:
            typer.echo(", ".join(f"{what.replace('_', ' ')}: {count}" for what, count in done.items()))


@app.command()
def audit(
    replay: Annotated[
        bool, typer.Option("--replay", help="Do the whole history again in an empty book, and compare.")
    ] = False,
    seal: Annotated[
        bool, typer.Option("--seal", help="Chain what isn't chained yet, and print the last block's hash.")
    ] = False,
    json_: JsonOption = False,
) -> None:
    """Verify guards, seals, balances and the chain; bank statements and what was taken in from other registers against the book.

    Exit code 1 where something was found.
    """
    with _registry():
        from cleanfleet.registry import replay as history
        from cleanfleet.registry.bankfiles import checks as bank
        from cleanfleet.registry.intake import checks as intakes
        from cleanfleet.registry.ledger import audit as checks
        from cleanfleet.registry.ledger.models import Block, Operation

        if seal:
            checks.seal_blocks()
        findings = checks.run() + bank.run() + intakes.run() + (history.run() if replay else [])
        block = Block.objects.order_by("-last").first()
        told = {
            "operations": Operation.objects.count(),
            "unsealed_tail": checks.tail(),
            "last_block": None if block is None else block.hash,
            "findings": [finding._asdict() for finding in findings],
        }
    if json_:
        _print(told)
    else:
        for finding in findings:
            typer.echo(f"{finding.check}: {finding.about}: {finding.found}")
        typer.echo(
            f"{told['operations']} operations, {told['unsealed_tail']} not chained yet; last block {told['last_block'] or 'none'}"
        )
        typer.echo(f"{len(findings)} findings" if findings else "all is well")
    if findings:
        raise typer.Exit(FOUND)


@app.command()
def statement(
    account: Annotated[str, typer.Argument(help="Number of the account.")],
    first: Annotated[str, typer.Option("--from", metavar="DATE", help="First day.")],
    last: Annotated[str, typer.Option("--to", metavar="DATE", help="Last day.")],
    client: Annotated[
        str | None, typer.Option(help="Only the vehicles of this client of an agent; '' for those of no client.")
    ] = None,
    clients: Annotated[bool, typer.Option("--clients", help="All clients of an agent, one row for each.")] = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a CSV or XLSX file.")] = None,
) -> None:
    """An account's statement: opening balances, entries, closing balances."""
    from .shared import console, date, show, table

    with _registry():
        from cleanfleet.registry.accounts import permissions
        from cleanfleet.registry.refusals import Invalid
        from cleanfleet.registry.statements import clients as by_client
        from cleanfleet.registry.statements import files
        from cleanfleet.registry.statements import statement as statements

        if clients and client is not None:
            raise Invalid("clients", "--clients shows every client, --client one; give one of them", field="clients")
        of, begin, end = permissions.account_for(permissions.system(), account), date(first, "--from"), date(last, "--to")
        screen = console()
        if clients:
            parts = by_client.clients(of, begin, end)
            if out is not None:
                files.write(parts, out)
                typer.echo(f"written: {out}")
                return
            title = f"{parts.number} {parts.name}, {first} to {last}"
            for name, frame in parts.sheets().items():
                columns = [(column, column not in ("client", "bucket", "unit")) for column in frame.columns]
                show(screen, table(title if name == "Clients" else "", columns, frame.rows()))
            return
        found = statements.statement(of, begin, end, client=client)
        if out is not None:
            files.write(found, out)
            typer.echo(f"written: {out}")
            return
        headings = [("bucket", False), ("unit", False), ("opening", True), ("closing", True), ("change", True)]
        show(screen, table(f"{found.number} {found.name}, {first} to {last}", headings, found.balances().rows()))
        named = [
            ("date", False),
            ("operation", False),
            ("unit", False),
            ("bucket", False),
            ("vintage", True),
            ("amount", True),
        ]
        cells = [
            (e.date, e.operation, e.unit, e.bucket, e.vintage or "", f"{e.amount:+,}", e.vehicle) for e in found.entries
        ]
        show(screen, table("", [*named, ("vehicle", False)], cells))
        if found.before:
            earlier = [
                (e.date, e.operation, e.unit, e.bucket, e.vintage or "", f"{e.amount:+,}", e.vehicle) for e in found.before
            ]
            title = f"Before, in {found.before[0].register}; no balance counts it"
            show(screen, table(title, [*named, ("vehicle", False)], earlier))


@app.command()
def journal(out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it there.")] = None) -> None:
    """The whole book as a beancount journal with balance assertions."""
    with _registry():
        from cleanfleet.registry.statements import journal as journals

        text = "\n".join(journals.lines()) + "\n"
        if out is None:
            typer.echo(text, nl=False)
        else:
            out.write_text(text, encoding="utf-8")
            typer.echo(f"written: {out}")


@app.command()
def backup(file: Annotated[Path, typer.Argument(help="Where the copy goes; it must not exist.")]) -> None:
    """Write a copy of the registry, checked, and beside it what a restore must find."""
    with _registry():
        from cleanfleet.registry import backup as copies

        told = copies.backup(file)
        typer.echo(f"written: {file} ({told['operations']} operations, last block {told['last_block'] or 'none'})")


@app.command()
def restore(file: Annotated[Path, typer.Argument(help="A copy that 'backup' wrote.")]) -> None:
    """Bring a copy back into an empty place, and audit it."""
    with _registry(migrated=False):
        from cleanfleet.registry import backup as copies

        told = copies.restore(file)
        typer.echo(f"restored: {told['operations']} operations; the audit found nothing")


@app.command()
def grants(role: Annotated[str, typer.Argument(help="PostgreSQL role that runs the registry.")]) -> None:
    """The statements that give PostgreSQL's run-time role what it needs and no more; run them as the tables' owner."""
    with _registry():
        from cleanfleet.registry.ledger import guards

        for line in guards.grants(role):
            typer.echo(f"{line};")
