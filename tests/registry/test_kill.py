"""Every operation, killed before each of its SQL statements: nothing is half done, and the same key completes it once.

A child process performs the operation; before its n-th statement (or its commit) it kills itself, for n = 1, 2, ... until it
gets through. After each kill the operation isn't there and the book is sound.
"""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.db import connection

from cleanfleet.registry import clock, kinds
from cleanfleet.registry.acceptance import operations as acceptance
from cleanfleet.registry.acceptance import selecting
from cleanfleet.registry.accounts import enquiries
from cleanfleet.registry.accounts import operations as accounts
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.permissions import system
from cleanfleet.registry.charges import correcting, paying, refunding, settling
from cleanfleet.registry.erasing import operations as erasing
from cleanfleet.registry.ledger import audit, rows
from cleanfleet.registry.ledger.models import Operation, Principal
from cleanfleet.registry.ledger.operations import Action, perform
from cleanfleet.registry.notices.operations import MakeNotices
from cleanfleet.registry.payments import operations as payments
from cleanfleet.registry.rulings import law
from cleanfleet.registry.rulings import operations as rulings
from cleanfleet.registry.transfers import operations as transfers
from cleanfleet.registry.transfers import reviving
from cleanfleet.registry.transfers.surrendering import SurrenderCredits
from cleanfleet.registry.vehicles import operations as vehicles
from cleanfleet.registry.vehicles.models import Claim
from cleanfleet.registry.vehicles.reassessing import ReassessVehicles
from registry import databases
from registry.bankfiles import stories as bank_stories
from registry.fleets import stories
from registry.intake import stories as intakes
from registry.people import account, car, credited, do, feed, holder, officer, person, ready_law, verify

KEY = "the-key"
DAY = "2026-04-02"


class Story(NamedTuple):
    """An operation that is ready to be performed: what, by whom, on which day."""

    action: Action
    by: Principal
    day: str = DAY


def _owner() -> tuple[Principal, Account]:
    owner = person()
    return owner, account(owner)


def _on_account(kind: type[Action], **fields: Any) -> Callable[[], Story]:
    def make() -> Story:
        owner, of = _owner()
        return Story(kind.read({"account": of.public_id, **fields}), owner)

    return make


def _by_officer(kind: type[Action], prepare: Callable[[Account], None] | None = None, **fields: Any) -> Callable[[], Story]:
    def make() -> Story:
        _, of = _owner()
        if prepare:
            with clock.at(DAY):
                prepare(of)
        return Story(kind.read({"account": of.public_id, **fields}), officer())

    return make


def _suspend(of: Account) -> None:
    do(accounts.SuspendAccount(account=of.public_id, until=dt.date(2027, 1, 1), reason="convicted", grounds="x"), officer())


def _notice(of: Account) -> None:
    do(accounts.GiveNotice(account=of.public_id, answer_by=dt.date(2026, 5, 1)), officer())


def _claim(kind: type[Action], by: str = "owner", dispute: bool = False, **fields: Any) -> Callable[[], Story]:
    def make() -> Story:
        ready_law()
        owner, of = _owner()
        with clock.at(DAY):
            (row,) = feed(car(of))
            if dispute:
                do(vehicles.DisputeVehicle(claim=row["claim"], reason="wrong_co2"), owner)
        more = {"to_account": account(person("Ben")).number} if kind is vehicles.ReallocateVehicle else {}
        return Story(kind.read({"claim": row["claim"], **fields, **more}), owner if by == "owner" else officer())

    return make


def _accepted(kind: type[Action], **fields: Any) -> Callable[[], Story]:
    def make() -> Story:
        ready_law()
        credited(person(), 40)
        return Story(kind.read({"claim": Claim.objects.get().public_id, **fields}), officer())

    return make


