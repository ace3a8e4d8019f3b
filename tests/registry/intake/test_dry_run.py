"""What a dry run finds, one by one: where, which value, what is allowed; and that it writes nothing."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cleanfleet.registry import clock
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.intake import report
from cleanfleet.registry.intake.package import Finding
from cleanfleet.registry.intake.report import Report
from cleanfleet.registry.ledger.models import Operation
from cleanfleet.registry.refusals import Conflict, Invalid
from registry import databases, people
from registry.intake import packages
from registry.intake.packages import Rows


@pytest.fixture(scope="module", autouse=True)
def _database(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One for all: a dry run leaves it as it is."""
    with databases.fresh("sqlite", tmp_path_factory.mktemp("dry")):
        people.ready_law()
        with clock.at("2026-05-01"):
            owner = people.person("Zoe")
            people.feed(people.car(people.account(owner), vin="7AT0CF00000000099"))
        yield


def run(given: Rows) -> Report:
    with clock.at(packages.TODAY):
        return report.dry_run(packages.package(given))


Change = Callable[[Rows], object]


def put(table: str, row: int, **cells: Any) -> Change:
    return lambda given: given[table][row].update(cells)


def more(table: str, **cells: Any) -> Change:
    return lambda given: given.setdefault(table, []).append(cells)


def drop(table: str, row: int, *columns: str) -> Change:
    return lambda given: [given[table][row].pop(name) for name in columns]


def circle(given: Rows) -> None:
    given["lots"][1]["origin"], given["lots"][3]["lot"] = "u4", "u4"


FLEET_YEAR = {
    "holder": "h2", "vehicle_type": "A", "year": 2025, "known_on": "2025-12-31", "due_on": "2026-03-31", "count_new": 1,
    "count_used": 0, "tare_kg": 1600, "net": "-9.5", "credit_new_g": 0, "credit_used_g": 0, "charge_new_g": 9,
    "charge_used_g": 0, "charge_cents": 9000,
}  # fmt: skip
SHARE = {
    "account": "B-1", "vehicle_type": "A", "year": 2025, "issued_g": 0, "charge_g": 9, "credits_g": 4, "money_g": 5,
    "settle_by": "2026-03-31",
}  # fmt: skip


def fleet(year: dict[str, Any], share: dict[str, Any]) -> Change:
    def change(given: Rows) -> None:
        given["fleet_years"], given["fleet_shares"] = [{**FLEET_YEAR, **year}], [{**SHARE, **share}]

    return change


