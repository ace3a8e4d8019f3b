"""Colombia's own command: ``diesel-sulfur``, the fuel that the engine standards need."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import typer

from cleanfleet.cli import shared
from cleanfleet.law.columns import Column, Refused
from cleanfleet.law.errors import InputError

POLICY = "co-heavy-duty-engines"
NAME = "diesel_sulfur_limit"
#: The measured value; mg/kg is ppm by mass.
SULFUR = Column(
    "sulfur_mg_per_kg", "decimal", unit="mg/kg", decimals=3, minimum=Decimal(0), maximum=Decimal(100_000), below="below"
)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def _colombia() -> None:
    """Colombia."""


@app.command("diesel-sulfur")
def diesel_sulfur(
    on: Annotated[str | None, typer.Option(metavar="DATE", help="The day; today where it is left out.")] = None,
    sulfur: Annotated[str | None, typer.Option(metavar="MG_PER_KG", help="A result to hold against the limit.")] = None,
    known: Annotated[str | None, typer.Option(metavar="DATE", help="Read the law as it was known on this day.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """The limit of sulfur in diesel fuel on a day, with its reference; a result is compliant up to the limit itself."""
    policy = shared.load(POLICY, known=known)
    day = policy.known if on is None else shared.date(on, "--on")
    limit, record = policy.value(NAME, on=day)
    found: dict[str, Any] = {"on": day, "limit_mg_per_kg": limit, "status": None, "margin_mg_per_kg": None}
    found["reference"] = None if record is None else "; ".join(str(reference) for reference in record.references)
    found["note"] = None if record is None else record.note or None
    if sulfur is not None:
        found.update(_held(sulfur, limit))
    if json_:
        print(shared.dump(found))
        return
    out = shared.console()
    told = "no limit is known to us" if limit is None else f"at most {shared.plain(limit)} mg/kg"
    out.print(f"diesel, {day}, law as known on {policy.known}: {told}", soft_wrap=True)
    if found["reference"]:
        out.print(found["reference"], markup=False, soft_wrap=True)
    if found["note"]:
        out.print(f"note: {found['note']}", markup=False, soft_wrap=True)
    if sulfur is not None:
        margin = found["margin_mg_per_kg"]
        room = "" if margin is None else f", margin {shared.plain(margin)} mg/kg"
        out.print(f"{sulfur} mg/kg: {found['status'].replace('_', ' ')}{room}", markup=False, soft_wrap=True)


def _held(text: str, limit: Decimal | None) -> dict[str, Any]:
    """Status and margin of a result; one below a quantification limit over the limit is not determined."""
    bare, below = SULFUR.bounded(text)
    try:
        number = SULFUR.read(bare)
    except Refused as refused:
        raise InputError(f"--sulfur: {refused.message}") from None
    if number is None:
        raise InputError(f"--sulfur: is empty; allowed is {SULFUR.allowed}")
    value = Decimal(number).scaleb(-SULFUR.decimals)
    if limit is None or (below and value > limit):
        return {"status": "not_determined"}
    return {"status": "compliant" if value <= limit else "non_compliant", "margin_mg_per_kg": limit - value}
