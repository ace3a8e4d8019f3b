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


def test_another_register_s_package_from_dry_run_to_export(home: Path, tmp_path: Path) -> None:
    from cleanfleet.registry import boot

    boot.start()
    from registry.intake import packages

    from cleanfleet.registry.intake import files

    folder, bad = tmp_path / "package", tmp_path / "bad"
    rows = packages.rows()
    files.write(packages.package(rows), folder)
    rows["lots"][0]["account"] = "A-9"
    files.write(packages.package(rows), bad)
    told = run(home, "intake", str(bad), "--dry-run", "--report", str(tmp_path / "r.csv"), code=1)
    assert "unknown_reference" in told
    assert "nothing was written" in told
    assert "A-9" in (tmp_path / "r.csv").read_text()
    found = json.loads(run(home, "intake", str(folder), "--dry-run", "--json"))
    assert (found["errors"], found["rows"]["lots"]) == (0, 5)
    assert {total["difference"] for total in found["totals"]} == {0}
    assert "either --dry-run, or --propose" in run(home, "intake", str(folder), code=2)
    people = [do(home, "register_person", full_name=n, email=f"{n}@agency.nz")["person"] for n in ("One", "Two")]
    for one, role in zip(people, ("finance", "approver"), strict=True):
        do(home, "assign_role", person=one, role=role)
    made = json.loads(run(home, "intake", str(folder), "--propose", found["digest"], "--by", people[0]))
    assert made["state"] == "proposed"
    approve = ("approve-intake", made["intake"], found["digest"], "--by")
    assert "agency:approver" in run(home, *approve, people[0], code=2)
    assert json.loads(run(home, *approve, people[1]))["state"] == "taken_in"
    assert made["intake"] in run(home, "intakes")
    assert json.loads(run(home, "audit", "--replay", "--json"))["findings"] == []
    shown = run(home, "statement", "A-1", "--from", "2026-01-01", "--to", "2026-12-31")
    assert "Before, in CCS" in shown
    assert "written" in run(home, "export-package", str(tmp_path / "out"), "--register", "CCS")
    assert files.read(tmp_path / "out").tables["money"] == files.read(folder).tables["money"]
    assert "is taken_in" in run(home, "withdraw-intake", made["intake"], "--by", people[1], code=2)
