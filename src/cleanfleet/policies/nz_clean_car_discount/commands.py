"""The Clean Car Discount's own command, ``discount-curve``. Options and printing; the work is done in ``curve.py``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cleanfleet import tables
from cleanfleet.cli import shared
from cleanfleet.law.errors import InputError
from cleanfleet.policies.nz_clean_car_discount import curve

POLICY = "nz-clean-car-discount"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command("discount-curve")
def discount_curve(
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Draw the curve (SVG or PNG).")] = None,
    table: Annotated[
        Path | None, typer.Option("--table", metavar="FILE", help="Write each gram (CSV, XLSX, Parquet, JSON lines).")
    ] = None,
    gst: Annotated[bool, typer.Option("--gst/--no-gst", help="Sums with GST, as paid, or without, as in the law.")] = True,
    last: Annotated[int, typer.Option("--last", metavar="GRAMS", help="The last gram of the curve.")] = curve.LAST_G,
    known: Annotated[
        str | None, typer.Option("--known", metavar="DATE", help="Read the law as it was known on this day.")
    ] = None,
    reading: Annotated[
        list[str] | None,
        typer.Option("--reading", metavar="NAME=CHOICE", help="A reading of the law other than the default."),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Rebates and charges by CO2, of new and used vehicles in each period: a table of the grams where they bend, and a picture.

    The figures are those of a vehicle that meets the conditions on rebates (price, safety rating).
    """
    if not 10 <= last <= 1000:
        raise InputError(f"--last: {last} is not a number of grams from 10 to 1000")
    if out is not None and table is not None and out.resolve() == table.resolve():
        raise InputError(f"--table: {table} is --out too; name another file")
    if out is not None:
        from cleanfleet.charts import check_target

        check_target(out)
    readings: dict[str, str] = {}
    for text in reading or []:
        name, equals, choice = text.partition("=")
        if not equals or not name.strip():
            raise InputError(f"--reading: {text!r} is not NAME=CHOICE")
        readings[name.strip()] = choice.strip()
    policy = shared.load(POLICY, known=known, readings=readings)
    frame = curve.curve(policy, gst=gst, last_g=last)
    if table is not None:
        with tables.writer(table) as sink:
            sink.write(frame)
    if out is not None:
        curve.draw_curve(policy, frame, out, gst=gst)
    written = [path for path in (out, table) if path is not None]
    if json_:
        content = {
            "policy": policy.id,
            "known": policy.known,
            "values_digest": policy.digest,
            "readings": readings,
            "with_gst": gst,
            "points": frame.rows(named=True),
            "written": [str(path) for path in written],
        }
        print(shared.dump(content))
        return
    to = shared.console()
    to.print(f"[bold]{policy.title}[/], law as known on {policy.known}", soft_wrap=True)
    money = "with GST" if gst else "without GST"
    headings = [
        ("period", False),
        ("vehicle", False),
        ("CO2 g/km", True),
        (f"new NZ$ {money}", True),
        (f"used NZ$ {money}", True),
    ]
    lines = [
        (period.replace("_", " "), "any" if powertrain == "petrol" and period != "interim" else powertrain.replace("_", " "), gram, new, used)
        for period, powertrain, gram, new, used in curve.corners(frame)
    ]  # fmt: skip
    shared.show(to, shared.table("", headings, lines))
    to.print(
        "above 0 a rebate, below 0 a charge; listed are the grams where a line begins, bends, jumps or ends", soft_wrap=True
    )
    for path in written:
        to.print(f"written: {path}", markup=False, soft_wrap=True)
