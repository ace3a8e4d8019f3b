"""The law's answer for many vehicles at once."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import polars as pl

from cleanfleet.law.columns import Column
from cleanfleet.law.policy import Policy
from cleanfleet.registry.rulings import law

#: The rule that says whether a vehicle itself is outside the standard, whatever its day.
GROUND = "exclusion_ground"
#: Why a subject vehicle that is accepted before the standard starts earns and owes nothing.
NOTHING_ACCRUES = "nothing_accrues"
#: Why a vehicle needed no account before December 2022.
BEFORE = "before_standard"
#: Columns that the register states itself; a feed that sends one is refused.
OWN = ("accepted_on", "certified_on", "scheme", "importer", "vin")
SCALE = 10_000


class Answer(NamedTuple):
    """One vehicle's answer; figures are None unless it is determined. ``difference`` and the like in 0.0001 g/km."""

    status: str
    reason: str
    flags: str
    vehicle_type: str | None
    co2: int | None
    target: int | None
    difference: int | None
    credit_g: int | None
    charge_g: int | None
    charge_cents: int | None

    def held(self, confirmed: set[str]) -> str:
        """Why it can't be accepted: what is missing, or which doubtful values nobody confirmed; '' where it can."""
        if self.status != "determined":
            return self.reason or self.status
        return "; ".join(f"unconfirmed:{name}" for name in law.unconfirmed(self.flags, confirmed))


#: A number as a feed may write it; with up to six decimals it becomes an exact decimal.
_NUMBER = re.compile(r"-?\d{1,12}(\.\d{1,6})?")
_DECIMAL = pl.Decimal(20, 6)


def columns(policy: Policy) -> dict[str, Column]:
    """The columns that a feed may send, by name."""
    return {column.name: column for column in policy.inputs if column.name not in OWN}


def unreadable(column: Column, value: Any) -> str | None:
    """Why a cell can't be a value of its column at all; ranges and words are the law's own to check."""
    if column.kind in ("integer", "decimal") and value is not None and not _NUMBER.fullmatch(str(value)):
        return f"{column.name} is {value!r}; allowed is {column.allowed}, written like 112.5"
    return None


def frame(policy: Policy, attributes: Sequence[Mapping[str, Any]], on: Sequence[dt.date], scheme: str) -> pl.DataFrame:
    """The policy's input for vehicles accepted on the days ``on`` (one each) by an importer under ``scheme``, in order."""
    stated = columns(policy)
    data: dict[str, Any] = {
        name: [None if (value := row.get(name)) is None else str(value) for row in attributes]
        for name in stated
        if any(row.get(name) is not None for row in attributes) or stated[name].required
    }
    numbers = [name for name in data if stated[name].kind in ("integer", "decimal")]
    return pl.DataFrame(data, schema=dict.fromkeys(data, pl.String)).with_columns(
        pl.col(numbers).cast(_DECIMAL), pl.Series("accepted_on", on, dtype=pl.Date), pl.lit(scheme).alias("scheme")
    )


def assess(policy: Policy, attributes: Sequence[Mapping[str, Any]], on: dt.date, scheme: str) -> list[Answer]:
    """The answers for vehicles as if accepted on ``on`` by an importer under ``scheme`` ('payg' or 'fleet'), in order.

    On the days before the standard on which a subject vehicle already needs an account, it is ``determined`` with the
    reason ``nothing_accrues`` and without figures; what isn't known of it doesn't matter then.
    """
    if not attributes:
        return []
    table = frame(policy, attributes, [on] * len(attributes), scheme)
    if not law.nothing_accrues(policy, on):
        return answers(policy.assess(table).frame)
    assessed = policy.assess(table, also=(GROUND,)).frame
    grounds = assessed[GROUND].cast(pl.String).to_list()
    return [_before(answer, ground) for answer, ground in zip(answers(assessed), grounds, strict=True)]


def _before(answer: Answer, ground: str | None) -> Answer:
    """A vehicle before the standard: refused as ever, excluded by its own ground, or subject and without figures."""
    if answer.status == "refused":
        return answer
    if ground not in (None, "none"):
        return answer._replace(reason=str(ground))
    return Answer("determined", NOTHING_ACCRUES, "", answer.vehicle_type, None, None, None, 0, 0, 0)


def answers(assessed: pl.DataFrame) -> list[Answer]:
    """The answers in an assessed frame, row by row."""
    found = assessed.select(
        pl.col("status", "reason", "flags", "vehicle_type").cast(pl.String),
        *(pl.col(f"{name}_g_per_km") for name in ("co2_3p_wltp", "target", "difference")),
        "credit_g",
        "charge_g",
        "charge_nzd",
    )
    return [_answer(row) for row in found.iter_rows()]


def _answer(row: tuple[Any, ...]) -> Answer:
    status, reason, flags, type_, co2, target, difference, credit, charge, money = row
    co2_, target_, difference_ = (_scaled(value, SCALE) for value in (co2, target, difference))
    credit_g, charge_g, cents = _scaled(credit, 1), _scaled(charge, 1), _scaled(money, 100)
    return Answer(status, reason or "", flags or "", type_, co2_, target_, difference_, credit_g, charge_g, cents)


def _scaled(value: Decimal | None, scale: int) -> int | None:
    if value is None:
        return None
    found = value * scale
    if found != int(found):
        raise ArithmeticError(f"{value} is finer than 1/{scale}")
    return int(found)


def read(texts: Iterable[str]) -> list[dict[str, Any]]:
    """Attributes as they are kept, back from their JSON."""
    return [json.loads(text) for text in texts]