def _waiting() -> tuple[Principal, Account, dict[str, Any]]:
    """A charge vehicle of 37 g that waits for money, 30 g of credits reserved for it."""
    ready_law()
    owner = person()
    of = credited(owner, 30)
    with clock.at(DAY + "T12:00+13:00"):
        (row,) = feed(car(of, co2=150))
        answer = do(acceptance.AcceptVehicles(account=of.public_id, vehicles=[row["claim"]], credits_g=30), owner)
    return owner, of, answer


def _accept() -> Story:
    ready_law()
    owner = person()
    of = credited(owner, 40)
    with clock.at(DAY):
        found = feed(car(of, co2=150), car(of, co2=100))
    return Story(acceptance.AcceptVehicles(account=of.public_id, vehicles=[r["claim"] for r in found], credits_g=20), owner)


def _select() -> Story:
    ready_law()
    owner = person()
    of = credited(owner, 40)
    with clock.at(DAY):
        feed(car(of, co2=150), car(of, co2=100))
    wanted = selecting.Filter(result="charge")
    shown = selecting.matching(of, wanted).digest
    return Story(selecting.SelectVehicles(account=of.public_id, filter=wanted, digest=shown), owner)


def _selected() -> Story:
    story = _select()
    with clock.at(DAY):
        chosen = do(story.action, story.by)
    of = Account.objects.get(selections__public_id=chosen["selection"])
    return Story(selecting.AcceptSelected(account=of.public_id, selection=chosen["selection"], credits_g=20), story.by)


def _auto() -> Story:
    ready_law()
    owner, of = _owner()
    do(accounts.SetAutoAccept(account=of.public_id, at_or_below_target=True), owner)
    with clock.at(DAY):
        feed(car(of, co2=100), car(of, co2=90))
    return Story(acceptance.AutoAccept(account=of.public_id), system())


def _feed() -> Story:
    owner, of = _owner()
    assert owner
    with clock.at(DAY):
        feed(car(of, vin="7AT0CF99999999999"))
    again = car(of, vin="7AT0CF99999999999", co2=120)
    return Story(vehicles.FeedVehicles.read({"source": "mvr", "vehicles": [car(of), again]}), system())


def _reassess() -> Story:
    owner, of = _owner()
    assert owner
    with clock.at(DAY):
        feed(car(of), car(of, attributes={"vehicle_class": "MA", "tare_kg": 1600}))
    ready_law()
    return Story(ReassessVehicles(), system())


def _overcharged() -> Story:
    _, of, answer = _waiting()
    with clock.at(DAY + "T12:05+13:00"):
        paid = payments.TakeMessage(payment=answer["payment"], provider="local", event="e", outcome="succeeded", cents=4200)
        do(paid, system())
        claim = Claim.objects.order_by("-pk")[0].public_id
        do(correcting.WithdrawVehicle(claim=claim, reason="exported", grounds="x"), officer())
    return Story(refunding.RefundOvercharge(account=of.public_id, reference="r"), officer("finance"))


def _due_again() -> Story:
    owner, of, answer = _waiting()
    with clock.at(DAY + "T12:05+13:00"):
        for event, outcome in (("e", "succeeded"), ("f", "reversed")):
            said = payments.TakeMessage(
                payment=answer["payment"], provider="local", event=event, outcome=outcome, cents=4200
            )
            do(said, system())
    return Story(paying.PayDue(account=of.public_id), owner)


def _noted() -> Story:
    ready_law()
    owner, of = _owner()
    with clock.at(DAY):
        (row,) = feed(car(of))
        do(vehicles.DisputeVehicle(claim=row["claim"], reason="wrong_co2"), owner)
    return Story(MakeNotices(), system(), "2026-05-01")


def _payment(outcome: str) -> Callable[[], Story]:
    def make() -> Story:
        _, _, answer = _waiting()
        message = payments.TakeMessage(payment=answer["payment"], provider="local", event="e", outcome=outcome, cents=4200)
        return Story(message, system(), DAY + "T12:05+13:00")

    return make