SUSPENDED = {
    "state": "suspended", "state_since": "2026-03-01", "state_reason": "convicted", "suspended_until": "2027-03-01",
}  # fmt: skip
FLEET = {"fleet_since": "2025-01-01", "fleet_state": "approved", "applicant_insolvency": "false"}
OVER = {"vin": "7AT0CF00000000001", "chassis": ""}
CASES: dict[str, tuple[Change, str, int | None, str, str, str]] = {
    # name: (change, table, row, field, code, part of what is allowed)
    "unknown column": (put("holders", 0, phone="1"), "holders", 1, "phone", "unknown_column", "a column of holders"),
    "unknown attribute": (put("vehicles", 2, colour="red"), "vehicles", 3, "colour", "unknown_column", ""),
    "condition is the channel's": (put("vehicles", 2, condition="new"), "vehicles", 3, "condition", "unknown_column", ""),
    "missing": (drop("accounts", 1, "owner"), "accounts", 2, "owner", "missing", "60 characters"),
    "bad word": (put("accounts", 1, condition="old"), "accounts", 2, "condition", "bad_value", "new, used"),
    "bad date": (put("accounts", 1, opened_on="5.1.2023"), "accounts", 2, "opened_on", "bad_value", "2026-03-31"),
    "grams below nothing": (put("lots", 0, grams=-1), "lots", 1, "grams", "bad_value", "whole number from 0"),
    "half a gram": (put("lots", 0, grams="1.5"), "lots", 1, "grams", "bad_value", "whole number from 0"),
    "bad e-mail": (put("persons", 0, email="aroha"), "persons", 1, "email", "bad_value", "e-mail"),
    "bad attribute": (put("vehicles", 2, tare_kg="heavy"), "vehicles", 3, "tare_kg", "bad_value", "kg"),
    "duplicate key": (more("persons", person="p1", full_name="X", email="x@x"), "persons", 3, "person", "duplicate", "row 1"),
    "both kinds": (
        more("holders", holder="h1", kind="legal_entity", name="Aroha Ltd", address="Nelson"),
        "holders", 3, "kind", "both_kinds", "row 1 says person",
    ),
    "e-mail known here": (put("persons", 0, email="zoe@example.nz"), "persons", 1, "registered_as", "registered", "id of the person"),
    "no such person here": (
        put("persons", 0, registered_as="per_X"), "persons", 1, "registered_as", "unknown_reference", "person of this registry",
    ),
    "one person twice": (
        lambda given: [row.update(registered_as="per_X") for row in given["persons"]],
        "persons", 2, "registered_as", "duplicate", "no other row",
    ),
    "no such holder": (put("accounts", 0, holder="h9"), "accounts", 1, "holder", "unknown_reference", "table holders"),
    "no such owner": (put("accounts", 0, owner="p9"), "accounts", 1, "owner", "unknown_reference", "table persons"),
    "no such account": (put("lots", 0, account="A-9"), "lots", 1, "account", "unknown_reference", "table accounts"),
    "owner's grant": (put("grants", 0, person="p2"), "grants", 1, "person", "owner", "other than"),
    "our own series": (put("accounts", 0, account="CO2-00000015"), "accounts", 1, "account", "own_series", "new numbers"),
    "two packages in one": (
        more("package", format="1", register="X", as_of="2026-11-01"), "package", None, "", "one_row", "exactly one",
    ),
    "a day to come": (put("package", 0, as_of="2026-11-03"), "package", 1, "as_of", "future", "2026-11-02"),
    "earned in the future": (
        put("lots", 0, earned_on="2026-11-02"), "lots", 1, "earned_on", "future", "up to 2026-11-01",
    ),
    "vintage after it was earned": (put("lots", 1, vintage=2025), "lots", 2, "vintage", "bad_value", "2024"),
    "credits of the other pool": (put("lots", 0, pool="new"), "lots", 1, "pool", "wrong_pool", "used"),
    "nothing in a lot": (put("lots", 0, grams=0), "lots", 1, "grams", "empty_lot", "from 1"),
    "lot twice": (
        more("lots", account="A-1", pool="used", earned_on="2026-03-31", vintage=2026, grams=1, earned_by="A-1"),
        "lots", 6, "account", "duplicate", "row 1",
    ),
    "no such origin": (put("lots", 3, origin="n9"), "lots", 4, "origin", "unknown_reference", "column lot"),
    "origin of the same pool": (put("lots", 4, origin="u1", lot="u1"), "lots", 5, "origin", "wrong_pool", "other pool"),
    "one key for two lots": (put("lots", 2, lot="n1"), "lots", 3, "lot", "duplicate", "each lot"),
    "two lots of one origin": (
        more("lots", account="A-1", pool="used", earned_on="2024-02-29", vintage=2024, grams=1, origin="n1"),
        "lots", 6, "origin", "origin_twice", "one lot",
    ),
    "origins in a circle": (circle, "lots", 2, "origin", "circle", "lead back"),
    "cents that don't fit": (put("charges", 0, cents_due=1), "charges", 1, "cents_due", "does_not_fit", "4200"),
    "no whole cents": (
        lambda given: given["charges"][0].update(rate_cents="", cents_due=4201), "charges", 1, "cents_due", "does_not_fit", "whole",
    ),
    "not the law's rate": (
        put("charges", 0, rate_cents=2250, cents_due=15750), "charges", 1, "rate_cents", "not_the_law", "600 cents",
    ),
    "a charge to come": (put("charges", 0, year=2027), "charges", 1, "year", "future", "2026"),
    "a fleet charge without its year": (put("charges", 0, scheme="fleet"), "charges", 1, "scheme", "unknown_reference", "fleet_shares"),
    "closed with a balance": (
        put("accounts", 0, state="closed", state_since="2026-05-01"), "accounts", 1, "state", "closed_with_balance", "30 g of credits",
    ),
    "suspended without an end": (
        put("accounts", 0, **{**SUSPENDED, "suspended_until": ""}), "accounts", 1, "suspended_until", "missing", "suspended",
    ),
    "suspended too long": (
        put("accounts", 0, **{**SUSPENDED, "suspended_until": "2031-03-02"}), "accounts", 1, "suspended_until", "too_long", "5 years",
    ),
    "suspended without a reason": (
        put("accounts", 0, **{**SUSPENDED, "state_reason": "x"}), "accounts", 1, "state_reason", "bad_value", "convicted",
    ),
    "closed since when": (put("accounts", 0, state="closed"), "accounts", 1, "state_since", "missing", "closed"),
    "a state before it was opened": (put("accounts", 0, state_since="2022-01-01"), "accounts", 1, "state_since", "bad_value", "opened_on"),
    "an appeal against nothing": (put("accounts", 0, appealed_on="2026-01-01"), "accounts", 1, "appealed_on", "not_allowed", "nothing"),
    "accepted while suspended": (
        put("accounts", 0, **SUSPENDED), "vehicles", 1, "accepted_on", "accepted_while_suspended", "before 2026-03-01",
    ),
    "scheme of another holder": (put("accounts", 0, scheme="fleet"), "accounts", 1, "scheme", "scheme_conflict", "payg"),
    "pay as you go above target": (
        put("accounts", 0, auto_accept_above="true"), "accounts", 1, "auto_accept_above", "not_allowed", "false",
    ),
    "fleet average without declaration": (put("holders", 0, **FLEET), "holders", 1, "related_party_insolvency", "missing", "value"),
    "fleet average from June": (put("holders", 0, **{**FLEET, "fleet_since": "2025-06-01"}), "holders", 1, "fleet_since", "bad_value", "1 January"),
    "verified when": (drop("holders", 1, "aml_reviewed_on"), "holders", 2, "aml_reviewed_on", "missing", "review"),
    "money of nothing": (put("money", 0, bucket="reserved"), "money", 1, "bucket", "bad_value", "unallocated"),
    "money twice": (
        more("money", account="A-1", bucket="unallocated", cents=1, reference="r-1"), "money", 3, "account", "duplicate", "row 1",
    ),
    "VIN is none": (put("vehicles", 0, vin="7AT"), "vehicles", 1, "vin", "bad_value", "17 letters"),
    "no identifier": (drop("vehicles", 3, "chassis"), "vehicles", 4, "vin", "missing", "at least one"),
    "VIN twice": (put("vehicles", 1, vin="7at0cf00000000001"), "vehicles", 2, "vin", "duplicate", "row 1"),
    "VIN on another account": (put("vehicles", 0, vin="7AT0CF00000000099"), "vehicles", 1, "vin", "claimed", "no account"),
    "channel of the other condition": (
        put("vehicles", 3, entry_channel="parallel_new"), "vehicles", 4, "entry_channel", "wrong_account", "used",
    ),
    "ready since when": (drop("vehicles", 3, "ready_on"), "vehicles", 4, "ready_on", "missing", "entered"),
    "accepted without a result": (drop("vehicles", 0, "credit_g"), "vehicles", 1, "credit_g", "missing", "accepted"),
    "a result before acceptance": (put("vehicles", 3, credit_g=1), "vehicles", 4, "credit_g", "not_allowed", "nothing"),
    "credit and charge": (put("vehicles", 1, credit_g=5), "vehicles", 2, "charge_g", "credit_and_charge", "0"),
    "met twice": (put("vehicles", 1, money_g=30), "vehicles", 2, "offset_g", "does_not_fit", "at most"),
    "cents of no whole rate": (put("vehicles", 1, charge_cents=1), "vehicles", 2, "charge_cents", "does_not_fit", "whole number"),
    "accepted before it began": (
        put("vehicles", 0, accepted_on="2022-12-31"), "vehicles", 1, "accepted_on", "bad_value", "2023-01-01",
    ),
    "not subject": (put("vehicles", 2, vehicle_class="LC"), "vehicles", 3, "", "not_subject", "doesn't"),
    "refused by the law": (put("vehicles", 2, tare_kg=99), "vehicles", 3, "", "bad_value", "tare_kg"),
    "share without a year": (fleet({"year": 2024}, {}), "fleet_shares", 1, "year", "unknown_reference", "fleet_years"),
    "share met twice": (fleet({}, {"money_g": 6}), "fleet_shares", 1, "charge_g", "does_not_fit", "together"),
    "share not met": (fleet({}, {"money_g": 4}), "fleet_shares", 1, "charge_g", "does_not_fit", "1 g are neither"),
    "share of another size": (fleet({"charge_new_g": 8}, {}), "fleet_years", 1, "credit_new_g", "does_not_fit", "of -8"),
    "a fleet's credit and charge": (fleet({"credit_new_g": 1}, {}), "fleet_years", 1, "charge_new_g", "credit_and_charge", "0"),
    "history to come": (put("history", 0, date="2026-12-01"), "history", 1, "date", "future", "2026-11-01"),
}  # fmt: skip


