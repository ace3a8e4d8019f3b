"""The least-cost plan against brute force with its own arithmetic, and by hand."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any

import pytest

from cleanfleet import policies
from cleanfleet.law.errors import InputError
from cleanfleet.policies.cn_dual_credit.history import company
from cleanfleet.policies.cn_dual_credit.ownership import Link, Ownership
from cleanfleet.policies.cn_dual_credit.planner import LeastCost, Opening, least_cost

from .test_history import FILE, companies, ownership

pytest.importorskip("highspy")

POLICY = policies.load("cn-dual-credit", known="2026-11-22")
#: A and B are affiliated, C stands alone.
OWNERS = Ownership((Link("A", "B", Fraction(1, 2)),), {"A": "domestic_maker", "B": "domestic_maker", "C": "domestic_maker"})
FIRST = 2019


# -- brute force: factors, lives and ways typed from the facts


def _factor(kind: str, vintage: int, nev_only: bool) -> Fraction:
    if kind == "cafc":
        return Fraction(4, 5) if vintage <= 2018 else Fraction(9, 10)
    if vintage == 2019:
        return Fraction(1)
    if vintage == 2020:
        return Fraction(1, 2)
    return Fraction(1, 2) if nev_only else Fraction(0)


def _years(kind: str, vintage: int) -> int:
    return 1 if (kind, vintage) == ("nev", 2019) else 3


def brute(case: dict[str, Any]) -> tuple[int, int]:
    """(least uncovered, least cost in RMB) over every way to do it."""
    last = max(year for _, year, _, _ in case["balances"])
    if any(nev < 0 and year == 2020 for _, year, _, nev in case["balances"]):
        last = max(last, 2021)
    prices, supply, nev_only = case["prices"], case["supply"], case["nev_only"]

    def whole(exact: Fraction) -> int:
        return int(exact + Fraction(1, 2))

    @cache
    def from_year(year: int, held: tuple[Any, ...], due: tuple[Any, ...]) -> tuple[int, int]:
        if year > last:
            return (0, 0)
        earned = [
            (entity, kind, year, Fraction(balance))
            for entity, when, *both in case["balances"]
            for kind, balance in zip(("cafc", "nev"), both, strict=True)
            if when == year and balance > 0
        ]
        owed = [
            (entity, kind, year, -balance)
            for entity, when, *both in case["balances"]
            for kind, balance in zip(("cafc", "nev"), both, strict=True)
            if when == year and balance < 0
        ]
        return spend(year, (*held, *earned), (*due, *owed), 0, supply.get(year, 10**9), 0, 0, ())

    @cache
    def spend(
        year: int,
        held: tuple[Any, ...],
        due: tuple[Any, ...],
        place: int,
        left: int,
        uncovered: int,
        cost: int,
        later: tuple[Any, ...],
    ) -> tuple[int, int]:
        if not due:
            kept = []
            for entity, kind, vintage, exact in held:
                factor = _factor(kind, vintage, entity in nev_only)
                if year + 1 - vintage <= _years(kind, vintage) and whole(exact) and factor:
                    kept.append((entity, kind, vintage, exact * factor))
            more = from_year(year + 1, tuple(kept), later)
            return (uncovered + more[0], cost + more[1])
        (entity, kind, of_year, amount), rest = due[0], due[1:]
        if place < len(held):
            giver, held_kind, vintage, exact = held[place]
            related = giver == entity or {giver, entity} == {"A", "B"}
            usable = (held_kind == "cafc" and kind == "cafc" and related) or held_kind == "nev"
            best = None
            for used in range((min(amount, whole(exact)) if usable else 0) + 1):
                after = (*held[:place], (giver, held_kind, vintage, exact - used), *held[place + 1 :])
                found = spend(
                    year, after, ((entity, kind, of_year, amount - used), *rest), place + 1, left, uncovered, cost, later
                )
                best = found if best is None or found < best else best
            assert best is not None
            return best
        best = None
        open_longer = kind == "nev" and of_year == 2020 and year == 2020
        for bought in range(min(amount, left) + 1 if year in prices else 1):
            remains = amount - bought
            price = cost + bought * prices.get(year, 0)
            if open_longer:
                found = spend(
                    year, held, rest, 0, left - bought, uncovered, price,
                    (*later, (entity, kind, of_year, remains)) if remains else later,
                )  # fmt: skip
            else:
                found = spend(year, held, rest, 0, left - bought, uncovered + remains, price, later)
            best = found if best is None or found < best else best
        assert best is not None
        return best

    opening = tuple((entity, kind, vintage, Fraction(amount)) for entity, kind, vintage, amount in case["opening"])
    return from_year(FIRST, opening, ())


def random_case(seed: int) -> dict[str, Any]:
    rng = random.Random(seed)
    balances = []
    for year in range(FIRST, FIRST + rng.choice([2, 3, 3])):
        for entity in ("A", "B", "C"):
            cafc, nev = rng.choice([0, 0, -2, -1, -3, 1, 2, 4]), rng.choice([0, 0, 0, -1, -2, 1, 3, 5])
            if (cafc or nev) and rng.random() < 0.6:
                balances.append((entity, year, cafc, nev))
    balances = balances or [("A", FIRST, -2, 0)]
    opening = [
        (entity, "cafc", rng.choice([2016, 2017, 2018]), rng.randint(1, 5))
        for entity in ("A", "B", "C")
        if rng.random() < 0.4
    ]
    prices = {year: rng.randint(1, 9) * 100 for year in range(FIRST, FIRST + 4) if rng.random() < 0.8}
    supply = {year: rng.randint(0, 2) for year in prices if rng.random() < 0.5}
    return {
        "balances": balances, "opening": opening, "prices": prices, "supply": supply,
        "nev_only": {entity for entity in ("A", "B", "C") if rng.random() < 0.5},
    }  # fmt: skip


def plan(case: dict[str, Any]) -> LeastCost:
    years = {(entity, year) for entity, year, _, _ in case["balances"]}
    companies = [
        company(
            entity, year, cafc=cafc, nev=nev, volume=100, conventional_volume=0 if entity in case["nev_only"] else 50,
            # above 123 % of target and of required value, so that only makers of new energy vehicles carry credits of 2021
            conventional_cafc_actual="9", conventional_mean_target=Fraction(5), year_ratio="1",
        )
        for entity, year, cafc, nev in case["balances"]
    ]  # fmt: skip
    start = min(year for _, year in years)
    if start > FIRST:  # so that opening credits are those of the same day
        companies.append(company("A", FIRST, cafc=0, nev=0))
    return least_cost(
        POLICY, companies, ownership=OWNERS, opening=[Opening(*one) for one in case["opening"]],
        prices={year: Decimal(price) for year, price in case["prices"].items()}, supply=case["supply"],
    )  # fmt: skip


SEEDS = [*range(30), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(30, 200))]


@pytest.mark.parametrize("seed", SEEDS)
def test_plan_equals_brute_force(seed: int) -> None:
    case = random_case(seed)
    found = plan(case)
    assert (sum(found.uncovered.values()), found.cost) == brute(case), case


def test_the_cases_have_what_they_should() -> None:
    cases = [random_case(seed) for seed in range(200)]
    plans = [plan(case) for case in cases]
    ways = {step.way for found in plans for step in found.steps}
    assert ways == {"own_cafc", "affiliate_cafc", "own_nev", "group_nev", "purchased_nev"}
    carried = [step for found in plans for step in found.steps if step.vintage < step.year and step.vintage > 2018]
    assert len(carried) > 20
    assert any(step.deficit_year < step.year for found in plans for step in found.steps)
    assert sum(bool(found.uncovered) for found in plans) > 20
    assert sum(found.cost > 0 for found in plans) > 50


def test_by_hand() -> None:
    # 100 CAFC credits of 2019 become 90 in 2020 and 81 in 2021; using 30 of them in 2020 leaves 54. The rest of the deficits,
    # 0 + 26, is bought: 26 x 1,500.50.
    found = least_cost(
        POLICY,
        [company("A", 2019, cafc=100, nev=0), company("A", 2020, cafc=-30, nev=0), company("A", 2021, cafc=-80, nev=0)],
        prices={2020: Decimal(2000), 2021: Decimal("1500.50")},
    )
    assert [(s.year, s.way, s.amount, s.vintage, s.cost) for s in found.steps] == [
        (2020, "own_cafc", 30, 2019, 0),
        (2021, "own_cafc", 54, 2019, 0),
        (2021, "purchased_nev", 26, 2021, Decimal("39013.00")),
    ]
    assert (found.cost, found.uncovered, found.gap) == (Decimal("39013.00"), {}, 0)


@pytest.mark.parametrize("expected", FILE["plans"], ids=lambda one: f"trade-within-{one['trade_within']}")
def test_the_plan_of_the_ten_years(expected: dict[str, Any]) -> None:
    chosen = [c for c in companies() if (c.entity, c.year) in {("A", 2020), ("B", 2020), ("D", 2020), ("B", 2021)}]
    found = least_cost(
        POLICY, chosen, ownership=ownership(), prices={2020: Decimal(1500), 2021: Decimal(2088)},
        trade_within=expected["trade_within"] == "true",
    )  # fmt: skip
    assert (found.cost, found.uncovered) == (Decimal(expected["cost"]), {})
    if "steps" in expected:
        steps = [[s.year, s.entity, s.deficit, s.deficit_year, s.way, s.amount, s.vintage] for s in found.steps]
        assert sorted(steps) == sorted([int(c) if c.isdigit() else c for c in step] for step in expected["steps"])


def test_equal_plans_keep_nev_credits() -> None:
    found = least_cost(POLICY, [company("A", 2021, cafc=0, nev=50), company("A", 2022, cafc=-20, nev=0)], prices={},
                       opening=[Opening("A", "cafc", 2020, 30)])  # fmt: skip
    assert [(s.way, s.amount) for s in found.steps] == [("own_cafc", 20)]


def test_what_cannot_be_bought_stays_uncovered_and_is_said() -> None:
    found = least_cost(POLICY, [company("A", 2021, cafc=-30, nev=-5)], prices={2021: Decimal(1)}, supply={2021: 12})
    assert sum(found.uncovered.values()) == 23
    assert found.cost == 12
    assert "catalogue" in found.consequence


def test_credits_whose_carrying_is_not_known_are_used_in_their_year_only() -> None:
    found = least_cost(
        POLICY, [company("A", 2023, cafc=0, nev=10), company("A", 2024, cafc=-4, nev=0)], prices={2024: Decimal(10)}
    )
    assert found.cost == 40
    assert found.not_determined == [
        "A: whether nev credits of 2023 are carried (carry_factor); the plan uses them in 2023 only"
    ]


def test_bad_input() -> None:
    with pytest.raises(InputError, match="the price -1 of 2021 must be 0 RMB or more"):
        least_cost(POLICY, [company("A", 2021, cafc=-1, nev=0)], prices={2021: Decimal(-1)})
    with pytest.raises(InputError, match="a plan needs every balance: A 2021: the nev balance"):
        least_cost(POLICY, [company("A", 2021, cafc=-1)], prices={})
    with pytest.raises(InputError, match="at least one company"):
        least_cost(POLICY, [], prices={})
    with pytest.raises(InputError, match="opening credits of A, 2021"):
        least_cost(POLICY, [company("A", 2021, cafc=-1, nev=0)], prices={}, opening=[Opening("A", "cafc", 2021, 4)])
