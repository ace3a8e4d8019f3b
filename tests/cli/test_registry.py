"""The registry on the command line, from an empty folder to an audited book."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def run(home: Path, *arguments: str, stdin: str = "", code: int = 0) -> str:
    environment = {**os.environ, "CLEANFLEET_HOME": str(home), "DATABASE_URL": ""}
    done = subprocess.run(
        [sys.executable, "-c", "from cleanfleet.cli.main import run; run()", "registry", *arguments],
        input=stdin, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr if code == 2 else done.stdout


@pytest.fixture
def home(tmp_path: Path) -> Path:
    run(tmp_path / "home", "migrate")
    return tmp_path / "home"


def do(home: Path, operation: str, by: str = "system", **data: Any) -> dict[str, Any]:
    return dict(json.loads(run(home, "do", operation, "--by", by, stdin=json.dumps(data))))


def test_from_an_empty_folder_to_an_audited_book(home: Path, tmp_path: Path) -> None:
    person = do(home, "register_person", full_name="Aroha", email="aroha@example.nz")["person"]
    holder = do(home, "register_holder", by=person, kind="person", holder_name="Aroha", address="Nelson")["holder"]
    account = do(home, "open_account", by=person, holder=holder, condition="used", account_name="Kea")
    number = str(account["number"])
    fed = do(home, "feed_vehicles", source="certifier", vehicles=[
        {"account": number, "entry_channel": "used", "vin": "7AT0CF00000000001",
         "attributes": {"vehicle_class": "MA", "tare_kg": 1600, "co2_g_per_km": "150", "co2_cycle": "3P-WLTP"}},
        {"account": number, "entry_channel": "used", "vin": "short"},
    ])["rows"]  # fmt: skip
    assert [row["outcome"] for row in fed] == ["held", "refused"]
    assert "timed out: 0" in run(home, "daily")
    told = json.loads(run(home, "audit", "--seal", "--replay", "--json"))
    assert (told["operations"], told["unsealed_tail"], told["findings"]) == (4, 0, [])
    assert number in run(home, "statement", number, "--from", "2026-01-01", "--to", "2026-12-31")
    assert 'option "title"' in run(home, "journal")
    copy = tmp_path / "copy"
    assert "4 operations" in run(home, "backup", str(copy))
    elsewhere = tmp_path / "elsewhere"
    assert "4 operations; the audit found nothing" in run(elsewhere, "restore", str(copy))
    assert "overwrites nothing" in run(home, "restore", str(copy), code=2)


def test_lists_of_what_is_owed_due_and_held(home: Path) -> None:
    person = do(home, "register_person", full_name="Aroha", email="aroha@example.nz")["person"]
    holder = do(home, "register_holder", by=person, kind="person", holder_name="Aroha", address="Nelson")["holder"]
    account = do(home, "open_account", by=person, holder=holder, condition="used", account_name="Kea")
    officer = do(home, "register_person", full_name="Hemi", email="hemi@example.nz")["person"]
    do(home, "assign_role", person=officer, role="case_officer")
    number = str(account["number"])
    do(home, "feed_vehicles", source="certifier", vehicles=[
        {"account": number, "entry_channel": "used", "vin": "7AT0CF00000000001",
         "attributes": {"vehicle_class": "MA", "tare_kg": 1600, "co2_g_per_km": "150", "co2_cycle": "3P-WLTP"}},
    ])  # fmt: skip
    do(home, "suspend_account", by=officer, account=number, until="2027-06-30", reason="convicted", grounds="x")
    assert json.loads(run(home, "charges", number, "--json")) == []
    (deadline,) = json.loads(run(home, "deadlines", number, "--json"))
    assert (deadline["kind"], deadline["day"]) == ("suspension_ends", "2027-06-30")
    assert "suspension_ends" in run(home, "deadlines", number, "--on", "2027-06-01")
    assert "charges: none" in run(home, "charges", number)
    told = json.loads(run(home, "held", "--by", officer, "--json"))
    assert told["counts"] == {"unconfirmed:per_vehicle_rounding": 1}
    assert told["vehicles"][0]["vehicle"] == "7AT0CF00000000001"
    assert "1 unconfirmed:per_vehicle_rounding" in run(home, "held", "--by", officer)
    assert "needs the agency role" in run(home, "held", "--by", person, code=2)
    assert "there is no person 'per_0'" in run(home, "held", "--by", "per_0", code=2)
    assert "there is no account 'CO2-1'" in run(home, "charges", "CO2-1", code=2)


def test_what_can_not_be_done_is_one_line(home: Path, tmp_path: Path) -> None:
    assert "there is no database yet; run 'cleanfleet registry migrate'" in run(tmp_path / "new", "audit", code=2)
    assert "there is no operation 'fly'" in run(home, "do", "fly", stdin="{}", code=2)
    assert "the input is no JSON" in run(home, "do", "open_account", stdin="{", code=2)
    assert "holder: field required" in run(home, "do", "open_account", stdin="{}", code=2)
    assert "there is no person 'per_0'" in run(home, "do", "open_account", "--by", "per_0", stdin="{}", code=2)
    assert "there is no account 'CO2-1'" in run(
        home, "statement", "CO2-1", "--from", "2026-01-01", "--to", "2026-12-31", code=2
    )


def test_the_audit_tells_what_was_changed_behind_its_back(home: Path) -> None:
    do(home, "register_person", full_name="Aroha", email="aroha@example.nz")
    with sqlite3.connect(home / "registry.sqlite3") as there:
        there.execute("DROP TRIGGER ledger_operation_no_update")
        there.execute("UPDATE ledger_operation SET input = '{}'")
    assert "the ledger lacks the guards ledger_operation_no_update" in run(home, "audit", code=2)
    run(home, "migrate")
    assert "its input isn't what its digest says" in run(home, "audit", code=1)


def test_settings_and_operations_are_told(home: Path) -> None:
    settings = json.loads(run(home, "settings", "--json"))
    assert {"CLEANFLEET_HOME", "DATABASE_URL"} <= {row["name"] for row in settings}
    assert "open_account" in run(home, "operations")
    assert json.loads(run(home, "operations", "open_account"))["additionalProperties"] is False
