"""Random operations on two banks with different rules, against a model written apart; what always holds, after each step."""

from __future__ import annotations

import copy
import datetime as dt
from collections import Counter
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from cleanfleet.credits import Bank, BankRules, Carry, CreditError, Dated, Ratio, always
from credits.model import ACT, FactorLaw, GramLaw, Model

NEW_LAW, EARLIER = dt.date(2026, 1, 1), dt.date(2024, 12, 31)
ACCOUNTS = st.sampled_from("ABC")
AGES = st.sampled_from([0, 0, 1, 40, 400, 1000])
PLACES, SHARES, EARLY = st.integers(0, 20), st.sampled_from([5, 10, 34, 50, 100, 101]), st.sampled_from([False, False, True])
AMOUNTS = st.one_of(st.integers(1, 20), st.integers(1, 400))

GRAMS = BankRules(
    pools=("new", "used"),
    life_years=(Dated(3), Dated(4, NEW_LAW, ACT)),
    none_expires_before=(Dated(dt.date(2028, 12, 31), NEW_LAW, ACT),),
    vintages_allowed=always("up_to_year"),
    transferable=(Dated(False), Dated(True, dt.date(2023, 6, 1))),
    exchange=(Dated(Ratio("new", "used", 1, 2), NEW_LAW, ACT), Dated(Ratio("used", "new", 2, 1), NEW_LAW, ACT)),
    deferral_years=(Dated(1, years=(2023, 2025)), Dated(None, known_from=ACT, years=(2026, None))),
    deferral_on_application=True,
)
FACTORS = BankRules(
    pools=("fuel", "electric"),
    life_years=(Dated(3), Dated(1, pools=("electric",), years=(None, 2019))),
    life_basis=always("vintage_year"),
    received_life=(Dated("year_received", pools=("fuel",)),),
    onward_transfer=(Dated(False, pools=("fuel",)),),
    accepts=(Dated(("fuel", "electric"), pools=("fuel",)),),
    vintages_allowed=always("up_to_year"),
    deferral_years=(Dated(1, pools=("electric",), years=(2020, 2020)),),
    carry=(
        Dated(Carry(Fraction(8, 10)), pools=("fuel",), years=(None, 2018)),
        Dated(Carry(Fraction(9, 10)), pools=("fuel",), years=(2019, None)),
        Dated(Carry(Fraction(1)), pools=("electric",), years=(None, 2019)),
        Dated(Carry(Fraction(1, 2)), pools=("electric",), years=(2020, 2020)),
        Dated(Carry(Fraction(1, 2), any_of=("frugal", "electric_only")), pools=("electric",), years=(2021, None)),
    ),
    carry_rounding=always("half_up"),
)


