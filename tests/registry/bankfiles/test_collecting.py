"""Direct debit authorities, and the bank's file of the debits that wait."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from cleanfleet.registry import clock, daily, replay
from cleanfleet.registry.accounts.operations import CloseAccount, Permit
from cleanfleet.registry.bankfiles import collecting, pain
from cleanfleet.registry.bankfiles.models import Collection, Debit, Mandate
from cleanfleet.registry.bankfiles.operations import CollectDirectDebits, RegisterMandate, RevokeMandate
from cleanfleet.registry.fleets.models import Share
from cleanfleet.registry.ledger import audit
from cleanfleet.registry.ledger.models import Operation
from cleanfleet.registry.payments.models import Payment
from cleanfleet.registry.refusals import Conflict, Forbidden, Invalid, NotVisible
from registry.people import account, do, officer, person

from . import scenes
from .scenes import authorise, collection_account, debited, one_day, outcomes, owing, reference

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.usefixtures("flat")]
GIVEN: dict[str, Any] = {"payer_name": "Kea Imports Ltd", "bank_account": scenes.PAYER, "signed_on": "2027-01-15"}
NOW = "2027-02-03"


def collect(on: str = "2027-02-05", by: Any = None, into: str = scenes.OURS) -> dict[str, Any]:
    asked = CollectDirectDebits.read({"collection_account": into, "on": on})
    return do(asked, by or officer("finance"))


def read(content: bytes, version: str = "08") -> ElementTree.Element:
    """The message of the file."""
    root = ElementTree.fromstring(content)
    assert root.tag == f"{{{pain.NAMESPACE}{version}}}Document"
    for node in root.iter():
        node.tag = node.tag.partition("}")[2]
    return root[0]


def test_debits_are_collected_once_and_confirmed_by_the_statement() -> None:
    one, other = owing(10), owing(20)
    collection_account()
    with clock.at(NOW):
        mandate = authorise(one, name="Pūkeko & Sons Ltd")
        payment, alone = debited(one), debited(other, 20)
        answer = collect()
        assert answer["debits"] == [{"payment": payment.public_id, "cents": 7500}]
        assert (answer["cents"], answer["without_mandate"]) == (7500, [alone.public_id])
        payment.refresh_from_db()
        assert (payment.state, payment.reference) == ("started", reference(payment))
        with pytest.raises(Conflict, match="no direct debit waits of an account with an authority"):
            collect()
        found = collecting.collection(officer("finance"), answer["collection"])
        content = pain.write(found)
        assert content == pain.write(found)
    message = read(content)
    text = {path: message.findtext(path) for path in (
        "GrpHdr/NbOfTxs", "GrpHdr/CtrlSum", "PmtInf/PmtMtd", "PmtInf/ReqdColltnDt", "PmtInf/Cdtr/Nm", "PmtInf/CdtrAcct/Id/Othr/Id",
        "PmtInf/CdtrAgt/FinInstnId/ClrSysMmbId/MmbId", "PmtInf/DrctDbtTxInf/PmtId/EndToEndId", "PmtInf/DrctDbtTxInf/InstdAmt",
        "PmtInf/DrctDbtTxInf/DrctDbtTx/MndtRltdInf/MndtId", "PmtInf/DrctDbtTxInf/DrctDbtTx/MndtRltdInf/DtOfSgntr",
        "PmtInf/DrctDbtTxInf/DbtrAgt/FinInstnId/ClrSysMmbId/ClrSysId/Cd", "PmtInf/DrctDbtTxInf/DbtrAgt/FinInstnId/ClrSysMmbId/MmbId",
        "PmtInf/DrctDbtTxInf/Dbtr/Nm", "PmtInf/DrctDbtTxInf/DbtrAcct/Id/Othr/Id", "PmtInf/DrctDbtTxInf/RmtInf/Ustrd",
    )}  # fmt: skip
    assert list(text.values()) == [
        "1", "75.00", "DD", "2027-02-05", "Clean car charges", scenes.DIGITS, "010242", reference(payment), "75.00",
        mandate.upper().replace("_", ""), "2027-01-15", "NZNCC", "123140", "Pukeko . Sons Ltd", "1231400171323050", one.used.number,
    ]  # fmt: skip
    amount = message.find("PmtInf/DrctDbtTxInf/InstdAmt")
    assert amount is not None
    assert amount.get("Ccy") == "NZD"
    with clock.at("2027-02-06"):
        assert outcomes(one_day((7500, reference(payment)), day="2027-02-05")) == [("confirmed", "")]
    assert Share.objects.get(account=one.used).state == "settled"
    assert audit.run() == []
    assert replay.run() == []


def test_the_older_version_says_the_same() -> None:
    one = owing(10)
    collection_account()
    with clock.at(NOW):
        authorise(one)
        debited(one)
        found = Collection.objects.get(public_id=collect()["collection"])
    old, new = (ElementTree.tostring(read(pain.write(found, version), version)) for version in ("02", "08"))
    assert old == new


def test_a_collected_debit_waits_for_the_bank_from_its_day_on() -> None:
    one = owing(10)
    collection_account()
    with clock.at("2027-02-03T10:00+13:00"):
        authorise(one)
        debited(one)
        collect("2027-02-20")
    with clock.at("2027-02-25T23:00+13:00"):
        assert daily.time_out() == 0
    with clock.at("2027-02-26T00:00+13:00"):
        assert daily.time_out() == 1
    assert Share.objects.get().state == "debit_failed"


def test_only_debits_that_still_wait_are_collected() -> None:
    one = owing(10)
    collection_account()
    with clock.at("2027-02-03T10:00+13:00"):
        authorise(one)
        debited(one)
    with clock.at("2027-02-08T11:00+13:00"), pytest.raises(Conflict, match="no direct debit waits"):
        collect("2027-02-09")  # its time is over: the daily job ends it
    with clock.at("2027-02-08T12:00+13:00"):
        daily.time_out()
        again = debited(one)
        assert [row["payment"] for row in collect("2027-02-09")["debits"]] == [again.public_id]
    assert Debit.objects.get().payment == again


@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [
        ({"on": "2027-02-02"}, Invalid, "on is 2027-02-02; allowed is a day from 2027-02-03 to 2027-04-04"),
        ({"on": "2027-04-05"}, Invalid, "on is 2027-04-05"),
        ({"into": scenes.PAYER}, Invalid, "no collection account"),
        ({}, Conflict, "no direct debit waits"),
    ],
)
def test_what_is_no_collection(how: dict[str, str], kind: type[Exception], message: str) -> None:
    collection_account()
    with clock.at(NOW):
        with pytest.raises(kind, match=message):
            collect(**how)
        for by in (officer("case_officer"), person()):
            with pytest.raises(Forbidden, match="agency role finance"):
                collect(by=by)
            with pytest.raises(Forbidden, match="agency role finance"):
                collecting.collection(by, "col_0")
        with pytest.raises(NotVisible, match="no collection 'col_0'"):
            collecting.collection(officer("finance"), "col_0")


def test_an_authority_is_the_owner_s_and_private() -> None:
    owner, helper = person(), person("Ben")
    of = account(owner)
    with clock.at(NOW):
        for verb in ("view", "edit_details", "transfer_credits"):
            do(Permit(account=of.public_id, person=helper.public_id, verb=verb), owner)
        for by in (helper, officer("finance")):
            with pytest.raises(Forbidden, match="permission owner"):
                do(RegisterMandate(account=of.public_id, **GIVEN), by)
        first = do(RegisterMandate(account=of.public_id, **GIVEN), owner)["mandate"]
        second = do(RegisterMandate(account=of.public_id, **{**GIVEN, "bank_account": "01-0242-0100194-00"}), owner)[
            "mandate"
        ]
        assert list(Mandate.objects.filter(ended=None).values_list("public_id", "number")) == [(second, scenes.DIGITS)]
        assert Mandate.objects.get(public_id=first).ended is not None
        written = " ".join(Operation.objects.filter(name="register_mandate").values_list("input", flat=True))
        assert "0171323" not in written
        assert "Kea Imports" not in written
        do(RevokeMandate(account=of.public_id), officer("finance"))
        with pytest.raises(Conflict, match="has no direct debit authority"):
            do(RevokeMandate(account=of.public_id), owner)
        with pytest.raises(Forbidden):
            do(RevokeMandate(account=of.public_id), helper)
    assert replay.run() == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"bank_account": "12-3140-0171323-51"}, None),
        ({"bank_account": "12-3140-0171324-50"}, "no New Zealand bank account number"),
        ({"bank_account": "12-9999-0171323-50"}, "no New Zealand bank account number"),
        ({"bank_account": "erased@erased"}, "no New Zealand bank account number"),
        ({"signed_on": "2027-02-04"}, "allowed is a day until 2027-02-03"),
    ],
)
def test_a_number_has_bank_branch_and_check_digit(changed: dict[str, str], message: str | None) -> None:
    owner = person()
    of = account(owner)
    asked = RegisterMandate(account=of.public_id, **{**GIVEN, **changed})
    with clock.at(NOW):
        if message is None:  # the suffix has no part in the check
            assert do(asked, owner)["signed_on"] == "2027-01-15"
            return
        with pytest.raises(Invalid, match=message) as no:
            do(asked, owner)
    assert "0171324" not in no.value.message
    assert Mandate.objects.count() == 0


def test_a_closed_account_gives_no_authority_and_an_erased_number_no_file() -> None:
    owner = person()
    of = account(owner)
    one = owing(10)
    collection_account()
    with clock.at(NOW):
        do(CloseAccount(account=of.public_id), owner)
        with pytest.raises(Conflict, match="is closed"):
            do(RegisterMandate(account=of.public_id, **GIVEN), owner)
        authorise(one)
        debited(one)
        found = Collection.objects.get(public_id=collect()["collection"])
        Mandate.objects.update(number="", payer_name="")
        with pytest.raises(Conflict, match="bank account was erased"):
            pain.write(found)
    assert Payment.objects.get().state == "started"