def test_the_package_itself_has_no_error() -> None:
    found = run(packages.rows())
    assert found.errors == 0
    assert [(f.table, f.row, f.code) for f in found.findings] == []


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_is_found(name: str) -> None:
    change, table, row, field, code, allowed = CASES[name]
    given = packages.rows()
    change(given)
    findings = run(given).findings
    here = [f for f in findings if (f.severity, f.table, f.row, f.field, f.code) == ("error", table, row, field, code)]
    assert here, [tuple(finding) for finding in findings]
    assert allowed in here[0].allowed
    if row is not None:
        cell = given[table][row - 1].get(field, "")
        assert here[0].value == str(cell)
        assert str(next(iter(given[table][row - 1].values()))) in here[0].original


WARNINGS: dict[str, tuple[Change, str, int, str, str]] = {
    "no use of a person": (more("persons", person="p3", full_name="C", email="c@c"), "persons", 3, "unused", "permission"),
    "e-mail twice": (put("persons", 1, email="AROHA@example.nz"), "persons", 2, "shared", "row 1"),
    "held": (put("vehicles", 2, co2_g_per_km=""), "vehicles", 3, "held", "until this is known"),
    "another result": (put("vehicles", 0, credit_g=39), "vehicles", 1, "other_result", "credit 40 g"),
    "no result here": (put("vehicles", 0, co2_g_per_km=""), "vehicles", 1, "not_recomputed", "can't work it out"),
    "met together": (put("vehicles", 1, money_g=19), "vehicles", 2, "unpaid_without_charge", "8 g are unmet"),
}


