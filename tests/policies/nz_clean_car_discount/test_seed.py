"""The digest on this scheme: the docs list every statement, with a verdict; those with figures are worked examples."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

from cleanfleet import policies
from cleanfleet.law.values import read_yaml

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "nz-clean-car-discount.md").read_text(encoding="utf-8")
EXAMPLES = read_yaml(policies.definition("nz-clean-car-discount").folder / "examples.yaml")["examples"]

#: The statements of the digest's section 'Clean Car Discount Scheme' and of its Table 3, in their order.
STATEMENTS = [
    "text-2021", "text-neither", "text-8625", "text-3450", "text-linear", "text-345", "text-5175", "text-gst", "text-rate",
    "text-figures", "table-3-0", "table-3-1-57", "table-3-57-146", "table-3-146-192", "table-3-192", "table-3-gst", "table-3-unit",
]  # fmt: skip
WITHOUT_FIGURES = {"text-rate", "text-figures", "table-3-unit"}


def rows() -> list[list[str]]:
    table = PAGE[PAGE.index("| id | the digest says") :].split("\n\n")[0].strip().splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_every_statement_has_a_row_and_a_verdict() -> None:
    assert [row[0] for row in rows()] == STATEMENTS
    for id_, says, verdict, used in rows():
        assert says
        assert verdict.startswith(("reproduced", "garbled")), id_
        assert used or verdict == "reproduced", id_


def test_every_statement_with_figures_is_an_example_and_the_other_way_round() -> None:
    shown = {id_ for example in EXAMPLES for id_ in example.get("seed") or ()}
    assert shown == set(STATEMENTS) - WITHOUT_FIGURES


def test_the_sums_on_the_page_are_those_of_the_policy() -> None:
    """The page's table of the curve, read back and assessed."""
    policy = policies.load("nz-clean-car-discount", known="2026-11-22")
    table = PAGE[PAGE.index("| period | g/km |") :].split("\n\n")[0].splitlines()[2:]
    days = {
        "1 Jul 2021 - 31 Mar 2022": "2021-10-01",
        "1 Apr 2022 - 30 Jun 2023": "2022-10-01",
        "1 Jul - 31 Dec 2023": "2023-10-01",
    }
    day, checked = "", 0
    for line in table:
        period, what, *sums = (cell.strip() for cell in line.strip("|").split("|"))
        day = days.get(period, day)
        powertrain = {"battery-electric": "battery_electric", "plug-in hybrid": "plug_in_hybrid"}.get(what, "petrol")
        for grams in re.findall(r"^\d+|(?<=to )\d+", what) or ["100"]:
            for condition, text in zip(("new", "used"), sums, strict=True):
                found = policy.one({
                    "vehicle_class": "MA", "condition": condition, "powertrain": powertrain, "co2_g_per_km": grams, "co2_cycle": "3P-WLTP",
                    "registered_on": day, "ordered_on": day, "price_incl_gst_nzd": "1000", "safety_stars": "5",
                })  # fmt: skip
                printed = re.match(r"-?[\d,.]+", text)
                assert printed is not None, line
                assert found["rebate_payable_nzd"] - found["charge_incl_gst_nzd"] == Decimal(printed[0].replace(",", "")), (
                    line
                )
                checked += 1
    assert checked == 42