def _late() -> Story:
    _, _, answer = _waiting()
    with clock.at("2026-04-03"):
        do(payments.TimeOutPayment(payment=answer["payment"]), system())
        message = payments.TakeMessage(
            payment=answer["payment"], provider="local", event="e", outcome="succeeded", cents=4200
        )
        do(message, system())
    return Story(payments.RefundPayment(payment=answer["payment"]), officer("finance"), "2026-04-03")


def _settle() -> Story:
    ready_law()
    owner = person()
    of = credited(owner, 40)
    other = account(owner, "used", of.holder.public_id)
    with clock.at(DAY):
        do(transfers.TransferOwn(account=of.public_id, to_account=other.number, grams=35), owner)
        do(correcting.WithdrawVehicle(claim=Claim.objects.get().public_id, reason="exported", grounds="x"), officer())
    return Story(settling.SettleCharges(account=of.public_id), owner)


def _offered(kind: type[Action], by: str, day: str = DAY) -> Callable[[], Story]:
    def make() -> Story:
        ready_law()
        giver, taker = person(), person("Ben")
        source, target = credited(giver, 50, "new"), account(taker)
        verify(source, target)
        offer = transfers.OfferTransfer(account=source.public_id, to_account=target.number, grams=20)
        if kind is transfers.OfferTransfer:
            return Story(offer, giver)
        with clock.at(DAY):
            made = do(offer, giver)
        return Story(kind.read({"offer": made["offer"]}), {"giver": giver, "taker": taker, "system": system()}[by], day)

    return make


def _own() -> Story:
    ready_law()
    owner = person()
    source = credited(owner, 40)
    target = account(owner, "new", source.holder.public_id)
    return Story(transfers.TransferOwn(account=source.public_id, to_account=target.number, grams=20), owner)


def _expire() -> Story:
    ready_law()
    of = credited(person(), 40)
    return Story(transfers.ExpireCredits(account=of.public_id), system(), "2031-01-01")


def _revive() -> Story:
    """40 g of 2026 ended in 2029 for who hadn't heard of the Act of November 2025; with it they may be used until 2030."""
    from django.conf import settings

    ready_law()
    of = credited(person(), 40)
    before = settings.OPTIONS["CLEANFLEET_KNOWN"]
    settings.OPTIONS["CLEANFLEET_KNOWN"] = dt.date(2025, 6, 1)
    with clock.at("2029-04-01"):
        done = do(transfers.ExpireCredits(account=of.public_id), system())
    settings.OPTIONS["CLEANFLEET_KNOWN"] = before
    assert done["expired_g"] == 40
    return Story(reviving.ReviveCredits(account=of.public_id), system(), "2029-04-02")


def _value(kind: type[Action], role: str) -> Callable[[], Story]:
    def make() -> Story:
        if kind is not rulings.ProposeValue:
            do(rulings.ProposeValue(value="per_vehicle_rounding"), officer())
        return Story(kind.read({"value": "per_vehicle_rounding"}), officer(role))

    return make


def _open() -> Story:
    owner = person()
    made = do(accounts.RegisterHolder(kind="person", holder_name="Aroha", address="Nelson"), owner)
    return Story(accounts.OpenAccount(holder=made["holder"], condition="new", account_name="Kea"), owner)


def _with_person(kind: type[Action], **fields: Any) -> Callable[[], Story]:
    def make() -> Story:
        owner, of = _owner()
        return Story(kind.read({"account": of.public_id, "person": person("Ben").public_id, **fields}), owner)

    return make


def _aml() -> Story:
    _, of = _owner()
    return Story(accounts.SetAml(holder=of.holder.public_id, result="verified"), officer())


def _enquiry(kind: type[Action], **fields: Any) -> Callable[[], Story]:
    def make() -> Story:
        asker, of = _owner()
        ask = enquiries.EnquireHolder(about_name="Kea", purpose="transfer_credits", reason="x")
        if kind is enquiries.EnquireHolder:
            return Story(ask, asker)
        made = {"enquiry": do(ask, asker)["enquiry"]}
        if kind is enquiries.WithdrawEnquiry:
            return Story(kind.read(made), asker)
        return Story(kind.read({**made, "holder": of.holder.public_id, **fields}), officer())

    return make


