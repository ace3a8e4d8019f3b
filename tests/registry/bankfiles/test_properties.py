"""Whatever stands on statements: every entry has one outcome, and no cent is made, lost or booked twice."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cleanfleet.registry import clock, daily
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.bankfiles import checks, references
from cleanfleet.registry.bankfiles.models import Entry, Statement
from cleanfleet.registry.bankfiles.operations import TakeInBankStatement
from cleanfleet.registry.fleets.models import Settlement, Share
from cleanfleet.registry.ledger import audit, book
from cleanfleet.registry.ledger.models import Balance
from cleanfleet.registry.ledger.operations import perform
from cleanfleet.registry.payments.models import Payment
from registry import databases
from registry.fleets.scenes import play
from registry.people import officer

from . import scenes
from .scenes import batch, collection_account, debited, entry, file, owing, reference, statement, system_bucket

DAYS = ("2027-04-02", "2027-04-03", "2027-04-04")
SLOW = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Three importers: a debit of 75.00 that waits, one that failed and is due, one that was never begun."""
    from django.conf import settings as options

    before = options.OPTIONS.copy()
    options.OPTIONS.update(CLEANFLEET_DEMO=True, CLEANFLEET_VALUES=("no-weight-adjustment",))
    folder = tmp_path_factory.mktemp("bank")
    with databases.fresh("sqlite", folder):
        waits, due, _ = owing(10), owing(20), owing(30)
        with clock.at("2027-03-31T12:00+13:00"):
            debited(waits)
        with clock.at(scenes.LATE):
            daily.run()
            payment = Payment.objects.get(account=due.used)
            play(payment.public_id, "declined")
        collection_account()
        officer("finance")
        connection.close()
    yield folder / "registry.sqlite3"
    options.OPTIONS.update(before)


class Copy:
    """A database of its own for one example."""

    def __init__(self, template: Path) -> None:
        self.template = template

    def __enter__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cleanfleet-bank-"))
        connection.close()
        for suffix in ("", "-wal"):
            if Path(f"{self.template}{suffix}").exists():
                shutil.copy(f"{self.template}{suffix}", f"{self.folder}/registry.sqlite3{suffix}")
        databases.use("", self.folder)

    def __exit__(self, *_: object) -> None:
        connection.close()
        shutil.rmtree(self.folder, ignore_errors=True)


#: What an entry may name: the payments, accounts and charges that there are (by their order), others, several, nothing.
EXACT = {"pay0": 7500, "pay1": 15000, "due0": 7500, "due1": 15000, "due2": 22500}
NAMED = st.sampled_from([*EXACT, *EXACT, "pay2", "both", "account", "none"])
CENTS = st.one_of(st.just(0), st.just(0), st.integers(1, 10**9))  # 0: the amount of what it names
LINE = st.tuples(NAMED, CENTS, st.sampled_from([1, 1, -1]), st.sampled_from([*["BOOK"] * 5, "PDNG"]), st.booleans())
FILES = st.lists(st.lists(LINE, max_size=6), min_size=1, max_size=3)


def named(what: str) -> str:
    payments = list(Payment.objects.order_by("pk"))
    accounts = list(Account.objects.filter(fleet_shares__isnull=False, condition="used").distinct().order_by("pk"))
    if what.startswith("pay"):
        place = int(what[3:])
        return reference(payments[place]) if place < len(payments) else "PAY" + "0" * 26
    if what.startswith("due"):
        return references.charge(accounts[int(what[3:])].number, 2026, "A")
    return {"both": f"{accounts[0].number} {accounts[1].number} 2026A", "account": accounts[0].number, "none": "thanks"}[
        what
    ]


def made(lines: list[tuple[Any, ...]], number: int, opening: int) -> tuple[str, int, int]:
    """A statement of the lines, what it moves, and how many entries it has."""
    entries, moved, count = [], 0, 0
    for what, drawn, sign, status, in_batch in lines:
        cents = drawn or EXACT.get(what, 1)
        if in_batch and sign > 0 and status == "BOOK":
            entries.append(batch(cents + 1, [(named(what), cents), ("x", 1)], day=DAYS[number]))
            moved, count = moved + cents + 1, count + 2
            continue
        entries.append(entry(sign * cents, named(what), status=status, day=DAYS[number], reason="AC04" if sign < 0 else ""))
        moved, count = moved + (sign * cents if status == "BOOK" else 0), count + 1
    return statement(*entries, moved=moved, name=f"S{number}", opening=opening, day=DAYS[number]), moved, count


