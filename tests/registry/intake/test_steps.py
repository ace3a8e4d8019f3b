"""Who may do which step of an intake, and what a step refuses; nothing of a refused one is written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cleanfleet.registry import clock, replay
from cleanfleet.registry.accounts.models import Account, Person
from cleanfleet.registry.intake import checks, handing, hooks, operations, report
from cleanfleet.registry.intake.models import Intake, Origin
from cleanfleet.registry.intake.operations import ApproveIntake, BeginIntake, ProposeIntake, StageIntake, WithdrawIntake
from cleanfleet.registry.intake.package import Package
from cleanfleet.registry.ledger import audit
from cleanfleet.registry.ledger.models import Movement, Operation, Principal, PrivateText
from cleanfleet.registry.ledger.operations import Action, Work
from cleanfleet.registry.ledger.texts import ERASED, erase
from cleanfleet.registry.refusals import Conflict, Invalid, NotVisible, Refusal
from registry.intake import packages
from registry.people import do, officer, person

pytestmark = pytest.mark.usefixtures("database")


def refused(action: Action, by: Principal, day: str = packages.TODAY) -> Refusal:
    with clock.at(day), pytest.raises(Refusal) as found:
        do(action, by)
    return found.value


def checked(given: Package) -> str:
    with clock.at(packages.TODAY):
        return report.dry_run(given).digest


def proposed(given: Package, by: Principal) -> dict[str, Any]:
    with clock.at(packages.TODAY):
        return handing.propose(given, report.dry_run(given).digest, by)


def test_finance_or_administrator_propose_another_person_approves() -> None:
    given, both = packages.package(packages.rows()), officer("finance")
    from cleanfleet.registry.accounts.operations import AssignRole
    from cleanfleet.registry.accounts.permissions import system

    do(AssignRole(person=both.public_id, role="approver"), system())
    begin = BeginIntake(package=given.digest, parts=1)
    assert refused(begin, officer("approver")).code == "forbidden"
    assert refused(begin, person("Zoe")).code == "forbidden"
    made = proposed(given, both)
    digest = checked(given)
    approve = ApproveIntake(intake=made["intake"], digest=digest)
    assert refused(approve, both).code == "own_case"
    assert refused(approve, officer("administrator")).code == "forbidden"
    assert refused(approve, person("Yan")).code == "forbidden"
    assert Account.objects.count() == 0
    with clock.at(packages.TODAY):
        assert do(approve, officer("approver"))["state"] == "taken_in"
    assert refused(approve, officer("approver")).code == "wrong_state"


def test_nobody_approves_an_intake_with_an_account_of_their_own() -> None:
    approver, rows = officer("approver"), packages.rows()
    rows["persons"][0] |= {"registered_as": approver.public_id, "email": "officer-approver@example.nz"}
    given = packages.package(rows)
    made = proposed(given, officer("finance"))
    approve = ApproveIntake(intake=made["intake"], digest=checked(given))
    assert refused(approve, approver).code == "own_case"
    with clock.at(packages.TODAY):
        do(approve, officer("approver"))
    assert packages.person("p1") == approver  # the person is the one who was here
    assert packages.account("A-1").grants.get(verb="owner").principal == approver
    assert replay.run() == []


def test_a_package_is_taken_in_once_and_so_are_its_accounts() -> None:
    given, proposer = packages.package(packages.rows()), officer("finance")
    packages.take_in(given)
    with clock.at(packages.TODAY):
        codes = {(f.table, f.code) for f in report.dry_run(given).findings}
        assert ("package", "taken_in") in codes
        assert ("accounts", "taken_in") in codes
        assert ("vehicles", "claimed") in codes
        with pytest.raises(Conflict, match="this package is taken in already") as again:
            handing.propose(given, "0" * 64, proposer)
    assert again.value.code == "taken_in"
    rows = packages.rows()  # another package of the same register with an account that is here
    rows["vehicles"], rows["persons"][0]["email"], rows["persons"][1]["email"] = [], "a@b", "c@d"
    with clock.at(packages.TODAY):
        other = report.dry_run(packages.package(rows))
    assert {(f.table, f.row) for f in other.findings if f.code == "taken_in"} >= {("accounts", 1), ("holders", 2)}
    rows["package"][0]["register"] = "another"  # of another register it may have the same number
    with clock.at(packages.TODAY):
        assert report.dry_run(packages.package(rows)).errors == 0


def test_an_error_a_difference_or_another_digest_can_not_be_proposed() -> None:
    by = officer("finance")
    rows = packages.rows()
    rows["lots"][0]["account"] = "A-9"
    given = packages.package(rows)
    with clock.at(packages.TODAY), pytest.raises(Conflict, match=r"errors, the first: .*A-9|lots, row 1, account") as errors:
        handing.propose(given, checked(given), by)
    assert errors.value.code == "errors"
    good = packages.package(packages.rows())
    with clock.at(packages.TODAY), pytest.raises(Conflict, match="look at its findings") as other:
        handing.propose(good, "0" * 64, by)
    assert other.value.code == "findings_changed"
    assert not Movement.objects.exists()
    assert not Origin.objects.exists()


def test_what_was_proposed_must_still_be_so_when_it_is_approved() -> None:
    given, by, approver = packages.package(packages.rows()), officer("finance"), officer("approver")
    made = proposed(given, by)
    digest = checked(given)
    approve = ApproveIntake(intake=made["intake"], digest=digest)
    assert refused(ApproveIntake(intake=made["intake"], digest="0" * 64), approver).code == "other_report"
    assert refused(approve, approver, "2029-01-01").code == "findings_changed"  # lots are over by then
    with clock.at("2029-01-01"):
        later = report.dry_run(given).digest
        again = handing.propose(given, later, by)  # proposed anew, with those findings
        assert again["intake"] == made["intake"]
        assert again["warnings"] == made["warnings"] + 3
        assert do(ApproveIntake(intake=made["intake"], digest=later), approver)["state"] == "taken_in"
    assert replay.run() == []


def test_an_intake_is_withdrawn_and_handed_over_anew() -> None:
    given, by = packages.package(packages.rows()), officer("finance")
    made = proposed(given, by)
    withdrawn = do(WithdrawIntake(intake=made["intake"]), officer("approver"))
    assert withdrawn["state"] == "withdrawn"
    assert refused(WithdrawIntake(intake=made["intake"]), by).code == "wrong_state"
    assert refused(WithdrawIntake(intake="int_X"), by).code == "not_found"
    assert refused(WithdrawIntake(intake="int_X"), person("Zoe")).code == "forbidden"
    assert proposed(given, by)["intake"] != made["intake"]


def staged(given: Package, by: Principal) -> tuple[str, list[StageIntake]]:
    parts = list(given.parts())
    made = do(BeginIntake(package=given.digest, parts=len(parts)), by)["intake"]
    found = [
        StageIntake.read({"intake": made, "part": p.number, "table": p.table, "rows": list(p.rows), **p.private})
        for p in parts
    ]
    return made, found


def test_parts_come_once_from_who_began_and_all_of_them() -> None:
    given, by = packages.package(packages.rows()), officer("finance")
    made, parts = staged(given, by)
    assert refused(parts[0], officer("administrator")).code == "not_yours"
    do(parts[0], by)
    assert refused(parts[0], by).code == "staged"
    assert refused(parts[1].model_copy(update={"part": 99}), by).code == "part"
    assert refused(parts[1].model_copy(update={"table": "prices"}), by).code == "table"
    assert refused(ProposeIntake(intake=made, digest=checked(given)), by).code == "incomplete"
    changed = parts[1].rows[0][1] | {"person": "p9"}
    for one in (parts[1].model_copy(update={"rows": [(1, changed), *parts[1].rows[1:]]}), *parts[2:]):
        do(one, by)
    assert refused(ProposeIntake(intake=made, digest=checked(given)), by).code == "other_package"


def test_a_run_that_was_stopped_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    given, by, left = packages.package(packages.rows()), officer("finance"), [5]
    right = handing.perform

    def stopped(*arguments: Any, **how: Any) -> Any:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return right(*arguments, **how)

    monkeypatch.setattr(handing, "perform", stopped)
    with pytest.raises(KeyboardInterrupt):
        proposed(given, by)
    assert (Intake.objects.get().state, Operation.objects.filter(name="stage_intake").count()) == ("staging", 3)
    assert proposed(given, by)["state"] == "proposed"
    assert Operation.objects.filter(name="stage_intake").count() == len(list(given.parts()))
    assert Operation.objects.filter(name="begin_intake").count() == 1


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"1:email": 5}, "not a field"),
        ({"email": "a@b"}, "not a field"),
        ({"9:email": "a@b"}, "no private cell"),
        ({"1:person": "p1"}, "no private cell"),
        ({"rows": [[1, {"person": "p1", "email": "a@b"}]]}, "stands beside the rows"),
        ({"rows": []}, "at least 1"),
        ({"rows": [[1, {"person": ""}]]}, "at least 1 char"),
    ],
)
def test_private_cells_stand_beside_the_rows(more: dict[str, Any], message: str) -> None:
    good = {"intake": "int_X", "part": 1, "table": "persons", "rows": [[1, {"person": "p1"}]], "1:full_name": "Aroha"}
    StageIntake.read(good)
    with pytest.raises(Invalid, match=message):
        StageIntake.read({**good, **more})


def test_names_are_kept_where_they_can_be_erased_and_the_replay_does_without() -> None:
    packages.take_in(packages.package(packages.rows()))
    kept = Operation.objects.filter(name="stage_intake").values_list("input", flat=True)
    assert not any("Aroha" in text or "aroha@example.nz" in text or "Quay" in text for text in kept)
    texts = PrivateText.objects.filter(operation__name="stage_intake")
    assert {(t.field, t.text) for t in texts} >= {("1:full_name", "Aroha"), ("2:address", "1 Quay St")}
    (mine,) = hooks.texts_of(packages.person("p1").public_id)  # one person's, and nobody else's
    assert set(texts.filter(operation=mine).values_list("text", flat=True)) == {"Aroha", "aroha@example.nz"}
    assert hooks.texts_of(packages.account("A-1").public_id) == []
    assert audit.run() == []
    taken_in = list(texts.values_list("operation_id", flat=True))

    class EraseTakenIn(Action):
        """For tests alone: all that the package brought."""

        def run(self, work: Work) -> dict[str, Any]:
            Person.objects.update(name=ERASED, email="")
            return {"erased": erase(work, taken_in)}

    do(EraseTakenIn(), officer())
    assert not texts.exclude(text="").exists()
    assert replay.run() == checks.run() == []
    with pytest.raises(NotVisible):
        do(ApproveIntake(intake="int_X", digest="0" * 64), officer("approver"))


def test_the_audit_tells_what_is_opened_without_an_approved_package() -> None:
    packages.take_in(packages.package(packages.rows()))
    assert checks.run() == []

    class OpenMore(Action):
        """For tests alone: grams from nowhere."""

        def run(self, work: Work) -> dict[str, Any]:
            of, unit = packages.account("A-1"), "credit:used"
            lot = work.lot(unit, of.pk, 2026, work.today)
            work.move(unit, work.bucket(None, "opening", unit), work.bucket(of.pk, "held", unit), 1, lot=lot)
            return {}

    do(OpenMore(), officer())
    (finding,) = checks.run()
    assert "moves out of or into 'opening'" in finding.found
    Intake.objects.update(package="0" * 64)
    assert [f.found for f in checks.run()][1:] == ["the package that was handed over isn't the one that was approved"]


def test_the_audit_tells_a_sum_that_is_not_the_package_s(monkeypatch: pytest.MonkeyPatch) -> None:
    packages.take_in(packages.package(packages.rows()))
    right = operations.staged

    def other(intake: Intake) -> Package:
        package = right(intake)
        row = package.tables["money"][0]
        package.tables["money"][0] = row._replace(cells={**row.cells, "cents": "1501"})
        intake.package = package.digest
        return package

    monkeypatch.setattr(checks, "staged", other)
    (finding,) = checks.run()
    assert finding.found == "1500 was opened, the package has 1501"
    assert json.dumps(finding)
