"""Sums of a package beside the totals that the old register states."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from .amounts import unit_owed
from .cells import Values
from .layout import COUNTED
from .links import accounts


class Total(NamedTuple):
    """A control total beside what the package has: ``rows`` of a table, or the ``sum`` of a unit, of one account or of all."""

    measure: str
    of: str
    account: str
    stated: int | None
    found: int

    @property
    def difference(self) -> int | None:
        return None if self.stated is None else self.found - self.stated


def sums(values: Values) -> Counter[tuple[str, str]]:
    """(account, unit) -> grams or cents that the package brings."""
    found: Counter[tuple[str, str]] = Counter()
    of = accounts(values)
    for row in values["lots"]:
        if row["grams"]:
            found[row["account"], f"credit:{row['pool']}"] += row["grams"]
    for row in values["charges"]:
        if row["account"] in of:
            found[row["account"], unit_owed(of[row["account"]], row)] += row["grams"]
    for row in values["money"]:
        found[row["account"], f"NZD:{row['bucket']}"] += row["cents"]
    return found


def check(values: Values, rows: dict[str, int]) -> list[Total]:
    """The totals, and findings where one is lacking or differs. ``rows``: how many rows each table has, faulty ones included."""
    found = sums(values)
    units: Counter[str] = Counter()
    for (_, unit), amount in found.items():
        units[unit] += amount
    totals, counted, summed = [], set(), set()
    for row in values["control"]:
        unit, table, account = row.get("unit", ""), row.get("table", ""), row.get("account", "")
        if row["measure"] == "rows":
            if table not in COUNTED or unit or account:
                values.error(
                    "control", row, "table", "bad_value", f"with rows: one of {', '.join(COUNTED)}; unit and account empty"
                )
                continue
            counted.add(table)
            total = Total("rows", table, "", row["value"], rows.get(table, 0))
        else:
            if not unit or table:
                values.error("control", row, "unit", "missing", "with sum: a unit; table empty")
                continue
            summed.add((account, unit))
            total = Total("sum", unit, account, row["value"], found[account, unit] if account else units[unit])
        totals.append(total)
        if total.difference:
            values.error("control", row, "value", "differs", f"{total.found}, what the package has ({total.difference:+})")
    for table in COUNTED:
        if rows.get(table) and table not in counted:
            values.error("control", None, "table", "no_control", f"a row that states how many rows {table} has")
            totals.append(Total("rows", table, "", None, rows[table]))
    for unit, amount in sorted(units.items()):
        if ("", unit) not in summed:
            values.error("control", None, "unit", "no_control", f"a row that states the sum of {unit}")
            totals.append(Total("sum", unit, "", None, amount))
    return totals
