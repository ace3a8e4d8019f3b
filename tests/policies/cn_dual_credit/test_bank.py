"""The bank under China's rules: random years of operations keep its invariants; the rules come from the values alone."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import cleanfleet.credits
from cleanfleet import policies
from cleanfleet.credits import Bank, CreditError, NotDetermined, last_day
from cleanfleet.policies.cn_dual_credit.bank import CONVENTIONAL_FUEL, NEV_ONLY, bank_rules, carry_facts
from cleanfleet.policies.cn_dual_credit.history import company

POLICY = policies.load("cn-dual-credit", known="2026-11-22")
RULES, KNOWN = bank_rules(POLICY), POLICY.known
WHO = st.sampled_from(["A", "B", "C"])
KIND = st.sampled_from(["cafc", "nev"])
AMOUNT = st.integers(1, 5000)


class ChinaBank(RuleBasedStateMachine):
    """Earn, owe, sell, offset, pool and turn the year, in any order that years allow, from 2019 to 2022."""

    @initialize()
    def start(self) -> None:
        self.bank, self.year = Bank(RULES), 2019

    def attempt(self, name: str, *arguments: Any, **more: Any) -> None:
        """An operation; a refused one leaves the bank as it is."""
        before = self.bank
        copy = Bank(before.rules, before._book.copy())
        try:
            self.bank = getattr(before, name)(*arguments, **more)
        except CreditError:
            assert before == copy

    @property
    def on(self) -> dt.date:
        return dt.date(self.year, 12, 31)

    @rule(who=WHO, kind=KIND, amount=AMOUNT)
    def earn(self, who: str, kind: str, amount: int) -> None:
        self.attempt("issue", who, kind, self.year, self.on, amount)

    @rule(who=WHO, kind=KIND, amount=AMOUNT)
    def owe(self, who: str, kind: str, amount: int) -> None:
        self.attempt("owe", who, kind, self.year, amount, on=self.on)

    @rule(giver=WHO, receiver=WHO, kind=KIND, amount=AMOUNT)
    def pass_on(self, giver: str, receiver: str, kind: str, amount: int) -> None:
        free = self.bank.free(giver, kind)
        if giver != receiver and free:
            self.attempt("transfer", giver, receiver, kind, min(amount, free), on=self.on, known=KNOWN)

    @rule(who=WHO)
    def settle(self, who: str) -> None:
        nev_deficit, cafc = self.bank.owed(who, "nev"), self.bank.free(who, "cafc")
        self.attempt("settle", who, on=self.on, known=KNOWN, pool="nev")
        # the one-way street: no CAFC credit meets an NEV deficit
        assert self.bank.free(who, "cafc") == cafc
        assert self.bank.owed(who, "nev") <= nev_deficit
        self.attempt("settle", who, on=self.on, known=KNOWN)

    @precondition(lambda self: self.year < 2023)
    @rule(only_nev=st.booleans())
    def turn(self, only_nev: bool) -> None:
        facts = {f"{name}:{year}": only_nev for name in (NEV_ONLY, CONVENTIONAL_FUEL) for year in range(2019, self.year + 1)}
        before = {key: lot for key, lot in self.bank.lots.items() if lot.amount}
        self.bank = self.bank.past_due(self.year + 1, on=self.on, known=KNOWN)
        self.bank = self.bank.carry(self.year, known=KNOWN, facts=dict.fromkeys("ABC", facts))
        for key, lot in before.items():
            after = self.bank.lots[key].amount
            assert after <= lot.amount
            if lot.received_on is not None:
                assert after == 0  # what came from another company serves its year only
        self.year += 1
        assert not any(lot.amount and last_day(lot, self.on, KNOWN, RULES) < self.on for lot in self.bank.lots.values())
        # only an NEV deficit of 2020 outlives its year
        assert all(
            (one.pool, one.year, self.year) == ("nev", 2020, 2021)
            for one in self.bank.obligations.values() if one.amount
        )  # fmt: skip

    @invariant()
    def nothing_is_created_or_destroyed(self) -> None:
        self.bank.check()
        assert all(balance.difference == 0 for balance in self.bank.balances())


TestChinaBank = ChinaBank.TestCase
TestChinaBank.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


def test_each_factor_compounds_unrounded() -> None:
    day = dt.date(2018, 12, 31)
    bank = Bank(RULES).issue("A", "cafc", 2018, day, 999)
    held = []
    for year in (2018, 2019, 2020, 2021):
        bank = bank.carry(year, known=KNOWN)
        held.append(bank.free("A", "cafc"))
    assert held == [799, 639, 511, 0]  # 799.2, 639.36, 511.488, expired
    bank = Bank(RULES).issue("A", "cafc", 2019, dt.date(2019, 12, 31), 999)
    held = []
    for year in (2019, 2020, 2021, 2022):
        bank = bank.carry(year, known=KNOWN)
        held.append(bank.free("A", "cafc"))
    assert held == [899, 809, 728, 0]  # 899.1, 809.19, 728.271


@pytest.mark.parametrize("vintage", [2018, 2023, 2024, 2025])
def test_carrying_of_some_vintages_is_not_determined(vintage: int) -> None:
    bank = Bank(RULES).issue("A", "nev", vintage, dt.date(vintage, 12, 31), 10)
    with pytest.raises(NotDetermined, match="carry_factor"):
        bank.carry(vintage, known=KNOWN)


def test_an_overlay_answers_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "overlay: mine\ntitle: NEV credits of 2023 at half\nvalues:\n  carry_factor:\n"
        '    - {credit_kind: nev, year: 2023, value: "0.5", reference: {title: a guess}, confidence: I}\n',
        encoding="utf-8",
    )
    policy = policies.load("cn-dual-credit", known="2026-11-22", values=[path])
    bank = Bank(bank_rules(policy)).issue("A", "nev", 2023, dt.date(2023, 12, 31), 10)
    turned = bank.carry(2023, known=KNOWN, facts={"A": {f"{NEV_ONLY}:2023": True}})
    assert turned.free("A", "nev") == 5
    assert "overlay:mine" in turned.marks


@pytest.mark.parametrize(
    ("actual", "answer"),
    # 1.23 x 5 = 6.15 of the target; 1.23 x 5 x 1.2 = 7.38 of the required value
    [("6.15", True), ("6.16", None), ("7.38", None), ("7.39", False)],
)
def test_the_test_of_123_percent(actual: str, answer: bool | None) -> None:
    made = company(
        "A", 2022, cafc=0, nev=1, volume=10, conventional_volume=5, conventional_cafc_actual=actual,
        conventional_mean_target=Fraction(5), year_ratio="1.20",
    )  # fmt: skip
    assert carry_facts(POLICY, made) == {f"{NEV_ONLY}:2022": False, f"{CONVENTIONAL_FUEL}:2022": answer}


def test_no_scheme_is_named_in_the_bank() -> None:
    folder = Path(cleanfleet.credits.__file__).parent
    words = ["china", "cafc", "nev", "zealand", "dual", "order 44", "waka", "co2", "peru", "colombia"]
    for path in folder.glob("*.py"):
        text = f" {path.read_text(encoding='utf-8').casefold()} ".replace("never", "").replace("nevertheless", "")
        assert not [word for word in words if word in text], path.name