class BankMachine(RuleBasedStateMachine):
    """Both sides do the same; each step either changes both or is refused by both."""

    bank_rules: BankRules
    law: type
    starts: tuple[dt.date, ...]

    @initialize(
        start=st.integers(0, 3), first=st.lists(st.tuples(ACCOUNTS, st.booleans(), AMOUNTS, AGES), min_size=2, max_size=8)
    )
    def begin(self, start: int, first: list[tuple[str, bool, int, int]]) -> None:
        self.bank, self.model = Bank(self.bank_rules), Model(self.law())
        self.today = self.starts[start]
        for one in first:
            self.issue(*one)
        self.turned = min([self.today.year, *(row.vintage for row in self.model.rows)]) - 1

    def both(self, operation: str, done: bool, *arguments: Any, **how: Any) -> None:
        before = self.bank
        try:
            self.bank = getattr(self.bank, operation)(*arguments, **how)
            refusal = ""
        except CreditError as error:
            refusal = str(error)
        assert done is (not refusal), f"{operation}: {refusal or 'should have been refused'}"
        assert not refusal or self.bank is before

    def known(self, early: bool) -> dt.date:
        return min(EARLIER, self.today) if early else self.today

    def pool(self, second: bool) -> str:
        return self.bank_rules.pools[second]

    def choose(self, place: int, share: int) -> tuple[str, str, int]:
        """An account and pool that hold something, where any do, and a share [%] of what is free there."""
        places = sorted({(row.account, row.pool) for row in self.model.rows if row.free}) or [("A", self.pool(False))]
        account, pool = places[place % len(places)]
        return account, pool, max(1, self.bank.free(account, pool) * share // 100)

    @rule(days=st.sampled_from([0, 1, 20, 90, 366, 500]))
    def time_passes(self, days: int) -> None:
        self.today = min(self.today + dt.timedelta(days), dt.date(2035, 12, 31))

    @rule(account=ACCOUNTS, second=st.booleans(), amount=AMOUNTS, age=AGES)
    def issue(self, account: str, second: bool, amount: int, age: int) -> None:
        earned = self.today - dt.timedelta(age)
        pool = self.pool(second)
        done = self.model.issue(account, pool, earned.year, earned, amount)
        self.both("issue", done, account, pool, earned.year, earned, amount)

    @rule(place=PLACES, share=SHARES, early=EARLY, age=st.sampled_from([None, None, 0, 1]))
    def spend(self, place: int, share: int, early: bool, age: int | None) -> None:
        account, pool, amount = self.choose(place, share)
        vintage, known = None if age is None else self.today.year - age, self.known(early)
        done = self.model.spend(account, pool, amount, self.today, known, vintage)
        vintages = [] if vintage is None else [vintage]
        self.both("spend", done, account, pool, amount, on=self.today, known=known, vintages=vintages)

    @rule(place=PLACES, share=SHARES, days=st.sampled_from([0, 1, 30, 500]))
    def reserve(self, place: int, share: int, days: int) -> None:
        account, pool, amount = self.choose(place, share)
        until = self.today + dt.timedelta(days)
        done = self.model.reserve(account, pool, amount, self.today, self.today, until)
        self.both("reserve", done, account, pool, amount, on=self.today, known=self.today, until=until)

    @precondition(lambda self: self.model.holds)
    @rule(place=PLACES, posted=st.booleans(), early=EARLY)
    def end_reservation(self, place: int, posted: bool, early: bool) -> None:
        place %= len(self.model.holds)
        hold = sorted(self.bank.holds)[place]
        if posted:
            known = self.known(early)
            self.both("post", self.model.post(place, self.today, known), hold, on=self.today, known=known)
        else:
            self.both("void", self.model.void(place), hold, on=self.today)

    @rule(place=PLACES, share=SHARES, receiver=ACCOUNTS)
    def transfer(self, place: int, share: int, receiver: str) -> None:
        giver, pool, amount = self.choose(place, share)
        done = self.model.transfer(giver, receiver, pool, amount, self.today, self.today)
        self.both("transfer", done, giver, receiver, pool, amount, on=self.today, known=self.today)

    @rule(place=PLACES, share=SHARES, early=EARLY)
    def exchange(self, place: int, share: int, early: bool) -> None:
        account, source, amount = self.choose(place, share)
        target = self.pool(source == self.bank_rules.pools[0])
        known = self.known(early)
        done = self.model.exchange(account, source, amount, self.today, known)
        self.both("exchange", done, account, source, target, amount, on=self.today, known=known)

    @rule(what=st.sampled_from(["time_out", "expire", "revive", "past_due"]), early=EARLY)
    def housekeeping(self, what: str, early: bool) -> None:
        known, today = self.known(early), self.today
        if what == "time_out":
            self.both("time_out", self.model.time_out(today), on=today)
        elif what == "past_due":
            self.both("past_due", self.model.past_due(today.year), today.year, on=today, known=today)
        else:
            self.both(what, getattr(self.model, what)(today, known), on=today, known=known)

    @rule(place=PLACES, share=SHARES, back=st.integers(0, 2))
    def owe(self, place: int, share: int, back: int) -> None:
        account, pool, amount = self.choose(place, share)
        year = self.today.year - back
        self.both("owe", self.model.owe(account, pool, year, amount), account, pool, year, amount, on=self.today)

    @precondition(lambda self: self.model.owed)
    @rule(place=PLACES, share=SHARES)
    def offset(self, place: int, share: int) -> None:
        place %= len(self.model.owed)
        amount = max(1, self.model.owed[place].amount * share // 100)
        id_ = sorted(self.bank.obligations)[place]
        done = self.model.offset(place, amount, self.today, self.today)
        self.both("offset", done, id_, amount=amount, on=self.today, known=self.today)

    @precondition(lambda self: self.model.owed)
    @rule(place=PLACES)
    def defer(self, place: int) -> None:
        place %= len(self.model.owed)
        id_ = sorted(self.bank.obligations)[place]
        if self.bank_rules.deferral_on_application:
            self.both("defer", self.model.defer(place), id_, on=self.today, known=self.today)

    @rule(account=ACCOUNTS)
    def settle(self, account: str) -> None:
        before = copy.deepcopy(self.model)
        done = self.model.settle(account, self.today, self.today)
        if not done:
            self.model = before
        self.both("settle", done, account, on=self.today, known=self.today)

    @precondition(lambda self: any(row.issued for row in self.model.rows))
    @rule(place=PLACES, amount=AMOUNTS)
    def reverse(self, place: int, amount: int) -> None:
        rows = [row for row in self.model.rows if row.issued]
        row = rows[place % len(rows)]
        id_ = sorted(self.bank.lots)[row.number]
        self.both("reverse", self.model.reverse(row, amount), id_, amount, on=self.today)

    # -- what always holds

    def snapshot(self) -> Any:
        return Counter(
            (row.account, row.pool, row.vintage, row.earned, row.received, row.carried, row.free, row.reserved)
            for row in self.model.rows
        )

    def bank_snapshot(self) -> Any:
        return Counter(
            (lot.account, lot.pool, lot.vintage, lot.earned_on, lot.received_on, lot.carried_through, lot.free, lot.reserved)
            for lot in self.bank.lots.values()
        )

    @invariant()
    def both_say_the_same(self) -> None:
        self.bank.check()
        assert self.snapshot() == self.bank_snapshot()
        assert [one.amount for one in self.model.owed] == [
            self.bank.obligations[i].amount for i in sorted(self.bank.obligations)
        ]
        for balance in self.bank.balances():
            assert balance.difference == 0
            pool = balance.unit.partition(":")[2]
            for bucket, amount in {**balance.sources, **balance.places}.items():
                if bucket not in ("held", "reserved", "owed", "paid") and not (
                    balance.unit.startswith("obligation") and bucket == "cancelled"
                ):
                    assert amount == self.model.totals[pool, bucket], (balance.unit, bucket)


class GramMachine(BankMachine):
    bank_rules, law, starts = (
        GRAMS,
        GramLaw,
        (dt.date(2023, 2, 28), dt.date(2024, 2, 29), dt.date(2025, 12, 20), dt.date(2027, 12, 31)),
    )


class FactorMachine(BankMachine):
    bank_rules, law, starts = (
        FACTORS,
        FactorLaw,
        (dt.date(2018, 3, 1), dt.date(2020, 2, 29), dt.date(2021, 6, 30), dt.date(2022, 12, 31)),
    )

    @rule(facts=st.fixed_dictionaries({account: st.booleans() for account in "ABC"}), again=st.booleans())
    def turn_of_the_year(self, facts: dict[str, bool], again: bool) -> None:
        """The next year that hasn't been carried, or, once more, the last one."""
        year = self.turned + (not again)
        if year >= self.today.year or not self.model.rows:
            return
        told = {account: {"frugal": fact, "electric_only": False} for account, fact in facts.items()}
        done = self.model.carry(year, facts)
        self.both("carry", done, year, known=self.today, facts=told)
        self.turned += not again if done else 0


MACHINES = {"grams": GramMachine, "factors": FactorMachine}
QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


@pytest.mark.parametrize("name", MACHINES)
def test_some_hundred_steps(name: str) -> None:
    run_state_machine_as_test(
        MACHINES[name],
        settings=settings(max_examples=15, stateful_step_count=30, deadline=None, suppress_health_check=QUIET),
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", MACHINES)
def test_ten_thousand_steps(name: str) -> None:
    run_state_machine_as_test(
        MACHINES[name],
        settings=settings(max_examples=160, stateful_step_count=65, deadline=None, suppress_health_check=QUIET),
    )