def _answer_notice() -> Story:
    owner, of = _owner()
    with clock.at(DAY):
        _notice(of)
    return Story(accounts.AnswerNotice(account=of.public_id, answer="x"), owner)


def _erase_person() -> Story:
    erased = {"person": person().public_id, "basis": "person_asked", "grounds": "x"}
    return Story(erasing.ErasePerson.read(erased), officer("administrator"))


def _erase_holder() -> Story:
    erased = {"holder": holder(person()), "basis": "person_asked", "grounds": "x"}
    return Story(erasing.EraseHolder.read(erased), officer("administrator"))


def _surrender() -> Story:
    ready_law()
    owner = person()
    return Story(SurrenderCredits(account=credited(owner, 40).public_id, grams=30), owner)


def _started() -> Story:
    _, _, answer = _waiting()
    return Story(payments.StartPayment(payment=answer["payment"], reference="r"), system(), DAY + "T12:05+13:00")


def _released() -> Story:
    owner, of, answer = _waiting()
    return Story(acceptance.ReleaseAcceptance(account=of.public_id, acceptance=answer["acceptance"]), owner)


def _timed_out() -> Story:
    _, _, answer = _waiting()
    return Story(payments.TimeOutPayment(payment=answer["payment"]), system(), "2026-04-03")


STORIES: dict[str, Callable[[], Story]] = {
    "register_person": lambda: Story(accounts.RegisterPerson(full_name="Aroha", email="a@example.nz"), system()),
    "assign_role": lambda: Story(accounts.AssignRole(person=person().public_id, role="finance"), system()),
    "register_holder": lambda: Story(accounts.RegisterHolder(kind="person", holder_name="A", address="Nelson"), person()),
    "open_account": _open,
    "rename_account": _on_account(accounts.RenameAccount, account_name="Tui"),
    "permit": _with_person(accounts.Permit, verb="view"),
    "hand_over": _with_person(accounts.HandOver),
    "set_auto_accept": _on_account(accounts.SetAutoAccept, at_or_below_target=True),
    "list_for_trade": _on_account(accounts.ListForTrade, listed=True),
    "set_aml": _aml,
    "suspend_account": _by_officer(accounts.SuspendAccount, until="2027-01-01", reason="convicted", grounds="x"),
    "lift_suspension": _by_officer(accounts.LiftSuspension, _suspend),
    "note_appeal": _by_officer(accounts.NoteAppeal, _suspend),
    "give_notice": _by_officer(accounts.GiveNotice, answer_by="2026-05-01"),
    "answer_notice": _answer_notice,
    "withdraw_notice": _by_officer(accounts.WithdrawNotice, _notice),
    "close_account": _on_account(accounts.CloseAccount),
    "enquire_holder": _enquiry(enquiries.EnquireHolder),
    "decide_enquiry": _enquiry(enquiries.DecideEnquiry, answered=True, grounds="x"),
    "withdraw_enquiry": _enquiry(enquiries.WithdrawEnquiry),
    "propose_value": _value(rulings.ProposeValue, "case_officer"),
    "approve_value": _value(rulings.ApproveValue, "approver"),
    "revoke_value": _value(rulings.RevokeValue, "approver"),
    "feed_vehicles": _feed,
    "reassess_vehicles": _reassess,
    "reject_vehicle": _claim(vehicles.RejectVehicle),
    "dispute_vehicle": _claim(vehicles.DisputeVehicle, reason="wrong_co2", explanation="x"),
    "decide_dispute": _claim(vehicles.DecideDispute, "officer", dispute=True, details_stand=True, grounds="x"),
    "reallocate_vehicle": _claim(vehicles.ReallocateVehicle, "officer"),
    "accept_vehicles": _accept,
    "select_vehicles": _select,
    "accept_selected": _selected,
    "auto_accept": _auto,
    "release_acceptance": _released,
    "start_payment": _started,
    "take_message": _payment("succeeded"),
    "time_out_payment": _timed_out,
    "refund_payment": _late,
    "settle_charges": _settle,
    "refund_overcharge": _overcharged,
    "pay_due": _due_again,
    "make_notices": _noted,
    "correct_vehicle": _accepted(
        correcting.CorrectVehicle, attributes={"co2_g_per_km": "82"}, reason="wrong_co2", grounds="x"
    ),
    "withdraw_vehicle": _accepted(correcting.WithdrawVehicle, reason="exported", grounds="x"),
    "offer_transfer": _offered(transfers.OfferTransfer, "giver"),
    "accept_transfer": _offered(transfers.AcceptTransfer, "taker"),
    "decline_transfer": _offered(transfers.DeclineTransfer, "taker"),
    "withdraw_transfer": _offered(transfers.WithdrawTransfer, "giver"),
    "lapse_transfer": _offered(transfers.LapseTransfer, "system", "2026-05-01"),
    "transfer_own": _own,
    "surrender_credits": _surrender,
    "erase_person": _erase_person,
    "erase_holder": _erase_holder,
    "expire_credits": _expire,
    "revive_credits": _revive,
    **{
        name: (lambda make=make: Story(*make()))
        for name, make in (stories.STORIES | bank_stories.STORIES | intakes.STORIES).items()
    },
}


