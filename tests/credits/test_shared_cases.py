"""The shared bank cases: runs of a public model's bank, reproduced by one rules object and the public operations."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cleanfleet.credits import Bank, BankRules, Dated, last_day, last_year

ROOT = Path(__file__).resolve().parents[2]
#: Beside the clone; its numbers are others' and never committed.
FILE = ROOT.parent / "shared" / "cases" / "credit-bank-omega.json"
CASES = json.loads(FILE.read_text())["cases"] if FILE.exists() else []


def rules_of(case: dict[str, Any]) -> BankRules:
    """The case's lives as a bank's rules; '5 (vintage<2022) / 3' is two provisions."""
    series = []
    for name in ("carry_forward_years", "carry_back_years"):
        text = case[name]
        if isinstance(text, int):
            series.append((Dated(text),))
            continue
        first, _, later = text.partition(" / ")
        years, _, before = first.partition(" (vintage<")
        cut = int(before.rstrip(")"))
        series.append((Dated(int(years), years=(None, cut - 1)), Dated(int(later), years=(cut, None))))
    return BankRules(pools=("credit",), life_years=series[0], life_basis=(Dated("vintage_year"),), deferral_years=series[1])


def whole(number: float) -> int:
    assert number == int(number)
    return int(number)


def run(case: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, int]]:
    """Years, transactions and each year's adjustment in the case's own form."""
    rules = rules_of(case)
    bank = Bank(rules)
    for one in case["initial_credits"]:
        bank = bank.issue("M", "credit", one["vintage"], dt.date(one["vintage"], 1, 1), whole(one["balance"]))
    years, transactions = [], []
    adjustment: Counter[str] = Counter()
    for year, net in enumerate(case["net_by_year"], case["start_year"]):
        day = dt.date(year, 1, 1)
        bank = bank.expire(on=day, known=day)
        gone = [(bank.lots[int(e.lot)].vintage, e.amount, "EXPIRATION") for e in bank.latest]
        bank = bank.past_due(year, on=day, known=day)
        gone += [(bank.obligations[int(e.lot)].year, -e.amount, "PAST_DUE") for e in bank.latest]
        aged = bank
        if net > 0:
            bank = bank.issue("M", "credit", year, day, net)
        elif net < 0:
            bank = bank.owe("M", "credit", year, -net, on=day)
        posted = bank
        bank = bank.settle("M", on=day, known=day)
        used = [e for e in bank.latest if e.target == "used"]
        met = [e for e in bank.latest if e.target == "offset"]
        for credit, debit in zip(used, met, strict=True):
            assert credit.amount == debit.amount
            vintage, owed_for = bank.lots[int(credit.lot)].vintage, bank.obligations[int(debit.lot)].year
            gone.append((vintage, credit.amount, owed_for))
            adjustment[str(vintage)] += credit.amount
            adjustment[str(owed_for)] -= credit.amount
        bank.check()
        transactions += [
            {"calendar_year": year, "credit_vintage": vintage, "value": value, "destination": to}
            for vintage, value, to in gone
        ]
        begin = {year: net, **_rows(aged)}
        assert {v: amount for v, amount in begin.items() if amount} == _rows(posted)
        after = _rows(bank)
        years.append(
            {
                "calendar_year": year,
                "net_earned_Mg": net,
                "lots": [
                    {"vintage": v, "age": year - v, "begin": amount, "end": after.get(v, 0)}
                    for v, amount in sorted(begin.items())
                ],
                "available_credits": [
                    {
                        "vintage": lot.vintage,
                        "balance": lot.free,
                        "remaining_years": last_day(lot, day, day, rules).year - year + 1,
                    }
                    for lot in sorted(bank.of("M"), key=lambda lot: lot.vintage)
                ],
                "open_debits": [
                    {"vintage": o.year, "balance": -o.amount, "remaining_years": last_year(o, day, day, rules) - year + 1}
                    for o in sorted(bank.obligations.values(), key=lambda o: o.year)
                    if o.amount
                ],
            }
        )
    return years, transactions, dict(adjustment)


def _rows(bank: Bank) -> dict[int, int]:
    """Vintage -> credits, or less what is owed."""
    rows = {lot.vintage: lot.amount for lot in bank.of("M")}
    rows.update({owed.year: -owed.amount for owed in bank.obligations.values() if owed.amount})
    return rows


def _sorted(transactions: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return sorted((t["calendar_year"], str(t["destination"]), t["credit_vintage"], t["value"]) for t in transactions)


@pytest.mark.skipif(not CASES, reason=f"{FILE} is not there: the shared bank cases lie beside the clone, never in it")
def test_every_shared_case() -> None:
    assert len(CASES) == 27
    for case in CASES:
        years, transactions, adjustment = run(case)
        assert years == case["expected_by_year"], case["name"]
        assert _sorted(transactions) == _sorted(case["expected_transactions"]), case["name"]
        assert adjustment == case["expected_cert_adjustment_by_model_year"], case["name"]
