"""A share of a number of vehicles: what it asks for, what is short, what would meet it. Exact, in whole vehicles."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any


def up(number: Fraction) -> int:
    """The next whole number, or the number itself where it is whole.

    >>> up(Fraction(12, 5)), up(Fraction(2))
    (3, 2)
    """
    return -((-number.numerator) // number.denominator)


@dataclass(frozen=True)
class Duty:
    """A share of a number of vehicles: what it asks for, what is short, what on top would do."""

    share: Decimal | None
    total: int
    achieved: int
    due: bool = True
    required: int = field(init=False)
    shortfall: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "required", up(Fraction(self.share or 0) * self.total))
        object.__setattr__(self, "shortfall", max(self.required - self.achieved, 0))

    @property
    def extra(self) -> int | None:
        """Vehicles of the kind asked for, bought on top, that reach the share; None where none can."""
        share = Fraction(self.share or 0)
        if not self.shortfall:
            return 0
        return None if share >= 1 else up((share * self.total - self.achieved) / (1 - share))

    def told(self) -> dict[str, Any]:
        """The figures as columns of the table."""
        status = "met" if not self.shortfall else "not_met" if self.due else "not_due"
        millionths = self.achieved * 10**6 // self.total if self.total else None
        return {
            "required_share": self.share, "total": self.total, "achieved": self.achieved, "required": self.required,
            "achieved_share": None if millionths is None else Decimal(millionths).scaleb(-6),
            "shortfall": self.shortfall, "extra": self.extra, "status": status,
        }  # fmt: skip