def test_every_operation_has_its_story() -> None:
    assert set(STORIES) == set(kinds.all_kinds())


def in_child(work: Callable[[], None]) -> int:
    """Run it in a forked child; its exit code, or minus the signal that ended it."""
    connection.close()
    child = os.fork()
    if child == 0:
        try:
            work()
            connection.close()
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(3)
    _, status = os.waitpid(child, 0)
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


class Killer:
    """Kills this process before its n-th statement; a commit counts as one, and so do rows written at once."""

    def __init__(self, before: int) -> None:
        self.left = before

    def count(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.count()
        return execute(sql, params, many, context)

    def watch(self) -> Any:
        connection.ensure_connection()
        commit, insert = connection._commit, rows.insert

        def counted_commit() -> None:
            self.count()
            commit()

        def counted_insert(*arguments: Any) -> None:
            self.count()
            insert(*arguments)

        connection._commit = counted_commit  # type: ignore[method-assign]
        rows.insert = counted_insert
        return connection.execute_wrapper(self)


def killed_everywhere(name: str, folder: Path) -> int:
    """The number of places at which the operation was killed; asserts what must hold after each."""
    told = folder / "story"

    def prepare() -> None:
        story = STORIES[name]()
        told.write_text("\n".join([story.by.public_id, story.day, story.action.model_dump_json()]))

    def attempt(before: int) -> Callable[[], None]:
        def work() -> None:
            by, day, text = told.read_text().split("\n", 2)
            action = kinds.all_kinds()[name].model_validate_json(text)
            principal = Principal.objects.get(public_id=by)
            with clock.at(day), Killer(before).watch():
                perform(action, by=principal, key=KEY)

        return work

    def sound() -> None:
        assert not Operation.objects.filter(key=KEY).exists()
        assert audit.run() == []

    def complete() -> None:
        assert Operation.objects.filter(key=KEY).count() == 1
        assert audit.run() == []

    for day in ("2026-03-31", DAY):  # what every child would otherwise read for itself
        law.bank(dt.date.fromisoformat(day))
        law.policy(dt.date.fromisoformat(day)).table()
    assert in_child(prepare) == 0
    for before in range(1, 400):
        code = in_child(attempt(before))
        if code == 0:
            assert in_child(complete) == 0
            assert in_child(attempt(10_000)) == 0
            assert in_child(complete) == 0
            return before - 1
        assert code == -signal.SIGKILL
        assert in_child(sound) == 0
    raise AssertionError("never got through")


#: The rest runs in the slow tests.
QUICK = ("transfer_own",)


def alone(name: str, url: str, folder: str) -> None:
    """What a process of its own does: one that has begun no threads, which a forked child would lack."""
    databases.use(url, Path(folder))
    assert killed_everywhere(name, Path(folder)) >= 6


@pytest.mark.parametrize("vendor", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in sorted(STORIES)]
)
def test_killed_before_each_statement(name: str, vendor: str, tmp_path: Path) -> None:
    if vendor == "postgresql" and databases.server() is None:
        pytest.skip("no PostgreSQL server: set CLEANFLEET_TEST_PG or install one")
    demo = (
        {"CLEANFLEET_DEMO": "true", "CLEANFLEET_VALUES": "no-weight-adjustment"}
        if name in (*stories.FLAT, *bank_stories.FLAT)
        else {}
    )
    with databases.fresh(vendor, tmp_path) as url:
        connection.close()
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                f"from registry import databases; from registry.test_kill import alone; alone({name!r}, {url!r}, {str(tmp_path)!r})",
            ],
            env={**os.environ, **demo, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_postgresql_stopped_at_once_fifty_times() -> None:
    """The server is stopped without warning while transfers run; what was answered is there, what wasn't can be tried again."""
    if databases.binaries() is None:
        pytest.skip("no PostgreSQL installed")
    folder = Path(tempfile.mkdtemp(prefix="cleanfleet-stop-"))
    with databases.own_server(folder) as (url, stop, start):
        databases.admin_at(url, "CREATE DATABASE stopped")
        databases.use(f"{url}/stopped", folder)
        databases.migrate()
        ready_law()
        owner = person()
        source = credited(owner, 100)
        target = account(owner, "used", source.holder.public_id)
        answered: set[str] = set()
        for round_ in range(50):
            child = subprocess.Popen(
                [sys.executable, "-c", _WORKER, owner.public_id, source.public_id, target.number, str(round_)],
                env={
                    **os.environ,
                    "DATABASE_URL": f"{url}/stopped",
                    "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
                },
                stdout=subprocess.PIPE,
                text=True,
            )
            assert child.stdout is not None
            first = child.stdout.readline()
            time.sleep(0.002 * (round_ % 10))
            stop()
            answered |= {line.strip() for line in [first, *child.communicate()[0].splitlines()] if line.strip()}
            connection.close()
            start()
            assert audit.run() == []
            done = set(Operation.objects.filter(name="transfer_own").values_list("key", flat=True))
            assert answered <= done
            for key in sorted(answered)[-2:]:
                action = transfers.TransferOwn(account=source.public_id, to_account=target.number, grams=1)
                back = transfers.TransferOwn(account=target.public_id, to_account=source.number, grams=1)
                with clock.at(DAY):
                    assert perform(action if key.endswith("a") else back, by=owner, key=key).repeated
        assert len(answered) > 50
        connection.close()


_WORKER = """
import sys
from cleanfleet.registry import boot
boot.start()
from cleanfleet.registry import clock
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.ledger.models import Principal
from cleanfleet.registry.ledger.operations import perform
from cleanfleet.registry.transfers.operations import TransferOwn
owner, source, target, round_ = sys.argv[1:5]
by = Principal.objects.get(public_id=owner)
there = Account.objects.get(number=target)
back = Account.objects.get(public_id=source)
with clock.at("2026-04-02"):
    try:
        for number in range(1000):
            key = f"{round_}-{number}a"
            perform(TransferOwn(account=source, to_account=target, grams=1), by=by, key=key)
            print(key, flush=True)
            key = f"{round_}-{number}b"
            perform(TransferOwn(account=there.public_id, to_account=back.number, grams=1), by=by, key=key)
            print(key, flush=True)
    except Exception:
        pass
"""
