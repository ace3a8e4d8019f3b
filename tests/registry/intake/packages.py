"""A package of a small register, and ways to change it."""

from __future__ import annotations

from typing import Any

from cleanfleet.registry import clock
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.intake import handing, report
from cleanfleet.registry.intake.layout import COUNTED
from cleanfleet.registry.intake.models import Origin
from cleanfleet.registry.intake.operations import ApproveIntake
from cleanfleet.registry.intake.package import Package, Row
from cleanfleet.registry.ledger.models import Principal
from registry.people import do, officer

TODAY = "2026-11-02"
Rows = dict[str, list[dict[str, Any]]]
CAR = {"vehicle_class": "MA", "tare_kg": "1600", "co2_cycle": "3P-WLTP"}


def accepted(account: str, vin: str, co2: int, on: str, **more: Any) -> dict[str, Any]:
    """A used car of 1,600 kg that was accepted in 2026 (target 112.0474), as the old register posted it; NZ$6 for each gram."""
    over = 112.0474 - co2
    credit, charge = (int(over), 0) if over > 0 else (0, int(-over))
    posted = {
        "accepted_on": on, "accepted_under": "payg", "posted_type": "A", "posted_co2": f"{co2}.0000", "posted_target": "112.0474",
        "credit_g": credit, "charge_g": charge, "charge_cents": charge * 600, "offset_g": 0, "money_g": charge,
    }  # fmt: skip
    car = {"account": account, "vin": vin, "entry_channel": "used", "state": "accepted", "entered_on": on, "ready_on": on}
    return {**car, **CAR, "co2_g_per_km": co2, **posted, **more}


def rows() -> Rows:
    """Two holders: A with an account that was earned 40 g, of which 30 are left, and owes 7 g; B with new and used accounts."""
    return {
        "package": [{"format": "1", "register": "CCS", "as_of": "2026-11-01"}],
        "persons": [
            {"person": "p1", "full_name": "Aroha", "email": "aroha@example.nz"},
            {"person": "p2", "full_name": "Ben", "email": "ben@example.nz"},
        ],
        "holders": [
            {"holder": "h1", "kind": "person", "name": "Aroha", "address": "Nelson"},
            {"holder": "h2", "kind": "legal_entity", "name": "Tui Ltd", "address": "1 Quay St", "aml": "verified",
             "aml_reviewed_on": "2025-02-01"},
        ],
        "accounts": [
            _account("A-1", "h1", "used", "p1"),
            _account("B-1", "h2", "new", "p2", listed="true"),
            _account("B-2", "h2", "used", "p2", auto_accept_below="true"),
        ],
        "grants": [{"account": "B-1", "person": "p1", "verb": "view"}],
        "lots": [
            {"account": "A-1", "pool": "used", "earned_on": "2026-03-31", "vintage": 2026, "grams": 30},
            {"account": "B-1", "pool": "new", "earned_on": "2024-02-29", "vintage": 2024, "grams": 50, "lot": "n1"},
            {"account": "B-1", "pool": "new", "earned_on": "2023-05-01", "vintage": 2023, "grams": 12, "expired_g": 3},
            {"account": "B-2", "pool": "used", "earned_on": "2024-02-29", "vintage": 2024, "grams": 20, "origin": "n1",
             "earned_by": "B-2"},
            {"account": "B-2", "pool": "used", "earned_on": "2026-03-31", "vintage": 2026, "grams": 5, "earned_by": "A-1"},
        ],
        "charges": [
            {"account": "A-1", "vehicle_type": "A", "year": 2026, "scheme": "payg", "grams": 7, "rate_cents": 600, "cents_due": 4200}
        ],
        "money": [
            {"account": "A-1", "bucket": "unallocated", "cents": 1500, "reference": "r-1"},
            {"account": "B-1", "bucket": "refund_due", "cents": 2000, "reference": "r-1"},
        ],
        "vehicles": [
            accepted("A-1", "7AT0CF00000000001", 72, "2026-03-31"),
            accepted("A-1", "7AT0CF00000000002", 150, "2026-04-02", offset_g=10, money_g=20),
            {"account": "B-1", "vin": "7AT0CF00000000003", "entry_channel": "parallel_new", "state": "entered",
             "entered_on": "2026-10-01", "client": "Kiwi", **CAR, "co2_g_per_km": "99.5"},
            {"account": "B-2", "chassis": "ZVW30-1234567", "entry_channel": "used", "state": "ready", "entered_on": "2026-10-01",
             "ready_on": "2026-10-02", "own_reference": "stock 7", **CAR, "co2_g_per_km": 90},
        ],
        "history": [
            {"account": "A-1", "date": "2026-03-31", "operation": "accept", "unit": "credit:used", "bucket": "held",
             "vintage": 2026, "amount": 40, "vehicle": "7AT0CF00000000001"},
            {"account": "A-1", "date": "2026-04-02", "operation": "offset", "unit": "credit:used", "bucket": "held",
             "vintage": 2026, "amount": -10},
        ],
    }  # fmt: skip


def _account(key: str, holder: str, condition: str, owner: str, **more: Any) -> dict[str, Any]:
    own = {"account": key, "holder": holder, "condition": condition, "scheme": "payg", "state": "open", "name": key}
    return {**own, "owner": owner, "opened_on": "2023-01-05", **more}


def control(given: Rows) -> list[dict[str, Any]]:
    """Control totals that fit, summed here in the plainest way."""
    found = [{"measure": "rows", "table": t, "value": len(given[t])} for t in COUNTED if given.get(t)]
    units: dict[str, int] = {}
    conditions = {row["account"]: row["condition"] for row in given["accounts"]}
    for row in given.get("lots", []):
        if row["grams"] and isinstance(row["grams"], int):
            units[f"credit:{row['pool']}"] = units.get(f"credit:{row['pool']}", 0) + row["grams"]
    for row in given.get("charges", []):
        unit = f"charge:{conditions.get(row['account'], 'used')}:{row['vehicle_type']}:{row['year']}"
        unit += ":fleet" if row["scheme"] == "fleet" else ""
        units[unit] = units.get(unit, 0) + row["grams"]
    for row in given.get("money", []):
        units[f"NZD:{row['bucket']}"] = units.get(f"NZD:{row['bucket']}", 0) + row["cents"]
    return [*found, *({"measure": "sum", "unit": unit, "value": value} for unit, value in units.items())]


def package(given: Rows) -> Package:
    full = given if "control" in given else {**given, "control": control(given)}
    return Package(
        {
            name: [Row(n, {c: str(v) for c, v in row.items() if v not in ("", None)}) for n, row in enumerate(found, 1)]
            for name, found in full.items()
        }
    )


def take_in(given: Package, today: str = TODAY) -> dict[str, Any]:
    """The whole way of a package; the approval's answer."""
    proposer, approver = officer("finance"), officer("approver")
    with clock.at(today):
        checked = report.dry_run(given)
        assert checked.errors == 0, [tuple(finding) for finding in checked.findings]
        proposed = handing.propose(given, checked.digest, proposer)
        return do(ApproveIntake(intake=proposed["intake"], digest=checked.digest), approver)


def account(key: str) -> Account:
    return Account.objects.get(public_id=Origin.objects.get(kind="account", key=key).public_id)


def person(key: str) -> Principal:
    return Principal.objects.get(public_id=Origin.objects.get(kind="person", key=key).public_id)
