"""An account's life: permissions that begin and end, suspension, notice, closing."""

from __future__ import annotations

import datetime as dt

import pytest

from cleanfleet.registry import clock, daily
from cleanfleet.registry.accounts import operations as accounts
from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.models import Account, AgencyRole, Grant
from cleanfleet.registry.accounts.notices import notices
from cleanfleet.registry.accounts.permissions import system
from cleanfleet.registry.ledger.models import Operation
from cleanfleet.registry.refusals import Conflict, Forbidden, Invalid, NotVisible
from cleanfleet.registry.transfers.operations import TransferOwn
from registry.people import account, credited, do, holder, officer, person, ready_law

pytestmark = pytest.mark.usefixtures("database")
DAY = "2026-03-31"


def test_permissions_end_and_their_history_stays() -> None:
    owner, helper = person(), person("Helper")
    of = account(owner)
    grant = accounts.Permit(account=of.public_id, person=helper.public_id, verb="view")
    do(grant, owner)
    do(grant, owner)
    assert permissions.visible_to(helper).count() == 1
    do(grant.model_copy(update={"granted": False}), owner)
    assert permissions.visible_to(helper).count() == 0
    assert [(grant.verb, grant.ended is None) for grant in Grant.objects.filter(principal=helper)] == [("view", False)]
    do(accounts.HandOver(account=of.public_id, person=helper.public_id), owner)
    assert permissions.permissions(owner, of) == set()
    assert permissions.permissions(helper, of) == {"owner", *permissions.VERBS}


def test_nobody_decides_their_own_case() -> None:
    agent = officer()
    own = account(agent)
    with pytest.raises(Forbidden, match="own account's holder"):
        do(accounts.SetAml(holder=own.holder.public_id, result="verified"), agent)
    early = officer()
    unopened = holder(early)
    with pytest.raises(Forbidden, match="own account's holder"):
        do(accounts.SetAml(holder=unopened, result="verified"), early)
    administrator = officer("administrator")
    with pytest.raises(Forbidden, match="own roles"):
        do(accounts.AssignRole(person=administrator.public_id, role="approver"), administrator)
    do(accounts.AssignRole(person=agent.public_id, role="case_officer", assigned=False), administrator)
    assert AgencyRole.objects.get(principal=agent).ended is not None
    with pytest.raises(Forbidden, match="agency role"):
        do(accounts.SetAml(holder=holder(person("Ben")), result="verified"), agent)


def test_on_an_account_that_they_belong_to_an_officer_has_no_role() -> None:
    owner, agent = person(), officer()
    of = account(owner)
    sister = account(owner, "new", of.holder.public_id)
    do(accounts.Permit(account=sister.public_id, person=agent.public_id, verb="view"), owner)
    assert permissions.permissions(agent, of) == {"own_case"}
    assert permissions.permissions(agent, sister) == {"own_case", "view"}
    until = dt.date(2027, 1, 1)
    with clock.at(DAY):
        for action in (
            accounts.SuspendAccount(account=of.public_id, until=until, reason="convicted", grounds="x"),
            accounts.GiveNotice(account=of.public_id, answer_by=dt.date(2026, 5, 1)),
            accounts.CloseAccount(account=of.public_id),
        ):
            with pytest.raises(Forbidden, match="decides their own case") as caught:
                do(action, agent)
            assert caught.value.code == "own_case"
        do(accounts.Permit(account=sister.public_id, person=agent.public_id, verb="view", granted=False), owner)
        do(accounts.GiveNotice(account=of.public_id, answer_by=dt.date(2026, 5, 1)), agent)


def test_another_s_holder_opens_nothing() -> None:
    owner = person()
    mine = account(owner)
    do(accounts.OpenAccount(holder=mine.holder.public_id, condition="new", account_name="second"), owner)
    with pytest.raises(NotVisible, match="whose accounts you own"):
        do(accounts.OpenAccount(holder=mine.holder.public_id, condition="new", account_name="x"), person("Ben"))
    assert len({found.number for found in Account.objects.all()}) == 2


