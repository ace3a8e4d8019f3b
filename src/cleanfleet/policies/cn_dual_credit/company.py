"""One company's accounting year: the record, its table, and how its figures are taken back or settled."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl


@dataclass
class CompanyYear:
    """One company's accounting year. Figures that aren't determined are None; ``reasons`` says what is lacking.

    Volumes are cars; targets and averages L/100 km; balances whole credits, above zero a surplus. ``nev_target`` and
    ``nev_actual`` are exact, ``nev_own_use`` the part of the NEV credits that only the company itself may use.
    ``cafc_target`` includes ``relief`` (1.3 or 1.6; 1 without). ``basis`` is ``vehicles`` or ``published``.
    """

    entity: str | None
    year: int
    basis: str
    status: str = "determined"
    reasons: list[str] = field(default_factory=list)
    volume: int | None = None
    conventional_volume: int | None = None
    fuel_efficient_volume: int | None = None
    nev_volume: int | None = None
    nev_ratio: Decimal | None = None
    nev_target: Decimal | None = None
    nev_actual: Decimal | None = None
    nev_own_use: Decimal | None = None
    nev_balance: int | None = None
    mean_target: Fraction | None = None
    year_ratio: Decimal | None = None
    relief: Decimal | None = None
    cafc_target: Decimal | None = None
    cafc_actual: Decimal | None = None
    cafc_balance: int | None = None
    conventional_cafc_actual: Decimal | None = None
    conventional_mean_target: Fraction | None = None
    published_cafc_balance: int | None = None
    published_nev_balance: int | None = None
    flags: list[str] = field(default_factory=list)
    refused: bool = False

    def row(self) -> dict[str, Any]:
        """The row of the company table (:data:`SCHEMA`)."""

        def gap(published: int | None, found: int | None) -> int | None:
            return None if published is None or found is None else published - found

        return {
            **{name: getattr(self, name) for name in SCHEMA if hasattr(self, name)},
            "reason": "; ".join(self.reasons) or None,
            "mean_target_l_per_100km": None if self.mean_target is None else decimal(self.mean_target, 4),
            "cafc_difference": gap(self.published_cafc_balance, self.cafc_balance),
            "nev_difference": gap(self.published_nev_balance, self.nev_balance),
            "flags": "; ".join(sorted(set(self.flags))) or None,
        }


def undo(company: CompanyYear, reason: str) -> None:
    """Take back every figure that follows from the rows: they can't be told."""
    for name in (
        "nev_target", "nev_balance", "cafc_target", "cafc_balance", "nev_actual", "nev_own_use", "cafc_actual", "relief",
    ):  # fmt: skip
        setattr(company, name, None)
    company.reasons = [reason, *company.reasons] if reason not in company.reasons else company.reasons
    company.status = "not_determined"


def settled(company: CompanyYear) -> CompanyYear:
    """The status that the two balances give: determined, partly_determined or not_determined."""
    known = [company.nev_balance is not None, company.cafc_balance is not None]
    company.status = "determined" if all(known) else "partly_determined" if any(known) else "not_determined"
    company.reasons = list(dict.fromkeys(company.reasons))
    return company


def decimal(number: Fraction, places: int) -> Decimal:
    """Half up (away from zero) at ``places``; exact where the number is."""
    whole = int(abs(number) * 10**places + Fraction(1, 2))
    return Decimal(whole if number >= 0 else -whole).scaleb(-places)


#: Columns of the company table: volumes in cars, averages in L/100 km, balances in whole credits.
SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "entity": pl.String,
    "year": pl.Int64,
    "basis": pl.String,
    "status": pl.String,
    "reason": pl.String,
    "volume": pl.Int64,
    "conventional_volume": pl.Int64,
    "fuel_efficient_volume": pl.Int64,
    "nev_volume": pl.Int64,
    "nev_ratio": pl.Decimal(18, 2),
    "nev_target": pl.Decimal(18, 3),
    "nev_actual": pl.Decimal(18, 2),
    "nev_own_use": pl.Decimal(18, 2),
    "nev_balance": pl.Int64,
    "mean_target_l_per_100km": pl.Decimal(18, 4),
    "year_ratio": pl.Decimal(18, 2),
    "relief": pl.Decimal(18, 1),
    "cafc_target": pl.Decimal(18, 3),
    "cafc_actual": pl.Decimal(18, 2),
    "cafc_balance": pl.Int64,
    "published_cafc_balance": pl.Int64,
    "cafc_difference": pl.Int64,
    "published_nev_balance": pl.Int64,
    "nev_difference": pl.Int64,
    "flags": pl.String,
}
