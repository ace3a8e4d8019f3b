"""Each operation of bank files, ready to be performed: for the test that kills it before each of its statements."""

from __future__ import annotations

from collections.abc import Callable

from cleanfleet.registry import clock
from cleanfleet.registry.accounts.permissions import system
from cleanfleet.registry.bankfiles.models import Entry
from cleanfleet.registry.bankfiles.operations import (
    CollectDirectDebits,
    OpenCollectionAccount,
    RegisterMandate,
    ResolveBankEntry,
    RevokeMandate,
    TakeInBankStatement,
)
from cleanfleet.registry.ledger.models import Principal
from cleanfleet.registry.ledger.operations import Action
from registry.people import account, do, officer, person

from .scenes import (
    AFTER,
    OURS,
    PAYER,
    authorise,
    collection_account,
    debited,
    entry,
    file,
    one_day,
    owing,
    reference,
    statement,
)

Told = tuple[Action, Principal, str]


def _open() -> Told:
    return OpenCollectionAccount(number=OURS, account_name="Charges"), system(), AFTER


def _take() -> Told:
    """A debit that is confirmed, and money that nobody knows of."""
    collection_account()
    one = owing(10)
    with clock.at(AFTER):
        found = debited(one)
    entries = [entry(7500, reference(found)), entry(1234, text="thank you")]
    return TakeInBankStatement.of(file(statement(*entries, moved=8734))), officer("finance"), "2027-02-04"


def _resolve() -> Told:
    with clock.at(AFTER):
        one_day((1234, "unknown"))
    found = Entry.objects.get().public_id
    return ResolveBankEntry(entry=found, to="refund", note="payer unknown"), officer("finance"), "2027-02-04"


def _register() -> Told:
    owner = person()
    of = account(owner)
    with clock.at(AFTER):
        do(RegisterMandate(account=of.public_id, payer_name="Kea", bank_account=PAYER, signed_on="2027-01-01"), owner)
    again = {"payer_name": "Kea Ltd", "bank_account": PAYER, "signed_on": "2027-02-01"}
    return RegisterMandate(account=of.public_id, **again), owner, AFTER


def _revoke() -> Told:
    asked, owner, day = _register()
    return RevokeMandate.read({"account": asked.model_dump()["account"]}), owner, day


def _collect() -> Told:
    collection_account()
    one = owing(10)
    with clock.at(AFTER):
        debited(one)
        authorise(one)
    return CollectDirectDebits.read({"collection_account": OURS, "on": "2027-02-04"}), officer("finance"), "2027-02-03"


STORIES: dict[str, Callable[[], Told]] = {
    "open_collection_account": _open,
    "take_in_bank_statement": _take,
    "resolve_bank_entry": _resolve,
    "register_mandate": _register,
    "revoke_mandate": _revoke,
    "collect_direct_debits": _collect,
}
#: Those that need a demo without weight adjustment, because the slopes of their year aren't known.
FLAT = ("take_in_bank_statement", "collect_direct_debits")
