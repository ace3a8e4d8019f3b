"""A bank statement's content, checked: what an operation gets, whether it was read from camt.053 or written otherwise."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import pydantic

from cleanfleet.registry.ledger.operations import canonical, digest
from cleanfleet.registry.refusals import Invalid

#: The most entries, and statements, that are taken in at once.
MOST, MOST_STATEMENTS = 5000, 400
Cents = Annotated[int, pydantic.Field(ge=-(10**16), le=10**16, strict=True)]
Reference = Annotated[str, pydantic.Field(max_length=80)]


def dollars(cents: int) -> str:
    """Cents as they are told: ``-1,234.50``."""
    sign, amount = ("-" if cents < 0 else ""), abs(cents)
    return f"{sign}{amount // 100:,}.{amount % 100:02d}"


class Item(pydantic.BaseModel):
    """One entry, or one transaction of a batch entry. ``cents`` is above zero where money came in.

    ``booked`` is false where the bank only announces it; ``whole`` is false where a batch entry's transactions don't add up to it (or
    aren't told) and it stands for all of them; ``returned`` where it gives back an earlier one, with the bank's ``return_reason`` (an
    ISO code such as AC04). ``names`` are the register's references in its texts.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    booked_on: dt.date
    value_on: dt.date | None = None
    cents: Cents
    booked: bool = True
    whole: bool = True
    bank_reference: Reference = ""
    bank_code: Annotated[str, pydantic.Field(max_length=20)] = ""
    returned: bool = False
    return_reason: Annotated[str, pydantic.Field(max_length=35)] = ""
    names: Annotated[list[Annotated[str, pydantic.Field(max_length=40)]], pydantic.Field(max_length=20)] = []

    @property
    def money(self) -> int:
        """The cents that it moves."""
        return self.cents if self.booked else 0

    @property
    def digest(self) -> str:
        return digest(canonical(self.model_dump(mode="json")))


class Content(pydantic.BaseModel):
    """One statement of one account, whose opening balance and booked entries come to its closing balance.

    Raises :class:`Invalid` with the code ``balance`` where they don't, ``period`` where its days are the wrong way round.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    account: Annotated[str, pydantic.Field(min_length=1, max_length=40)]
    identification: Annotated[str, pydantic.Field(min_length=1, max_length=70)]
    sequence: Annotated[int, pydantic.Field(ge=0, lt=10**18)] | None = None
    first_on: dt.date
    last_on: dt.date
    opening_cents: Cents
    closing_cents: Cents
    items: list[Item]

    @pydantic.model_validator(mode="after")
    def _adds_up(self) -> Content:
        if self.last_on < self.first_on:
            raise Invalid(
                "period", f"statement {self.identification} ends on {self.last_on}, before it begins on {self.first_on}"
            )
        come_to = self.opening_cents + sum(item.money for item in self.items)
        if come_to != self.closing_cents:
            raise Invalid(
                "balance",
                f"statement {self.identification} opens at {dollars(self.opening_cents)}; with its {len(self.items)} entries it "
                f"comes to {dollars(come_to)}, not to its closing balance of {dollars(self.closing_cents)}; nothing of the file is taken in",
                opening_cents=self.opening_cents,
                come_to_cents=come_to,
                closing_cents=self.closing_cents,
            )
        return self

    @property
    def digest(self) -> str:
        """Of everything but the id: a bank that gives a statement again may give it another."""
        return digest(canonical(self.model_dump(mode="json", exclude={"identification"})))

    def money(self) -> dict[str, Any]:
        """Entries and their sums in and out, in cents."""
        moved = [item.money for item in self.items]
        return {
            "entries": len(moved),
            "in_cents": sum(cents for cents in moved if cents > 0),
            "out_cents": -sum(cents for cents in moved if cents < 0),
        }