def money() -> dict[str, int]:
    """Cents in the account's own buckets together, and in the system's."""
    held = Balance.objects.filter(bucket__unit__code="NZD", bucket__kind__in=("unallocated", "refund_due"))
    found = {"accounts": int(held.aggregate(n=Sum("amount"))["n"] or 0)}
    return found | {kind: system_bucket(kind) for kind in ("provider", "revenue", "suspense", "refunded", "refund_due")}


@SLOW
@given(files=FILES)
def test_every_entry_has_one_outcome_and_every_cent_a_place(template: Path, files: list[list[tuple[Any, ...]]]) -> None:
    with Copy(template), clock.at("2027-04-05"):
        by = officer("finance")
        before, opening, told = money(), 0, []
        for number, lines in enumerate(files):
            text, moved, count = made(lines, number, opening)
            action = TakeInBankStatement.of(file(text))
            (one,) = perform(action, by=by, key=f"k{number}").answer["statements"]
            (again,) = perform(action, by=by, key=f"again{number}").answer["statements"]
            assert again == {**one, "repeated": True}
            assert len(one["entries"]) == count == sum(sums["entries"] for sums in one["outcomes"].values())
            assert sum(sums["cents"] for sums in one["outcomes"].values()) == moved
            opening += moved
            told += one["entries"]
        assert Statement.objects.count() == len(files)
        assert Entry.objects.count() == len(told)
        after = {kind: amount - before[kind] for kind, amount in money().items()}
        # All money that came, less what went, is somebody's: revenue, on an account, or in the queue.
        assert -after["provider"] - after["refunded"] == opening
        assert after["revenue"] + after["accounts"] + after["suspense"] + after["refund_due"] == opening
        # The queue holds what waits, and what was returned before it came.
        queued = sum(one["cents"] for one in told if one["outcome"] in ("queued", "failed"))
        assert after["suspense"] == queued
        assert after["revenue"] == sum(one["cents"] for one in told if one["outcome"] in ("confirmed", "met")) + sum(
            one["cents"] for one in told if one["outcome"] == "reversed" and not late(one["payment"])
        )
        assert due_is_due()
        assert audit.run() == checks.run() == []


def late(payment: str) -> bool:
    """Whether a payment's money had come too late: then its return took it from what is unallocated."""
    return Entry.objects.filter(payment__public_id=payment, outcome="late").exists()


def due_is_due() -> bool:
    """What shares and settlements say is due is what the book says."""
    for share in Share.objects.all():
        due = sum(one.due_cents for one in Settlement.objects.filter(share=share, state__in=("due", "collecting")))
        if not due == share.payable_cents == book.balance(share.account_id, "payable", "NZD"):
            return False
    return True


#: What truly happened to a debit: what the provider's messages and the bank's lines (sign) say of it, each in its order.
TRUTHS = {
    "paid": (["succeeded"], [1]),
    "returned": (["succeeded", "reversed"], [1, -1]),
    "unpaid": (["declined"], []),
    "paid late": (["declined", "succeeded"], [1]),
}


@SLOW
@given(truth=st.sampled_from(sorted(TRUTHS)), order=st.lists(st.booleans(), min_size=6, max_size=6), twice=st.booleans())
def test_provider_and_bank_may_tell_in_any_order(template: Path, truth: str, order: list[bool], twice: bool) -> None:
    messages, lines = TRUTHS[truth]
    ends = []
    for by_bank in (False, True):
        with Copy(template), clock.at("2027-04-05"):
            payment = Payment.objects.get(state="created", cents=7500)
            said, shown = list(messages) * (1 + twice), list(lines) if by_bank else []
            if twice:
                said = [one for one in messages for _ in range(2)]
            opening, number = 0, 0
            # A debit that failed and was paid late needs its failure told first: before it, its money isn't late.
            first = [said.pop(0)] if truth == "paid late" else []
            for outcome in first:
                play(payment.public_id, outcome)
            for bank in [*order, *[False] * 9, *[True] * 9]:
                if bank and shown:
                    cents = shown.pop(0) * 7500
                    text = statement(
                        entry(cents, reference(payment), day=DAYS[number]), moved=cents, name=f"S{number}", opening=opening, day=DAYS[number]
                    )  # fmt: skip
                    perform(TakeInBankStatement.of(file(text)), by=officer("finance"), key=f"k{number}")
                    opening, number = opening + cents, number + 1
                elif not bank and said:
                    play(payment.public_id, said.pop(0))
            payment.refresh_from_db()
            ends.append((payment.state, book.balances(payment.account_id), money()))
            assert due_is_due()
            assert audit.run() == checks.run() == []
    assert ends[0] == ends[1]
