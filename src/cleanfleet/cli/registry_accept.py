"""``cleanfleet registry accept``: all vehicles that match a filter, shown first and then confirmed."""

from __future__ import annotations

import uuid
from collections import Counter
from decimal import Decimal
from typing import Annotated

import typer

from .registry import JsonOption, _person, _print, _registry
from .registry_intake import app

__all__ = ["app"]


@app.command()
def accept(
    account: Annotated[str, typer.Argument(help="Number of the account.")],
    by: Annotated[str, typer.Option(metavar="PERSON", help="Who accepts: a person's id.")],
    result: Annotated[str | None, typer.Option(help="Only vehicles with a credit, a charge, or neither.")] = None,
    client: Annotated[str | None, typer.Option(help="Only vehicles of this client.")] = None,
    reference: Annotated[str | None, typer.Option(help="Only vehicles with this own reference.")] = None,
    entered_from: Annotated[str | None, typer.Option(metavar="DATE", help="Only vehicles entered from that day on.")] = None,
    entered_to: Annotated[str | None, typer.Option(metavar="DATE", help="Only vehicles entered until that day.")] = None,
    confirm: Annotated[
        str | None,
        typer.Option(metavar="DIGEST", help="Accept what was shown with this digest; without it, it is only shown."),
    ] = None,
    credits_g: Annotated[int, typer.Option("--credits", help="So many grams of charges are met by credits.")] = 0,
    key: Annotated[
        str | None, typer.Option(help="Goes on with a run that was stopped; each run has one of its own.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Show the ready vehicles that match, with a digest; with --confirm DIGEST accept exactly these, each accepted or refused with a reason."""
    with _registry():
        from cleanfleet.registry.acceptance import selecting
        from cleanfleet.registry.accounts import permissions

        wanted = selecting.Filter.read(
            {
                "result": result,
                "client": client,
                "own_reference": reference,
                "entered_from": entered_from,
                "entered_to": entered_to,
            }
        )
        principal = _person(by)
        if confirm is None:
            shown = selecting.matching(permissions.account_for(principal, account), wanted)
            if json_:
                _print(shown._asdict())
            else:
                typer.echo(f"{shown.vehicles} vehicles match: {shown.credit_g} g of credit, {shown.charge_g} g of charge")
                typer.echo(f"to accept them: --confirm {shown.digest}")
            return
        run = key or f"cli-{uuid.uuid4()}"
        if key is None and not json_:
            typer.echo(f"key of this run: {run}")
        done = selecting.accept_all(account, wanted, confirm, by=principal, key=run, credits_g=credits_g)
        if json_:
            _print(done)
            return
        counts = Counter(row["outcome"] for row in done["rows"])
        typer.echo(f"{done['count']} vehicles: " + ", ".join(f"{n} {what}" for what, n in sorted(counts.items())))
        for row in done["rows"]:
            if row["outcome"] == "refused":
                typer.echo(f"  {row['vehicle']}: {row['message']}")
        for one in done["acceptances"]:
            if one.get("payment"):
                typer.echo(
                    f"{one['acceptance']} waits for payment {one['payment']}: NZ$ {Decimal(one['money_cents']) / 100:.2f}"
                )
