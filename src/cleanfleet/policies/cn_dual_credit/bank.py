"""The bank of CAFC and NEV credits: its rules, made from ``values/bank.yaml`` alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any

from cleanfleet.credits import BankRules, Carry, Dated
from cleanfleet.law.policy import Policy
from cleanfleet.law.values import Record
from cleanfleet.policies.bank_values import series
from cleanfleet.policies.cn_dual_credit.company import CompanyYear

CAFC, NEV = "cafc", "nev"
POOLS = (CAFC, NEV)
#: Kind of NEV credits that only the company that earned them may use.
OWN_USE = "own_use"
#: Facts about a company's year that the carrying of that year's credits may depend on; named with the year (``fact:2021``).
CONVENTIONAL_FUEL, NEV_ONLY = "conventional_fuel_within_123_percent", "only_new_energy_vehicles"


@lru_cache(maxsize=16)
def bank_rules(policy: Policy) -> BankRules:
    """The bank's rules as known on the policy's day, with its overlays, readings and least grade.

    Pools are ``cafc`` and ``nev``, in whole credits; a vintage is an accounting year, whose credits and deficits are dated
    31 December. NEV credits of kind ``own_use`` may not be sold (:mod:`.history` sees to that).

    >>> from cleanfleet import credits, policies
    >>> rules = bank_rules(policies.load("cn-dual-credit", known="2026-11-22"))
    >>> bank = credits.Bank(rules).issue("A", "cafc", 2018, dt.date(2018, 12, 31), 1001)
    >>> bank.carry(2018, known=dt.date(2026, 11, 22)).free("A", "cafc")
    801
    """
    return BankRules(
        pools=POOLS,
        known=policy.known,
        life_years=series(policy, "carry_years", read=_whole, scope=_pool),
        life_basis=(Dated("vintage_year"),),
        received_life=series(policy, "received_life", scope=_pool),
        accepts=_accepts(policy),
        vintages_allowed=(Dated("up_to_year"),),
        onward_transfer=series(policy, "onward_transfer", scope=_pool),
        carry=_carry(policy),
        carry_rounding=series(policy, "carry_rounding"),
        deferral_years=series(policy, "deficit_extra_years", read=_whole, scope=_pool),
        common_pool_years=series(policy, "common_pool_years", read=_whole, scope=lambda record: {"pools": (NEV,)}),
    )


def carry_facts(policy: Policy, company: CompanyYear) -> dict[str, bool | None]:
    """What carrying the NEV credits of the company's year may depend on, then and later; None where it can't be told.

    The average of its conventional cars is compared with 1.23 x their target and with 1.23 x their required value; the fact
    is known only where both agree.
    """
    volume, conventional = company.volume, company.conventional_volume
    only_nev = None if volume is None or conventional is None else conventional == 0
    of_year = f":{company.year}"
    facts: dict[str, bool | None] = {NEV_ONLY + of_year: only_nev, CONVENTIONAL_FUEL + of_year: None}
    share = policy.value("carry_condition_share", on=dt.date(company.year, 12, 31))[0]
    actual, target, ratio = company.conventional_cafc_actual, company.conventional_mean_target, company.year_ratio
    if share is not None and actual is not None and target is not None and ratio is not None:
        most = Fraction(share) * target
        answers = {Fraction(actual) <= most, Fraction(actual) <= most * Fraction(ratio)}
        facts[CONVENTIONAL_FUEL + of_year] = answers.pop() if len(answers) == 1 else None
    return facts


def _whole(number: Any, record: Record) -> int:
    assert isinstance(number, Decimal)
    return int(number)


def _pool(record: Record) -> Mapping[str, Any]:
    kind = record.key("credit_kind")
    return {"pools": (kind,)} if kind else {}


def _accepts(policy: Policy) -> tuple[Dated[tuple[str, ...]], ...]:
    """What clears which deficit: CAFC deficits take CAFC and, where the law says so, NEV credits; NEV deficits NEV only."""

    def read(may: Any, record: Record) -> tuple[str, ...]:
        return (CAFC, NEV) if may else (CAFC,)

    of_cafc = series(policy, "nev_clears_cafc", read=read, scope=lambda record: {"pools": (CAFC,)})
    return (*of_cafc, Dated((NEV,), pools=(NEV,)))


def _carry(policy: Policy) -> tuple[Dated[Carry], ...]:
    """Factor and condition of each kind and vintage; an unknown one of the two leaves the other unknown too."""
    conditions = {one.place()[:3]: one for one in series(policy, "carry_condition", scope=_pool)}
    found: list[Dated[Carry]] = []
    for factor in series(policy, "carry_factor", scope=_pool):
        condition = conditions.get(factor.place()[:3])
        carry = None
        if factor.value is not None and condition is not None and condition.value is not None:
            vintage = factor.years[0]
            facts = () if condition.value == "none" else (f"{CONVENTIONAL_FUEL}:{vintage}", f"{NEV_ONLY}:{vintage}")
            carry = Carry(Fraction(factor.value), facts)
        marks = (*factor.marks, *(condition.marks if condition is not None else ()))
        found.append(
            Dated(
                carry,
                factor.applies_from,
                factor.known_from,
                until=factor.until,
                pools=factor.pools,
                years=factor.years,
                withdrawn=factor.withdrawn,
                layer=factor.layer,
                name=factor.name,
                marks=tuple(dict.fromkeys(marks)),
            )
        )
    return tuple(found)
