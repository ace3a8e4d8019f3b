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

from cleanfleet.registry import clock


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
    period = ("--from", "2026-01-01", "--to", "2026-12-31")
    assert "clients" in run(home, "statement", number, *period, "--clients", "--client", "Rata", code=2)
    assert "client" in run(home, "statement", number, *period, "--clients")
    run(home, "statement", number, *period, "--clients", "--out", str(tmp_path / "c.csv"))
    assert (tmp_path / "c.csv").read_text().startswith("client,bucket,unit,opening,added,taken,closing")
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


def test_a_bank_s_statement_is_rehearsed_and_taken_in(home: Path) -> None:
    by = do(home, "register_person", full_name="Hemi", email="hemi@example.nz")["person"]
    sample = Path(__file__).parents[1] / "registry" / "bankfiles" / "samples" / "v02-direct-debits.xml"
    asked = ("bank-statement", str(sample), "--by", by)
    assert "needs the agency role finance" in run(home, *asked, code=2)
    do(home, "assign_role", person=by, role="finance")
    assert "is of bank account 0102420100194000, which is no collection account" in run(home, *asked, code=2)
    do(home, "open_collection_account", number="01-0242-0100194-00", account_name="Charges")
    before = run(home, "audit")
    rehearsed = json.loads(run(home, *asked, "--dry-run", "--json"))
    (told,) = rehearsed["statements"]
    assert (told["statement"], told["repeated"], told["continuity"]) == (None, False, "first")
    assert [(entry["cents"], entry["outcome"], entry["why"]) for entry in told["entries"]] == [
        (7525, "queued", "unknown_reference"), (10000, "queued", "unknown_reference"), (5000, "queued", "unknown_reference"),
        (-7500, "queued", "unknown_reference"), (-250, "queued", "no_reference"),
    ]  # fmt: skip
    shown = run(home, *asked, "--dry-run")
    assert "2027-02-03 to 2027-02-03: would be taken in" in shown
    assert "from 1,000.50 to 1,148.25: 5 queued (147.75)" in shown
    assert run(home, "audit") == before
    done = json.loads(run(home, *asked, "--json"))
    assert [entry["cents"] for entry in done["statements"][0]["entries"]] == [7525, 10000, 5000, -7500, -250]
    assert "taken in before" not in run(home, *asked)  # the same file by the same person: the first answer
    other = do(home, "register_person", full_name="Mere", email="mere@example.nz")["person"]
    do(home, "assign_role", person=other, role="finance")
    assert "taken in before" in run(home, "bank-statement", str(sample), "--by", other)
    assert "there is no person 'per_0'" in run(home, "bank-statement", str(sample), "--by", "per_0", code=2)
    assert "isn't there" in run(home, "bank-statement", str(sample) + "x", "--by", by, code=2)
    told = json.loads(run(home, "audit", "--replay", "--json"))
    assert told["findings"] == []


def test_the_bank_s_file_of_direct_debits(home: Path, tmp_path: Path) -> None:
    by = do(home, "register_person", full_name="Hemi", email="hemi@example.nz")["person"]
    do(home, "assign_role", person=by, role="finance")
    do(home, "open_collection_account", number="01-0242-0100194-00", account_name="Charges")
    out = tmp_path / "debits.xml"
    asked = ("collection-file", str(out), "--by", by, "--into", "01-0242-0100194-00", "--on")
    assert "no direct debit waits of an account with an authority" in run(home, *asked, str(clock.today()), code=2)
    assert "is not a date" in run(home, *asked, "tomorrow", code=2)
    assert "allowed are 02 and 08" in run(home, *asked, str(clock.today()), "--version", "1", code=2)
    assert "there is no collection 'col_0'" in run(home, *asked, str(clock.today()), "--again", "col_0", code=2)
    out.write_text("")
    assert "is there already" in run(home, *asked, str(clock.today()), code=2)


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


def test_vehicles_that_match_a_filter_are_shown_and_accepted(home: Path) -> None:
    owner = do(home, "register_person", full_name="Aroha", email="aroha@example.nz")["person"]
    holder = do(home, "register_holder", by=owner, kind="person", holder_name="Aroha", address="Nelson")["holder"]
    number = do(home, "open_account", by=owner, holder=holder, condition="used", account_name="Cars")["number"]
    shown = run(home, "accept", number, "--by", owner, "--result", "credit")
    assert "0 vehicles match: 0 g of credit, 0 g of charge" in shown
    digest = json.loads(run(home, "accept", number, "--by", owner, "--json"))["digest"]
    assert "that is ready matches" in run(home, "accept", number, "--by", owner, "--confirm", digest, code=2)
    assert "aren't those that were shown" in run(home, "accept", number, "--by", owner, "--confirm", "0", code=2)
    assert "result is 'some'" in run(home, "accept", number, "--by", owner, "--result", "some", code=2)