@pytest.mark.parametrize("name", WARNINGS)
def test_what_is_only_told(name: str) -> None:
    change, table, row, code, allowed = WARNINGS[name]
    given = packages.rows()
    change(given)
    found = run(given)
    here = [f for f in found.findings if (f.severity, f.table, f.row, f.code) == ("warning", table, row, code)]
    assert here, found.findings
    assert allowed in here[0].allowed
    assert found.errors == 0


def test_a_lot_that_is_over_is_told_with_its_last_day() -> None:
    with clock.at("2029-01-01"):
        found = report.dry_run(packages.package(packages.rows()))
    told = {f.row: f.allowed for f in found.findings if f.code == "expired"}
    assert set(told) == {2, 3, 4}
    assert "the last day was 2028-12-31" in told[2]
    assert "50 g" in told[2]
    assert found.errors == 0


def test_control_totals_must_be_there_and_equal() -> None:
    given = packages.rows()
    given["control"] = packages.control(given)
    sum_of_new = next(row for row in given["control"] if row.get("unit") == "credit:new")
    sum_of_new["value"] = 60
    given["control"] = [
        row for row in given["control"] if row.get("table") != "lots" and row.get("unit") != "NZD:refund_due"
    ]
    given["control"] += [
        {"measure": "sum", "unit": "credit:used", "account": "B-2", "value": 24},
        {"measure": "rows", "table": "control", "value": 1},
        {"measure": "sum", "table": "lots", "value": 1},
        {"measure": "sum", "unit": "charge:used:A:2024", "value": 1},
        {"measure": "sum", "unit": "EUR", "value": 1},
    ]
    found = run(given)
    codes = {(f.code, f.value, f.allowed) for f in found.findings if f.table == "control"}
    assert ("differs", "60", "62, what the package has (+2)") in codes
    assert ("differs", "24", "25, what the package has (+1)") in codes
    assert ("differs", "1", "0, what the package has (-1)") in codes
    assert ("no_control", "", "a row that states how many rows lots has") in codes
    assert ("no_control", "", "a row that states the sum of NZD:refund_due") in codes
    assert {("bad_value", "control"), ("missing", ""), ("bad_value", "EUR")} <= {(c, v) for c, v, _ in codes}
    told = {(t.measure, t.of, t.account): (t.stated, t.found, t.difference) for t in found.totals}
    assert told["sum", "credit:new", ""] == (60, 62, 2)
    assert told["sum", "NZD:refund_due", ""] == (None, 2000, None)
    assert told["rows", "vehicles", ""] == (4, 4, 0)


def test_nothing_is_written_and_the_digest_is_that_of_package_and_findings() -> None:
    before = (Operation.objects.count(), Account.objects.count())
    one = run(packages.rows())
    assert (Operation.objects.count(), Account.objects.count()) == before
    assert run(packages.rows()).digest == one.digest
    given = packages.rows()
    given["lots"][0]["grams"] = 31
    given["control"] = packages.control(given)
    assert run(given).digest != one.digest
    with clock.at("2029-01-01"):  # the same package, other findings
        later = report.dry_run(packages.package(packages.rows()))
    assert (later.package, later.digest != one.digest) == (one.package, True)


def test_the_report_is_written_once_as_csv_or_xlsx(tmp_path: Path) -> None:
    given = packages.rows()
    given["holders"][0]["kind"] = "company"
    found = run(given)
    report.write(found, tmp_path / "r.csv")
    with (tmp_path / "r.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == list(Finding._fields)
    assert {
        "table": "holders",
        "row": "1",
        "field": "kind",
        "value": "company",
        "allowed": "person, legal_entity",
    }.items() <= (lines[0].items())
    assert '"name":"Aroha"' in lines[0]["original"]
    report.write(found, tmp_path / "r.xlsx")
    assert pl.read_excel(tmp_path / "r.xlsx", sheet_name="Findings").height == len(lines)
    assert pl.read_excel(tmp_path / "r.xlsx", sheet_name="Control totals").height == len(found.totals)
    with pytest.raises(Conflict, match="overwrites nothing"):
        report.write(found, tmp_path / "r.csv")
    with pytest.raises(Invalid, match=r"allowed are .csv and .xlsx"):
        report.write(found, tmp_path / "r.txt")
