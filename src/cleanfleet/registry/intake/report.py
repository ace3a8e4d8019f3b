"""The dry run: everything checked, nothing written; findings, counts, control totals, and a digest that stands for all of it."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xlsxwriter

from cleanfleet.registry import clock
from cleanfleet.registry.ledger.operations import canonical, digest
from cleanfleet.registry.refusals import Conflict, Invalid
from cleanfleet.registry.rulings import law
from cleanfleet.registry.vehicles import assessing
from cleanfleet.registry.vehicles.assessing import Answer

from . import against, amounts, cars, control, links
from .cells import Values
from .control import Total
from .layout import TABLES
from .models import Intake
from .package import ERROR, Finding, Package


@dataclass
class Report:
    """What a dry run found. ``rows``: how many rows each table has; ``totals``: the control totals with their differences."""

    package: str
    findings: list[Finding]
    rows: dict[str, int]
    totals: list[Total]
    values: Values = field(repr=False)
    answers: dict[int, Answer] = field(repr=False)

    @property
    def errors(self) -> int:
        return sum(finding.severity == ERROR for finding in self.findings)

    @property
    def digest(self) -> str:
        """SHA-256 over the package's digest and the findings: what is proposed and approved. Private texts don't enter it."""
        told = [[f.severity, f.code, f.table, f.row, f.field] for f in self.findings]
        return digest(canonical([self.package, told]))

    def told(self) -> dict[str, Any]:
        """For machines; the whole list of findings goes into a file (:func:`write`)."""
        return {
            "package": self.package,
            "digest": self.digest,
            "errors": self.errors,
            "warnings": len(self.findings) - self.errors,
            "kinds": dict(sorted(Counter(f"{f.severity}: {f.table}: {f.code}" for f in self.findings).items())),
            "rows": self.rows,
            "totals": [{**total._asdict(), "difference": total.difference} for total in self.totals],
        }


def dry_run(package: Package) -> Report:
    """Check a package against itself, this registry and the law of the clock's day. Writes nothing."""
    today = clock.today()
    values = Values(package, assessing.columns(law.policy(today)))
    rows = {name: len(package.tables.get(name, ())) for name in TABLES}
    links.check(values, today)
    amounts.check(values)
    cars.check(values)
    totals = control.check(values, rows)
    answers = against.check(values, today)
    number = package.digest
    if Intake.objects.filter(package=number, state="taken_in").exists():
        values.error("package", None, "", "taken_in", "a package that wasn't taken in before")
    order = {name: place for place, name in enumerate(TABLES)}
    found = sorted(values.findings, key=lambda f: (order.get(f.table, -1), f.row or 0, f.field, f.code))
    return Report(number, found, rows, totals, values, answers)


def write(report: Report, path: Path) -> None:
    """Write the findings as CSV, or as XLSX with the control totals on a second sheet."""
    if path.exists():
        raise Conflict("exists", f"{path} is there already; a report overwrites nothing", field="report")
    cells: list[list[Any]] = [[*Finding._fields], *([*finding] for finding in report.findings)]
    totals: list[list[Any]] = [[*Total._fields, "difference"], *([*total, total.difference] for total in report.totals)]
    if path.suffix.lower() == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(cells)
    elif path.suffix.lower() == ".xlsx":
        with xlsxwriter.Workbook(path, {"strings_to_formulas": False, "strings_to_urls": False}) as book:
            for name, lines in (("Findings", cells), ("Control totals", totals)):
                sheet = book.add_worksheet(name)
                for at, line in enumerate(lines):
                    sheet.write_row(at, 0, ["" if cell is None else cell for cell in line])
    else:
        raise Invalid("file", f"{path.name} ends in {path.suffix or 'nothing'}; allowed are .csv and .xlsx", field="report")
