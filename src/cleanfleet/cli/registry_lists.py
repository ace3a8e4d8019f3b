"""``cleanfleet registry``: what is read of it, list by list. The commands that do something are in :mod:`.registry`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from .registry import JsonOption, _print, _registry
from .registry import app as app

AccountArgument = Annotated[str, typer.Argument(help="Number of the account.")]
DayOption = Annotated[str | None, typer.Option("--on", metavar="DATE", help="The day; today where it is left out.")]


def _list(rows: Sequence[Any], columns: dict[str, bool], title: str, json_: bool) -> None:
    """Named tuples as JSON, or the given columns (True: numbers, to the right) as a table."""
    if json_:
        _print([row._asdict() for row in rows])
        return
    if not rows:
        typer.echo(f"{title}: none")
        return
    from .shared import console, show, table

    cells = [[_cell(getattr(row, name)) for name in columns] for row in rows]
    show(console(), table(title, [(name.replace("_", " "), right) for name, right in columns.items()], cells))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) and value > 9999 else str(value)


def _day(text: str | None) -> Any:
    from cleanfleet.registry import clock

    from .shared import date

    return clock.today() if text is None else date(text, "--on")


@app.command()
def charges(account: AccountArgument, on: DayOption = None, json_: JsonOption = False) -> None:
    """What an account owes: grams by pool, type and year, the rate of each year, the money that comes to, by when, under which law."""
    with _registry():
        from cleanfleet.registry.accounts import permissions
        from cleanfleet.registry.notices import owed

        found = owed.charges(permissions.account_for(permissions.system(), account), _day(on))
        columns = {
            "scheme": False, "condition": False, "vehicle_type": False, "year": False, "grams": True, "rate_cents": True,
            "cents": True, "due_on": False, "reference": False, "missing": False,
        }  # fmt: skip
        _list(found, columns, f"{account}: charges", json_)


@app.command()
def deadlines(account: AccountArgument, on: DayOption = None, json_: JsonOption = False) -> None:
    """What is due on an account, the first due first; what is overdue and still open stands there too."""
    with _registry():
        from cleanfleet.registry.accounts import permissions
        from cleanfleet.registry.notices import deadlines as lists

        found = lists.deadlines(permissions.account_for(permissions.system(), account), _day(on))
        columns = {
            "day": False, "kind": False, "subject": False, "reference": False, "grams": True, "cents": True, "answers": False,
        }  # fmt: skip
        _list(found, columns, f"{account}: deadlines", json_)


@app.command()
def held(
    by: Annotated[str, typer.Option(metavar="PERSON", help="Who asks: the id of a person with a role at the agency.")],
    missing: Annotated[str, typer.Option(help="Only vehicles that lack this, as the list shows it.")] = "",
    json_: JsonOption = False,
) -> None:
    """The agency's queue of vehicles that the law doesn't determine: how many lack what, then the first hundred."""
    with _registry():
        from cleanfleet.registry.ledger.models import Principal
        from cleanfleet.registry.refusals import NotVisible
        from cleanfleet.registry.vehicles import queries

        principal = Principal.objects.filter(public_id=by).first()
        if principal is None:
            raise NotVisible("not_found", f"there is no person {by!r}")
        counts, found = queries.held_counts(principal), queries.held_page(principal, missing=missing)
        if json_:
            _print({"counts": counts, "vehicles": [row._asdict() for row in found]})
            return
        for name, number in counts.items():
            typer.echo(f"{number:7} {name}")
        columns = ("account", "vehicle", "entry_channel", "state", "since", "missing")
        _list(found, dict.fromkeys(columns, False), "held vehicles", json_)
