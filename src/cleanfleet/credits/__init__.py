"""The credit bank: lots, life, order of use, exchange, carrying, obligations. Pure functions and frozen data.

A bank is told apart from another by its :class:`BankRules` alone; nothing here knows a scheme. ``README.md`` says how the
parts go together.
"""

from __future__ import annotations

from .bank import Balance, Bank
from .book import Hold, Parcel
from .carry import Carried, CarryPlan, plan_carry
from .dated import Dated, Series, always, in_force
from .errors import BadInput, CreditError, NotDetermined, NotPermitted, Shortage
from .life import last_day, last_year
from .lots import Entry, Lot, Obligation, credit_unit, obligation_unit
from .plan import ExchangePlan, Plan, Take, oldest_first, plan, plan_exchange, plan_offset
from .rules import BankRules, Carry, Ratio, Reading
from .words import LifeBasis, ReceivedLife, Rounding, VintageRule, rounded

__all__ = [
    "BadInput",
    "Balance",
    "Bank",
    "BankRules",
    "Carried",
    "Carry",
    "CarryPlan",
    "CreditError",
    "Dated",
    "Entry",
    "ExchangePlan",
    "Hold",
    "LifeBasis",
    "Lot",
    "NotDetermined",
    "NotPermitted",
    "Obligation",
    "Parcel",
    "Plan",
    "Ratio",
    "Reading",
    "ReceivedLife",
    "Rounding",
    "Series",
    "Shortage",
    "Take",
    "VintageRule",
    "always",
    "credit_unit",
    "in_force",
    "last_day",
    "last_year",
    "obligation_unit",
    "oldest_first",
    "plan",
    "plan_carry",
    "plan_exchange",
    "plan_offset",
    "rounded",
]