def test_a_suspension_ends_by_itself_or_is_lifted() -> None:
    owner, agent = person(), officer()
    of = account(owner)
    with clock.at("2024-02-29"):
        suspend = accounts.SuspendAccount(account=of.public_id, until=dt.date(2029, 3, 1), reason="convicted", grounds="x")
        with pytest.raises(Invalid, match="allowed is a day from tomorrow to 2029-02-28"):
            do(suspend, agent)
        do(suspend.model_copy(update={"until": dt.date(2029, 2, 28)}), agent)
        do(accounts.NoteAppeal(account=of.public_id), agent)
        with pytest.raises(Conflict, match="lasts until"):
            do(accounts.LiftSuspension(account=of.public_id), system())
        with pytest.raises(Conflict, match="is suspended"):
            do(
                TransferOwn(account=of.public_id, to_account=account(owner, "used", of.holder.public_id).number, grams=1),
                owner,
            )
    with clock.at("2029-02-28"):
        assert daily.run()["lifted"] == 0
    with clock.at("2029-03-01"):
        assert daily.run()["lifted"] == 1
    of.refresh_from_db()
    assert (of.state, of.suspended_until, of.appealed_on) == ("open", None, None)


def test_closing_needs_nothing_left_and_the_agency_s_notice_has_time_to_answer() -> None:
    owner, agent = person(), officer()
    of = account(owner)
    with clock.at("2026-04-01"):
        with pytest.raises(Invalid, match="allowed is a day after 2026-04-01"):
            do(accounts.GiveNotice(account=of.public_id, answer_by=dt.date(2026, 4, 1)), agent)
        do(accounts.GiveNotice(account=of.public_id, answer_by=dt.date(2026, 5, 1)), agent)
        with pytest.raises(Forbidden, match="needs the permission owner"):
            do(accounts.AnswerNotice(account=of.public_id, answer="x"), agent)
        answered = do(accounts.AnswerNotice(account=of.public_id, answer="A ship is on its way."), owner)
        assert (answered["answered_on"], answered["answer_by"]) == ("2026-04-01", "2026-05-01")
        do(accounts.WithdrawNotice(account=of.public_id), agent)
        of.refresh_from_db()
        assert (of.state, of.answer_by, of.answered) == ("open", None, None)
        do(accounts.GiveNotice(account=of.public_id, answer_by=dt.date(2026, 5, 1)), agent)
    with clock.at("2026-05-01"), pytest.raises(Conflict, match="until 2026-05-01 to answer"):
        do(accounts.CloseAccount(account=of.public_id), agent)
    with clock.at("2026-05-02"):
        assert do(accounts.CloseAccount(account=of.public_id), agent)["state"] == "closed"
        with pytest.raises(Conflict, match="account is closed"):
            do(accounts.GiveNotice(account=of.public_id, answer_by=dt.date(2026, 6, 1)), agent)


def test_the_agency_s_queue_of_notices_tells_what_is_left_and_what_was_answered() -> None:
    ready_law()
    owner, agent = person(), officer()
    full, empty = credited(owner, 40), account(person("Ben"))
    with clock.at("2026-04-01"):
        do(accounts.GiveNotice(account=full.public_id, answer_by=dt.date(2026, 5, 1)), agent)
        do(accounts.GiveNotice(account=empty.public_id, answer_by=dt.date(2026, 4, 20)), agent)
    with clock.at("2026-04-03"):
        do(accounts.AnswerNotice(account=full.public_id, answer="We give them away."), owner)
    first, second = notices(officer("auditor"))
    assert (first["number"], first["answered_on"], first["answer"], first["left"]) == (empty.number, None, None, [])
    assert (second["answered_on"], second["answer"]) == (dt.date(2026, 4, 3), "We give them away.")
    assert second["left"] == [("credit:used", "held", 40, "transfer, use or surrender it")]
    with pytest.raises(Forbidden, match="agency role"):
        notices(owner)


def test_an_account_number_may_be_written_small() -> None:
    owner = person()
    of = account(owner)
    assert permissions.account_for(owner, of.number.lower()).pk == of.pk
    assert Operation.objects.filter(name="open_account").count() == 1
