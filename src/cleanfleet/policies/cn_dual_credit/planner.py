"""The cheapest way to clear the deficits of a group of companies over several years, at given prices of NEV credits.

An integer programme for HiGHS: whole credits of each company, kind and vintage go to deficits by the ways that the rule allows
(own credits, CAFC credits of affiliates, NEV credits within the group, purchase), each year's balance shrinking by its factor
as it is carried. First as little as possible stays uncovered, then the cost is least, then CAFC credits go before NEV credits.
What the solver says is replayed on the bank by the exact rules, and only those figures are shown; a plan that the bank refuses
is an error, never a result.
"""

from __future__ import annotations

import datetime as dt
import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from cleanfleet.credits import Bank, BankRules, CreditError, Lot, NotDetermined, last_day, last_year
from cleanfleet.law.errors import InputError
from cleanfleet.law.policy import Policy
from cleanfleet.policies.cn_dual_credit.bank import CAFC, NEV, OWN_USE
from cleanfleet.policies.cn_dual_credit.company import CompanyYear
from cleanfleet.policies.cn_dual_credit.history import CONSEQUENCE, History
from cleanfleet.policies.cn_dual_credit.ownership import Ownership, pairs

Way = Literal["own_cafc", "affiliate_cafc", "own_nev", "group_nev", "purchased_nev"]
#: What each way is, in the words of the table of compliance methods.
WAYS: dict[Way, str] = {
    "own_cafc": "CAFC credits of the company itself, of the year or banked",
    "affiliate_cafc": "CAFC credits transferred from an affiliated company, for this year only",
    "own_nev": "NEV credits of the company itself, of the year or banked",
    "group_nev": "NEV credits bought from a company of the plan (their price stays within the group)",
    "purchased_nev": "NEV credits bought from other companies",
}
#: Between plans of the same cost: what a credit used by each way counts.
_PREFERENCE: dict[Way, float] = {"own_cafc": 0, "affiliate_cafc": 1, "own_nev": 2, "group_nev": 3, "purchased_nev": 4}
MARKET = "(market)"
#: Largest sum of credits for which the solver's binary numbers are surely exact to a whole credit.
LARGEST = 10**9


@dataclass(frozen=True)
class Opening:
    """Credits that a company holds as the first planned year begins, already carried into it."""

    entity: str
    kind: str
    vintage: int
    amount: int


@dataclass(frozen=True)
class Step:
    """``amount`` credits of ``giver`` and ``vintage`` that meet a deficit in ``year``, by ``way``; ``cost`` in RMB."""

    year: int
    entity: str
    deficit: str
    deficit_year: int
    way: Way
    amount: int
    giver: str
    vintage: int
    cost: Decimal


@dataclass
class LeastCost:
    """A plan: its steps, cost in RMB, what stays uncovered (with its consequence), and what couldn't be told.

    ``gap`` is the solver's bound on how much cheaper a plan could still be, in RMB (0: none).
    """

    steps: list[Step] = field(default_factory=list)
    cost: Decimal = Decimal(0)
    uncovered: dict[tuple[str, str, int], int] = field(default_factory=dict)
    consequence: str = ""
    not_determined: list[str] = field(default_factory=list)
    gap: Decimal = Decimal(0)
    bank: Bank | None = None


@dataclass(frozen=True)
class _Source:
    """Credits of one company, kind and vintage. ``left``: year -> what of one of its credits is left by then."""

    entity: str
    pool: str
    vintage: int
    kind: str
    amount: int
    first: int
    left: Mapping[int, Fraction]


@dataclass(frozen=True)
class _Use:
    source: _Source | None
    year: int
    deficit: tuple[str, str, int]
    way: Way
    price: int = 0  # in fen


