"""The bank of New Zealand's standard: its rules, made from ``values/credits.yaml``, and when and what a vehicle earns."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from typing import Any

from cleanfleet.credits import BankRules, Dated, Ratio
from cleanfleet.law.errors import InputError
from cleanfleet.law.policy import Policy
from cleanfleet.law.values import Record
from cleanfleet.policies.bank_values import series

#: Credits of new and of used vehicles are two pools; each CO2 account holds one.
POOLS = ("new", "used")


@lru_cache(maxsize=16)
def bank_rules(policy: Policy) -> BankRules:
    """The bank's rules as known on the policy's day, with its overlays, readings and least grade.

    Pools are ``new`` and ``used``, kinds the types ``A`` and ``B``; amounts are whole grams CO2/km. Provisions are read on
    the day a credit is used, and for any earlier ``known`` too.

    >>> from cleanfleet import credits, policies
    >>> rules = bank_rules(policies.load("nz-clean-vehicle-standard", known="2026-11-22"))
    >>> lot = credits.Lot(1, "CO2-1", "used", 2023, dt.date(2023, 3, 10), 40)
    >>> for known in (dt.date(2024, 12, 31), dt.date(2026, 11, 22)):
    ...     print(credits.last_day(lot, dt.date(2026, 2, 1), known, rules))
    2026-03-10
    2028-12-31
    """
    return BankRules(
        pools=POOLS,
        known=policy.known,
        life_years=series(policy, "credit_life_years", read=_whole),
        life_basis=series(policy, "credit_life_basis"),
        none_expires_before=series(policy, "credits_none_expires_before"),
        holder_may_name=series(policy, "credit_vintage_choice", read=lambda word, record: word == "holder"),
        kinds_share_pool=series(policy, "credit_use_by_type", read=lambda word, record: word == "shared"),
        vintages_allowed=series(policy, "credit_vintages_taken"),
        transferable=series(policy, "credit_transfers_open"),
        exchange=_exchange(policy),
        deferral_years=series(policy, "deferral_years", read=_whole, scope=_years),
        deferral_on_application=True,
    )


def earned_on(policy: Policy, *, scheme: str, accepted_on: dt.date) -> tuple[dt.date, tuple[str, ...]]:
    """The day on which a vehicle accepted on ``accepted_on`` earns its credits, and the marks of the reading used.

    ``scheme`` is ``payg`` (the day of acceptance) or ``fleet`` (the last day of the obligation year, by the reading
    ``fleet_credits_earned_on``). Raises :class:`InputError` for another.
    """
    if scheme not in ("payg", "fleet"):
        raise InputError(f"scheme {scheme!r} is not payg or fleet")
    if scheme == "payg":
        return accepted_on, ()
    (reading,) = series(policy, "fleet_credits_earned_on")
    return (dt.date(accepted_on.year, 12, 31) if reading.value == "year_end" else accepted_on), reading.marks


def _whole(number: Any, record: Record) -> int:
    assert isinstance(number, Decimal)
    return int(number)


def _exchange(policy: Policy) -> tuple[Dated[Ratio], ...]:
    """Each given part with the received part of the same condition and dates; a part that isn't known leaves no ratio."""
    received: Mapping[Any, Dated[Any]] = {
        _place(one): one for one in series(policy, "credit_exchange_received", scope=_pool)
    }
    found = []
    for given in series(policy, "credit_exchange_given", scope=_pool):
        other = received.get(_place(given))
        if other is None:
            raise InputError(
                f"credit_exchange_given of {given.pools[0]} from {given.applies_from} needs credit_exchange_received of the same dates"
            )
        source = given.pools[0]
        ratio = None
        if given.value is not None and other.value is not None:
            ratio = Ratio(source, _other(source), int(given.value), int(other.value))
        found.append(replace(given, value=ratio, pools=(source, _other(source)), marks=_joined(given.marks, other.marks)))
    return tuple(found)


def _joined(*marks: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(mark for some in marks for mark in some))


def _other(pool: str) -> str:
    return POOLS[1 - POOLS.index(pool)]


def _years(record: Record) -> dict[str, tuple[int | None, int | None]]:
    """A year whose deferral isn't known leaves those after it unknown too."""
    return {"years": (record.period, record.period if record.value is not None else None)}


def _pool(record: Record) -> dict[str, tuple[str, ...]]:
    return {"pools": (record.key("condition") or "",)}


def _place(one: Dated[Any]) -> tuple[Any, ...]:
    return (*one.place(), one.known_from, one.layer)
