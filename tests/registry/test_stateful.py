"""Random operations by several people, against a model of dictionaries that was written apart; compared after each step.

The model knows lots by the day and the order in which they were made, takes the oldest first, and keeps balances by hand.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from cleanfleet.registry import clock, daily, replay
from cleanfleet.registry.acceptance.operations import AcceptVehicles
from cleanfleet.registry.accounts import operations as accounts
from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.charges.correcting import WithdrawVehicle
from cleanfleet.registry.charges.settling import SettleCharges
from cleanfleet.registry.ledger import audit, book
from cleanfleet.registry.ledger.models import Principal
from cleanfleet.registry.payments.provider import LocalProvider
from cleanfleet.registry.refusals import Refusal
from cleanfleet.registry.transfers import operations as transfers
from cleanfleet.registry.transfers.surrendering import SurrenderCredits
from cleanfleet.registry.vehicles.models import Claim
from registry import databases
from registry.acceptance.test_acceptance import play
from registry.people import account, car, do, feed, officer, person, ready_law, verify

RATES = {"new": 1200, "used": 600}  # cents for a gram in 2026, pay as you go
TARGET = 112  # whole grams of the target of a Type A vehicle of 1,600 kg in 2026 (112.0474)
ACCOUNTS = st.integers(0, 3)


class Model:
    """One account as the model sees it: lots [(day, order), grams] it can use, those promised, what it owes."""

    def __init__(self, condition: str) -> None:
        self.condition = condition
        self.held: dict[tuple[dt.date, int], int] = {}
        self.reserved: dict[tuple[dt.date, int], int] = {}
        self.surrendered: dict[tuple[dt.date, int], int] = {}
        self.owed = 0
        self.suspended = False

    def free(self) -> int:
        return sum(self.held.values())

    def take(self, grams: int) -> list[tuple[tuple[dt.date, int], int]]:
        taken = []
        for key in sorted(self.held):
            part = min(grams, self.held[key])
            if part:
                taken.append((key, part))
                self.held[key] -= part
                grams -= part
        assert grams == 0
        return taken

    def balances(self) -> dict[tuple[str, str], int]:
        found = {
            ("held", f"credit:{self.condition}"): self.free(),
            ("reserved", f"credit:{self.condition}"): sum(self.reserved.values()),
            ("owed", f"charge:{self.condition}:A:2026"): self.owed,
        }
        return {place: amount for place, amount in found.items() if amount}


class Registry(RuleBasedStateMachine):
    """Four accounts of two holders, new and used each."""

    vendor = "sqlite"

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.database = databases.fresh(self.vendor, Path(self.folder.name))
        self.database.__enter__()
        self.day = dt.date(2026, 2, 1)
        self.provider = LocalProvider("s")
        ready_law()
        self.agent = officer()
        self.owners: list[Principal] = []
        self.accounts: list[Account] = []
        for name in ("Aroha", "Ben"):
            owner = person(name)
            first = account(owner, "new")
            second = account(owner, "used", first.holder.public_id)
            self.owners += [owner, owner]
            self.accounts += [first, second]
            verify(first)
        self.model = [Model(found.condition) for found in self.accounts]
        self.order: dict[tuple[int, dt.date], int] = {}
        self.exchanged: dict[tuple[tuple[dt.date, int], str], tuple[dt.date, int]] = {}
        self.made = 0
        self.offers: list[tuple[str, int, int, list[tuple[tuple[dt.date, int], int]]]] = []
        self.credited: list[tuple[str, int, tuple[dt.date, int], int]] = []

    def teardown(self) -> None:
        if hasattr(self, "database"):
            try:
                assert audit.run() == []
                assert replay.run() == []
            finally:
                self.database.__exit__(None, None, None)
                self.folder.cleanup()

    # -- the model's own bookkeeping

    def lot(self, owner: int) -> tuple[dt.date, int]:
        """The key of the lot that the owner earns on this day; made in the order of first use."""
        key = (owner, self.day)
        if key not in self.order:
            self.made += 1
            self.order[key] = self.made
        return (self.day, self.order[key])

    def received(self, key: tuple[dt.date, int], condition: str) -> tuple[dt.date, int]:
        if (key, condition) not in self.exchanged:
            self.made += 1
            self.exchanged[key, condition] = (key[0], self.made)
        return self.exchanged[key, condition]

    def attempt(self, action: Any, by: Principal) -> dict[str, Any] | None:
        with clock.at(self.day):
            try:
                return do(action, by)
            except Refusal:
                return None

    def hand_over(self, taken: list[tuple[tuple[dt.date, int], int]], source: int, target: int) -> None:
        give, get = self.model[source], self.model[target]
        if give.condition == get.condition:
            for key, grams in taken:
                get.held[key] = get.held.get(key, 0) + grams
        elif give.condition == "new":
            for key, grams in taken:
                made = self.received(key, get.condition)
                get.held[made] = get.held.get(made, 0) + 2 * grams
        else:
            so_far = 0
            for key, grams in taken:  # a set that spans two lots is received with the older one
                before, so_far = so_far, so_far + grams
                received = -(-so_far // 2) - -(-before // 2)
                if received:
                    made = self.received(key, get.condition)
                    get.held[made] = get.held.get(made, 0) + received

    def may_give(self, source: int, target: int, grams: int) -> bool:
        give, get = self.model[source], self.model[target]
        whole = give.condition == get.condition or give.condition == "new" or grams % 2 == 0
        return not give.suspended and not get.suspended and not give.owed and whole and give.free() >= grams

    # -- what people do

    @rule()
    def tomorrow(self) -> None:
        self.day += dt.timedelta(days=1)

    @rule(number=ACCOUNTS, under=st.integers(1, TARGET))
    def earn(self, number: int, under: int) -> None:
        of, model = self.accounts[number], self.model[number]
        with clock.at(self.day):
            (row,) = feed(car(of, co2=TARGET - under, ready_on="2026-01-31"))
        if model.suspended:
            assert row["code"] == "account_not_open"
            return
        answer = self.attempt(AcceptVehicles(account=of.public_id, vehicles=[row["claim"]]), self.owners[number])
        assert answer is not None
        assert answer["credit_g"] == under
        key = self.lot(number)
        model.held[key] = model.held.get(key, 0) + under
        self.credited.append((row["claim"], number, key, under))

    @rule(number=ACCOUNTS, over=st.integers(1, 60), credits_g=st.integers(0, 70), paid=st.booleans())
    def buy(self, number: int, over: int, credits_g: int, paid: bool) -> None:
        of, model = self.accounts[number], self.model[number]
        if model.suspended:
            return
        with clock.at(self.day):
            (row,) = feed(car(of, co2=TARGET + 1 + over, ready_on="2026-01-31"))
        accept = AcceptVehicles(account=of.public_id, vehicles=[row["claim"]], credits_g=credits_g)
        answer = self.attempt(accept, self.owners[number])
        if credits_g > over or credits_g > model.free():
            assert answer is None
            return
        assert answer is not None
        assert answer["money_cents"] == (over - credits_g) * RATES[model.condition]
        if answer["money_cents"]:
            with clock.at(self.day):
                self.provider.start(answer["payment"], answer["money_cents"])
                play(self.provider, answer["payment"], "succeeded" if paid else "declined")
        if paid or not answer["money_cents"]:
            model.take(credits_g)
        state = Claim.objects.get(public_id=row["claim"]).state
        assert state == ("accepted" if paid or not answer["money_cents"] else "ready")

    @rule(source=ACCOUNTS, to=ACCOUNTS, grams=st.integers(1, 60))
    def offer(self, source: int, to: int, grams: int) -> None:
        giving = transfers.OfferTransfer(
            account=self.accounts[source].public_id, to_account=self.accounts[to].number, grams=grams
        )
        answer = self.attempt(giving, self.owners[source])
        if source == to or not self.may_give(source, to, grams):
            assert answer is None
            return
        assert answer is not None
        taken = self.model[source].take(grams)
        for key, part in taken:
            self.model[source].reserved[key] = self.model[source].reserved.get(key, 0) + part
        self.offers.append((answer["offer"], source, to, taken))

    @precondition(lambda self: self.offers)
    @rule(which=st.integers(0, 50), how=st.sampled_from(["accept", "decline", "withdraw"]))
    def answer(self, which: int, how: str) -> None:
        offer, source, target, taken = self.offers.pop(which % len(self.offers))
        give, get = self.model[source], self.model[target]
        kinds = {
            "accept": transfers.AcceptTransfer,
            "decline": transfers.DeclineTransfer,
            "withdraw": transfers.WithdrawTransfer,
        }
        by = self.owners[source if how == "withdraw" else target]
        answer = self.attempt(kinds[how](offer=offer), by)
        if how == "accept" and (give.suspended or get.suspended or give.owed):
            assert answer is None
            self.offers.append((offer, source, target, taken))
            return
        assert answer is not None
        for key, part in taken:
            give.reserved[key] -= part
            if how != "accept":
                give.held[key] = give.held.get(key, 0) + part
        if how == "accept":
            self.hand_over(taken, source, target)

    @rule(number=ACCOUNTS, grams=st.integers(1, 60))
    def own(self, number: int, grams: int) -> None:
        target = number ^ 1
        giving = transfers.TransferOwn(
            account=self.accounts[number].public_id, to_account=self.accounts[target].number, grams=grams
        )
        answer = self.attempt(giving, self.owners[number])
        if not self.may_give(number, target, grams):
            assert answer is None
            return
        assert answer is not None
        self.hand_over(self.model[number].take(grams), number, target)

    @rule(number=ACCOUNTS, grams=st.integers(1, 60))
    def surrender(self, number: int, grams: int) -> None:
        model = self.model[number]
        answer = self.attempt(SurrenderCredits(account=self.accounts[number].public_id, grams=grams), self.owners[number])
        if model.suspended or model.free() < grams:
            assert answer is None
            return
        assert answer is not None
        taken = model.take(grams)
        assert [one["grams"] for one in answer["lots"]] == [part for _, part in taken]
        for key, part in taken:
            model.surrendered[key] = model.surrendered.get(key, 0) + part

    @precondition(lambda self: self.credited)
    @rule(which=st.integers(0, 50))
    def withdraw(self, which: int) -> None:
        claim, number, key, grams = self.credited.pop(which % len(self.credited))
        model = self.model[number]
        answer = self.attempt(WithdrawVehicle(claim=claim, reason="exported", grounds="x"), self.agent)
        assert answer is not None
        there = min(grams, model.held.get(key, 0))
        model.held[key] = model.held.get(key, 0) - there
        given_up = min(grams - there, model.surrendered.get(key, 0))
        model.surrendered[key] = model.surrendered.get(key, 0) - given_up
        model.owed += grams - there - given_up
        assert answer["shortfall_g"] == grams - there - given_up

    @rule(number=ACCOUNTS, with_credits=st.booleans())
    def settle(self, number: int, with_credits: bool) -> None:
        model = self.model[number]
        offset = min(model.owed, model.free()) if with_credits else 0
        settling = SettleCharges(account=self.accounts[number].public_id, credits_g=offset)
        answer = self.attempt(settling, self.owners[number])
        if not model.owed:
            assert answer is None
            return
        assert answer is not None
        assert answer["money_cents"] == (model.owed - offset) * RATES[model.condition]
        if answer["money_cents"]:
            with clock.at(self.day):
                self.provider.start(answer["payment"], answer["money_cents"])
                play(self.provider, answer["payment"], "succeeded")
        model.take(offset)
        model.owed = 0

    @rule(number=ACCOUNTS)
    def suspend_or_lift(self, number: int) -> None:
        model, of = self.model[number], self.accounts[number]
        action: Any = accounts.LiftSuspension(account=of.public_id)
        if not model.suspended:
            until = self.day + dt.timedelta(days=300)
            action = accounts.SuspendAccount(account=of.public_id, until=until, reason="convicted", grounds="x")
        assert self.attempt(action, self.agent) is not None
        model.suspended = not model.suspended

    @rule()
    def the_daily_job_finds_nothing(self) -> None:
        with clock.at(self.day):
            done = daily.run()
        assert (done["timed_out"], done["lifted"]) == (0, 0)
        lapsed = [entry for entry in self.offers if not _stands(entry[0])]
        assert len(lapsed) == done["lapsed"]
        for entry in lapsed:
            self.offers.remove(entry)
            for key, part in entry[3]:
                self.model[entry[1]].reserved[key] -= part
                self.model[entry[1]].held[key] = self.model[entry[1]].held.get(key, 0) + part

    @rule(number=ACCOUNTS)
    def a_stranger_sees_nothing(self, number: int) -> None:
        other = self.owners[(number + 2) % 4]
        assert not permissions.visible_to(other).filter(pk=self.accounts[number].pk).exists()

    @invariant()
    def the_book_is_the_model_s(self) -> None:
        if not hasattr(self, "model"):
            return
        for found, model in zip(self.accounts, self.model, strict=True):
            assert book.balances(found.pk) == model.balances()
            assert Account.objects.get(pk=found.pk).state == ("suspended" if model.suspended else "open")


def _stands(offer: str) -> bool:
    from cleanfleet.registry.transfers.models import Offer

    return Offer.objects.get(public_id=offer).state == "offered"


class OnPostgresql(Registry):
    vendor = "postgresql"


def run(machine: type[Registry], examples: int, steps: int) -> None:
    if machine.vendor == "postgresql" and databases.server() is None:
        pytest.skip("no PostgreSQL server: set CLEANFLEET_TEST_PG or install one")
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
        ),
    )


@pytest.mark.parametrize("machine", [Registry, OnPostgresql])
def test_a_few_random_lives(machine: type[Registry]) -> None:
    run(machine, examples=4, steps=12)


@pytest.mark.slow
@pytest.mark.parametrize("machine", [Registry, OnPostgresql])
def test_many_random_lives(machine: type[Registry]) -> None:
    run(machine, examples=60, steps=50)