def least_cost(
    policy: Policy,
    companies: Iterable[CompanyYear],
    *,
    prices: Mapping[int, Decimal],
    ownership: Ownership | None = None,
    supply: Mapping[int, int] | None = None,
    opening: Iterable[Opening] = (),
    trade_within: bool = True,
) -> LeastCost:
    """The plan that leaves as little as possible uncovered and costs least.

    Parameters
    ----------
    companies:
        Company years with their balances (:class:`CompanyYear`, or :func:`.history.company`), deficits below zero.
    prices:
        Year -> RMB for one NEV credit bought in it (two decimals at most); nothing can be bought in a year without one.
    supply:
        Year -> how many NEV credits can be bought in all; without one as many as are needed.
    opening:
        Credits held as the first year begins.
    trade_within:
        Whether companies of the plan may buy each other's NEV credits.

    Raises :class:`InputError` for a balance that isn't determined, a price below zero, or where HiGHS isn't installed.
    """
    problem = _Problem(policy, list(companies), prices, ownership, dict(supply or {}), list(opening), trade_within)
    return problem.solve()


class _Problem:
    def __init__(
        self,
        policy: Policy,
        companies: list[CompanyYear],
        prices: Mapping[int, Decimal],
        ownership: Ownership | None,
        supply: Mapping[int, int],
        opening: list[Opening],
        trade_within: bool,
    ) -> None:
        self.policy, self.companies, self.ownership, self.supply = policy, companies, ownership, supply
        self.opening, self.trade_within = opening, trade_within
        self.prices = {year: _fen(price, year) for year, price in prices.items()}
        if not companies:
            raise InputError("a plan needs at least one company's year")
        self.start = min(c.year for c in companies)
        self.history = History(policy, companies, ownership=ownership, settle="none")
        self.rules: BankRules = self.history.bank.rules
        self.not_determined: list[str] = []
        self._load()

    def _load(self) -> None:
        """Deficits and sources, as the bank itself sees them at the start of each year."""
        for one in self.opening:
            if one.vintage >= self.start or one.amount < 0:
                raise InputError(
                    f"opening credits of {one.entity}, {one.vintage}: {one.amount} must be 0 or more, of a year before {self.start}"
                )
        self.deficits: dict[tuple[str, str, int], int] = {}
        self.sources: list[_Source] = []
        years = sorted({c.year for c in self.companies})
        ledger = History(self.policy, self.companies, ownership=self.ownership, settle="none")
        for year in years:
            ledger.begin(year)
        if ledger.result.not_determined:
            raise InputError("a plan needs every balance: " + "; ".join(ledger.result.not_determined))
        self.facts = ledger._facts(years[-1])
        self.last = years[-1]
        for owed in ledger.bank.obligations.values():
            self.deficits[owed.account, owed.pool, owed.year] = owed.amount
            self.last = max(self.last, last_year(owed, dt.date(owed.year, 12, 31), self.policy.known, self.rules))
        for lot in ledger.bank.lots.values():
            if lot.amount:
                self.sources.append(self._source(lot, lot.vintage))
        for one in self.opening:
            if one.amount:
                lot = Lot(0, one.entity, one.kind, one.vintage, dt.date(one.vintage, 12, 31), one.amount)
                self.sources.append(self._source(lot, self.start))
        total = sum(self.deficits.values()) + sum(source.amount for source in self.sources)
        if total > LARGEST:
            raise InputError(f"a plan holds at most {LARGEST:,} credits in all, not {total:,}")

    def _source(self, lot: Lot, first: int) -> _Source:
        """A lot with what is left of each of its credits in each year that it lives to."""
        left = {first: Fraction(1)}
        known = self.policy.known
        for year in range(first, self.last):
            start = dt.date(year + 1, 1, 1)
            if last_day(lot, start, known, self.rules) < start:
                break
            try:
                carry, _ = self.rules.at(start, known).needed("carry", lot.pool, lot.kind, lot.vintage)
                admitted = carry.admitted(self.facts.get(lot.account, {}))
            except NotDetermined as why:
                lacking = f"whether {lot.pool} credits of {lot.vintage} are carried ({', '.join(why.missing)})"
                self.not_determined.append(f"{lot.account}: {lacking}; the plan uses them in {year} only")
                break
            if not admitted:
                break
            left[year + 1] = left[year] * carry.factor
        return _Source(lot.account, lot.pool, lot.vintage, lot.kind, lot.amount, first, left)

    # -- the programme

    def _uses(self) -> list[_Use]:
        """Every way in which credits may meet a deficit."""
        found: list[_Use] = []
        entities = {c.entity for c in self.companies if c.entity} | {one.entity for one in self.opening}
        affiliates = {
            year: pairs(self.policy, self.ownership, entities, year) if self.ownership is not None else set()
            for year in range(self.start, self.last + 1)
        }
        for deficit in self.deficits:
            entity, kind, year = deficit
            on = dt.date(year, 12, 31)
            reading = self.rules.at(on, self.policy.known)
            accepted, _ = reading.accepted(kind, "", year, None)
            extra, _ = reading.value("deferral_years", 0, kind, "", year)
            for when in range(year, min(year + extra, self.last) + 1):
                for source in self.sources:
                    if source.pool not in accepted or when not in source.left or source.vintage > when:
                        continue
                    way = self._way(source, entity, when, affiliates[when])
                    if way:
                        found.append(_Use(source, when, deficit, way))
                if when in self.prices and NEV in accepted:
                    found.append(_Use(None, when, deficit, "purchased_nev", self.prices[when]))
        return found

    def _way(self, source: _Source, entity: str, year: int, affiliates: set[tuple[str, str]]) -> Way | None:
        if source.entity == entity:
            return "own_cafc" if source.pool == CAFC else "own_nev"
        if source.pool == CAFC:
            return "affiliate_cafc" if (source.entity, entity) in affiliates else None
        return "group_nev" if self.trade_within and source.kind != OWN_USE else None

    def solve(self) -> LeastCost:
        uses = self._uses()
        amounts, gap = self._optimum(uses) if uses else ([], Decimal(0))
        steps = [(use, amount) for use, amount in zip(uses, amounts, strict=True) if amount]
        return self._replay(steps, gap)

    def _optimum(self, uses: list[_Use]) -> tuple[list[int], Decimal]:
        """Whole amounts of each use: uncovered least, then cost least."""
        highspy = _highspy()
        solver = highspy.Highs()
        for name, value in (
            ("output_flag", False),
            ("mip_rel_gap", 0.0),
            ("mip_abs_gap", 0.0),
            ("threads", 1),
            ("random_seed", 0),
        ):
            solver.setOptionValue(name, value)
        integer, infinity = highspy.HighsVarType.kInteger, highspy.kHighsInf
        for use in uses:
            most = self.deficits[use.deficit]
            solver.addVariable(lb=0, ub=most, obj=0, type=integer)
        keys = list(self.deficits)
        for key in keys:  # what stays uncovered
            solver.addVariable(lb=0, ub=self.deficits[key], obj=1, type=integer)
        for place, key in enumerate(keys):
            row = [i for i, use in enumerate(uses) if use.deficit == key] + [len(uses) + place]
            owed = self.deficits[key]
            solver.addRow(owed, owed, len(row), row, [1.0] * len(row))
        half = Fraction(1, 2) if self._rounding() == "half_up" else Fraction(0)
        for source in self.sources:
            for year in sorted(source.left):
                # (amount - what was used before, undone by its factors) x factor, rounded, is what can be used this year
                row = [i for i, use in enumerate(uses) if use.source is source and use.year <= year]
                if not any(uses[i].year == year for i in row) or not source.left[year]:
                    continue
                weights = [float(1 / source.left[uses[i].year]) for i in row]
                bound = source.amount + (half / source.left[year] if year > source.first else Fraction(0))
                solver.addRow(-infinity, float(bound), len(row), row, weights)
        for year, most in self.supply.items():
            row = [i for i, use in enumerate(uses) if use.source is None and use.year == year]
            if row:
                solver.addRow(-infinity, most, len(row), row, [1.0] * len(row))
        first = self._run(solver, highspy)
        uncovered = sum(first[len(uses) :])
        rest = list(range(len(uses), len(uses) + len(keys)))
        if rest:
            solver.addRow(-infinity, uncovered, len(rest), rest, [1.0] * len(rest))
        for place in rest:
            solver.changeColCost(place, 0.0)
        for i, use in enumerate(uses):
            solver.changeColCost(i, float(use.price))
        second = self._run(solver, highspy)
        info = solver.getInfo()
        gap = max(0.0, info.objective_function_value - info.mip_dual_bound)
        # Of plans that cost the same, the one that keeps what is worth more: NEV credits before CAFC ones, the company's own last.
        priced = [i for i, use in enumerate(uses) if use.price]
        if priced:
            cost = sum(uses[i].price * second[i] for i in priced)
            solver.addRow(-infinity, cost + 0.5, len(priced), priced, [float(uses[i].price) for i in priced])
        for i, use in enumerate(uses):
            solver.changeColCost(i, _PREFERENCE[use.way])
        third = self._run(solver, highspy)
        return third[: len(uses)], Decimal(int(gap + 0.5)) / 100

    @staticmethod
    def _run(solver: Any, highspy: Any) -> list[int]:
        solver.run()
        if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            raise InputError(f"the solver found no plan: {solver.modelStatusToString(solver.getModelStatus())}")
        return [round(value) for value in solver.getSolution().col_value]

    def _rounding(self) -> str:
        return str(self.rules.at(dt.date(self.start, 12, 31), self.policy.known).value("carry_rounding", "half_up")[0])

    # -- the exact rules

    def _replay(self, steps: list[tuple[_Use, int]], gap: Decimal) -> LeastCost:
        """The plan on the bank: what it takes, costs and leaves, by the exact rules."""
        found = LeastCost(not_determined=list(dict.fromkeys(self.not_determined)), gap=gap)
        history = self.history
        for one in self.opening:
            if one.amount:
                on = dt.date(one.vintage, 12, 31)
                history._update(
                    history.bank.issue(one.entity, one.kind, one.vintage, on, one.amount, carried_through=self.start - 1)
                )
        try:
            for year in range(self.start, self.last + 1):
                history.begin(year)
                for use, amount in steps:
                    if use.year == year:
                        found.steps.append(self._step(use, amount))
                history.close(year, turn=year < self.last)
        except CreditError as refused:
            raise InputError(f"the plan doesn't stand the exact rules ({refused}); report this with the input") from None
        found.cost = sum((step.cost for step in found.steps), Decimal(0))
        for event in history.result.uncovered:
            assert event.deficit_year is not None
            found.uncovered[event.entity, event.kind, event.deficit_year] = event.amount
        for owed in history.bank.obligations.values():
            if owed.amount:
                found.uncovered[owed.account, owed.pool, owed.year] = owed.amount
        found.consequence = CONSEQUENCE if found.uncovered else ""
        found.bank = history.bank
        found.bank.check()
        return found

    def _step(self, use: _Use, amount: int) -> Step:
        """One use of credits: moved to the company where it isn't theirs, then set against the deficit."""
        bank, on, known = self.history.bank, dt.date(use.year, 12, 31), self.policy.known
        entity, kind, deficit_year = use.deficit
        (deficit,) = [
            key for key, one in bank.obligations.items() if (one.account, one.pool, one.year) == use.deficit
        ]  # fmt: skip
        if use.source is None:
            giver, pool, vintage = MARKET, NEV, use.year
            bank = bank.issue(MARKET, NEV, use.year, on, amount)
            only = [lot.id for lot in bank.of(MARKET)]
        else:
            giver, pool, vintage = use.source.entity, use.source.pool, use.source.vintage
            only = [
                lot.id for lot in bank.of(giver)
                if (lot.pool, lot.vintage, lot.kind) == (pool, vintage, use.source.kind) and not lot.via
            ]  # fmt: skip
        if giver != entity:
            mine = {lot.id for lot in bank.of(entity)}
            bank = bank.transfer(giver, entity, pool, amount, on=on, known=known, only=only)
            received = [
                lot.id for lot in bank.of(entity) if lot.via == "transfer" and (lot.pool, lot.vintage) == (pool, vintage)
            ]
            only = [id_ for id_ in received if id_ not in mine] or received
        bank = bank.offset(deficit, on=on, known=known, amount=amount, pools=(pool,), only=only)
        self.history._update(bank)
        cost = Decimal(use.price * amount) / 100
        return Step(use.year, entity, kind, deficit_year, use.way, amount, giver, vintage, cost)


def _fen(price: Decimal, year: int) -> int:
    fen = Fraction(price) * 100
    if fen.denominator != 1 or fen < 0:
        raise InputError(f"the price {price} of {year} must be 0 RMB or more, with two decimals at most")
    return int(fen)


def _highspy() -> Any:
    try:
        return importlib.import_module("highspy")
    except ImportError:
        raise InputError("a plan needs HiGHS: pip install highspy") from None
