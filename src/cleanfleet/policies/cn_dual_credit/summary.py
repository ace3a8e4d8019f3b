"""A company's year: NEV target, credits and balance; CAFC target, actual average and balance.

Sums are exact integers and fractions; figures are rounded where the rule rounds: the two averages to two decimals, each
balance to whole credits. Orders 44, 53 and 64; GB 27999-2014 and -2019, clause 5.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl

from cleanfleet.law.policy import Policy
from cleanfleet.policies.cn_dual_credit.company import SCHEMA, CompanyYear, decimal, settled, undo

#: Input columns that say something about the company; all rows of a company's year must agree on them.
OF_COMPANY = ("is_import", "importer_authorised", "independent_maker", "previous_cafc_actual")
LINE = (
    "volume", "cafc_target", "cafc_actual", "conventional_volume", "fuel_efficient_volume", "nev_actual",
    "published_cafc_balance", "published_nev_balance",
)  # fmt: skip
#: Whole-number columns of a vehicle row, in their last place: volume times it is summed.
_PLACES = {
    "nev_credit_per_vehicle": 2,
    "target_l_per_100km": 4,
    "counted_fuel_l_per_100km": 2,
    "cafc_multiplier": 1,
}
#: Rules that pass a column on, and the column.
_PASSED = {
    "accounted_year": "year",
    "accounted_volume": "volume",
    "authorised": "importer_authorised",
    "independent": "independent_maker",
    "average_before": "previous_cafc_actual",
    "line_target": "cafc_target",
    "line_actual": "cafc_actual",
    "line_conventional": "conventional_volume",
    "line_fuel_efficient": "fuel_efficient_volume",
    "line_nev_actual": "nev_actual",
    "line_cafc_balance": "published_cafc_balance",
    "line_nev_balance": "published_nev_balance",
}
_OF_VALUES = ("doubtful:", "overlay:", "reading:")
#: Marks of a car's rules that bear on one of the two accounts only.
_NEV_MARKS = (
    "density",
    "phev_",
    "fcv_",
    "bev_",
    "energy_",
    "range_",
    "per_vehicle_rounding",
    "half_credits",
    "cap_applies_to",
)

Key = tuple[str | None, int]


class Summary:
    """Company table, sorted by entity and year: see :data:`SCHEMA` and :class:`CompanyYear`.

    A company's figure is not determined where one of its vehicles lacks what the figure needs, or was refused. A record that
    could not be read at all stands against every company. Excluded rows (exports, parallel imports before 2019) count nowhere.
    """

    name = "companies"

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.needs = tuple(policy.definition.summary["needs"])
        self._sums: list[pl.DataFrame] = []
        self._lacks: Counter[tuple[str | None, int | None, str, str]] = Counter()
        self._attributes: dict[Key, dict[str, set[Any]]] = {}
        self._marks: dict[Key, set[str]] = {}
        self._lines: list[dict[str, Any]] = []
        self._anybody: Counter[str] = Counter()

    def add(self, frame: pl.DataFrame) -> None:
        """Count in the assessed rows of ``frame`` (answer columns, the ``needs``, and ``entity`` where it is known)."""
        if "entity" not in frame.columns:
            frame = frame.with_columns(entity=pl.lit(None, dtype=pl.String))
        frame = frame.rename(_PASSED).with_columns(
            pl.col("entity").cast(pl.String).str.strip_chars(),
            pl.col("status", "reason", "row_kind", "flags").cast(pl.String),
        )
        refused = frame.filter(pl.col("status") == "refused")
        # Refused for what stands in no cell, or in the year's: the record may be anybody's.
        told = refused["reason"].fill_null("")
        anybody = refused["year"].is_null() | told.str.contains(r"(^|; )[^:;]+(;|$)")
        self._anybody["rows_refused"] += int(anybody.sum())
        known = refused.filter(pl.col("year").is_not_null())
        for entity, year, rows in known.group_by("entity", "year").len().iter_rows():
            self._lacks[entity, year, "row", "rows_refused"] += rows
        rest = frame.filter(~pl.col("status").is_in(["refused", "excluded"]))
        self._anybody["rows_without_year"] += rest["year"].null_count()
        rest = rest.filter(pl.col("year").is_not_null())
        self._add_lines(frame.filter((pl.col("reason") == "company_line") & pl.col("year").is_not_null()))
        self._add_vehicles(rest)

    def _add_lines(self, frame: pl.DataFrame) -> None:
        self._lines += frame.select("entity", "year", *LINE).rows(named=True)

    def _add_vehicles(self, frame: pl.DataFrame) -> None:
        key = ["entity", "year"]
        volume = pl.col("volume").cast(pl.Int64)
        whole = {
            name: (pl.col(name).cast(pl.Decimal(38, places)) * 10**places).cast(pl.Int64) for name, places in _PLACES.items()
        }
        conventional = pl.col("is_conventional")
        weighted = whole["cafc_multiplier"] * volume
        self._sums.append(
            frame.group_by(key).agg(
                volume.sum().alias("volume"),
                (volume * conventional).sum().alias("conventional"),
                (volume * (conventional & pl.col("is_fuel_efficient"))).sum().alias("efficient"),
                (volume * pl.col("is_nev")).sum().alias("nev"),
                (volume * whole["nev_credit_per_vehicle"]).sum().alias("credits"),
                (volume * whole["nev_credit_per_vehicle"] * pl.col("own_use_only")).sum().alias("own_use"),
                (volume * whole["target_l_per_100km"]).sum().alias("target"),
                (volume * whole["counted_fuel_l_per_100km"]).sum().alias("fuel"),
                weighted.sum().alias("weighted"),
                (volume * whole["target_l_per_100km"] * ~pl.col("is_nev")).sum().alias("conventional_target"),
                (volume * whole["counted_fuel_l_per_100km"] * ~pl.col("is_nev")).sum().alias("conventional_fuel"),
                (weighted * ~pl.col("is_nev")).sum().alias("conventional_weighted"),
            )
        )
        needed = {
            "row": ["volume", "is_conventional", "is_nev"],
            "fuel": ["target_l_per_100km", "counted_fuel_l_per_100km", "cafc_multiplier"],
            "efficient": ["is_fuel_efficient"],
            "credits": ["nev_credit_per_vehicle", "own_use_only"],
        }
        for what, names in needed.items():
            lacking = frame.filter(pl.any_horizontal(pl.col(name).is_null() for name in names))
            for entity, year, reason, rows in lacking.group_by(*key, "reason").len().iter_rows():
                missing = [part for part in (reason or "").split("; ") if part.startswith("missing:")]
                for name in missing or ["missing:volume"]:
                    self._lacks[entity, year, what, name] += rows
        for entity, year, *values in frame.select(*key, *OF_COMPANY).unique().iter_rows():
            here = self._attributes.setdefault((entity, year), {name: set() for name in OF_COMPANY})
            for name, value in zip(OF_COMPANY, values, strict=True):
                here[name] |= {value} if value is not None else set()
        for entity, year, flags in frame.select(*key, "flags").unique().iter_rows():
            found = {flag for flag in (flags or "").split("; ") if flag.startswith(_OF_VALUES)}
            self._marks.setdefault((entity, year), set()).update(found)
            if "origin_not_given" in (flags or ""):
                self._attributes[entity, year].setdefault("origin_not_given", set()).add(True)

    def years(self) -> list[CompanyYear]:
        """Every company's year, sorted by entity and year."""
        found = [self._published(line) for line in self._lines]
        sums = pl.concat(self._sums).group_by("entity", "year").sum() if self._sums else pl.DataFrame()
        rows = {(row["entity"], row["year"]): row for row in sums.iter_rows(named=True)}
        actuals: dict[Key, Decimal] = {(c.entity, c.year): c.cafc_actual for c in found if c.cafc_actual is not None}
        for key in {(e, y) for e, y, _, _ in self._lacks if y is not None} - set(rows):
            rows[key] = {}
        for key in sorted(rows, key=lambda key: (str(key[0]), key[1])):
            company = self._from_vehicles(key, rows[key], actuals.get((key[0], key[1] - 1)))
            if company.cafc_actual is not None:
                actuals[key] = company.cafc_actual
            found.append(company)
        found.sort(key=lambda c: (str(c.entity or ""), c.year, c.basis))
        twice = Counter((c.entity, c.year) for c in found)
        for company in found:
            if twice[company.entity, company.year] > 1:
                undo(company, "contradiction:two_lines_for_this_company_and_year")
            if company.entity is None:
                undo(company, "missing:entity")
        return found

    def frame(self) -> pl.DataFrame:
        """The company table."""
        return pl.DataFrame([company.row() for company in self.years()], schema=SCHEMA, orient="row")

    # -- one company

    def _value(self, name: str, year: int, company: CompanyYear) -> Any:
        """A value of the law for the company's year; marks and what is missing are noted."""
        kind = self.policy.definition.values[name].kind
        if kind == "per_period":
            value, record = self.policy.value(name, period=year)
        elif kind == "standing":
            value, record = self.policy.value(name, on=dt.date(year, 12, 31))
        else:
            value, record = self.policy.value(name)
        if value is None:
            company.reasons.append(f"missing:{name}")
        elif record is not None:
            doubtful = {grade.grade for grade in self.policy.definition.grades if grade.doubtful}
            company.flags += [record.mark] if record.mark else []
            company.flags += [f"doubtful:{name}"] if record.confidence in doubtful else []
        return value

    def _missing(self, key: Key, *whats: str) -> list[str]:
        """What rows of the company lack for a figure, counted; of unreadable records too."""
        entity, year = key
        found: Counter[str] = Counter()
        for (who, when, what, name), rows in self._lacks.items():
            if who == entity and when == year and what in whats:
                found[name] += rows
        found.update(self._anybody)
        return [f"{name} ({rows} row{'s' if rows > 1 else ''})" for name, rows in sorted(found.items()) if rows]

    def _from_vehicles(self, key: Key, sums: Mapping[str, int], previous: Decimal | None) -> CompanyYear:
        entity, year = key
        company = CompanyYear(entity, year, "vehicles")
        unread = self._missing(key, "row")
        attributes = self._attributes.get(key, {})
        for name in OF_COMPANY:
            matters = name != "importer_authorised" or True in attributes.get("is_import", ())
            if matters and len(attributes.get(name, ())) > 1:
                column = "origin" if name == "is_import" else name
                company.reasons.append(f"contradiction:{column}")
        if unread or company.reasons or not sums:
            company.reasons += unread
            company.status = "not_determined"
            return company
        company.volume, company.conventional_volume, company.nev_volume = sums["volume"], sums["conventional"], sums["nev"]
        if not company.volume:
            undo(company, "no_volume")
            return company
        if self._parallel_small(company, attributes):
            return company
        lacks_fuel = self._missing(key, "fuel")
        lacks_credits, lacks_efficient = self._missing(key, "credits"), self._missing(key, "efficient")
        if not lacks_efficient:
            company.fuel_efficient_volume = sums["efficient"]
        if not lacks_credits:
            company.nev_actual = decimal(Fraction(sums["credits"], 100), 2)
            company.nev_own_use = decimal(Fraction(sums["own_use"], 100), 2)
        needs_class = company.conventional_volume != 0 and not self._below_threshold(company)
        self._nev(company, [*lacks_credits, *(lacks_efficient if needs_class else [])])
        if lacks_fuel:
            company.reasons += [reason for reason in lacks_fuel if reason not in company.reasons]
        else:
            self._cafc(company, sums, attributes, previous)
        company.flags += self._relevant(self._marks.get(key, set()), company)
        return settled(company)

    def _parallel_small(self, company: CompanyYear, attributes: Mapping[str, set[Any]]) -> bool:
        """Whether the company is an importer without the maker's authorisation and too small to be accounted; unknown: noted."""
        if attributes.get("is_import") != {True}:
            return False
        small = self._value("small_volume", company.year, company)
        if small is None or company.volume is None or company.volume > small:
            return False
        authorised = attributes.get("importer_authorised", set())
        if not authorised:
            undo(company, "missing:importer_authorised")
            return True
        if authorised == {False}:
            undo(company, "parallel_importer_small")
            company.status = "excluded"
            return True
        return False

    def _below_threshold(self, company: CompanyYear) -> bool:
        if self._reading("ratio_volume_counts") == "after":
            return False
        least = self.policy.value("nev_ratio_volume", on=dt.date(company.year, 12, 31))[0]
        return least is not None and (company.conventional_volume or 0) < least

    def _reading(self, name: str) -> Any:
        return self.policy.value(name)[0]

    def _nev(self, company: CompanyYear, lacking: list[str]) -> None:
        """Target, actual and balance of NEV credits. Order 44, art. 17; Order 53, art. 17."""
        if lacking:
            company.reasons += [reason for reason in lacking if reason not in company.reasons]
        ratio = self._value("nev_ratio", company.year, company)
        factor = self._value("fuel_efficient_factor", company.year, company)
        least = self._value("nev_ratio_volume", company.year, company)
        conventional, efficient = company.conventional_volume, company.fuel_efficient_volume
        company.nev_ratio = ratio
        if None in (ratio, factor, least) or conventional is None:
            return
        counted = None if efficient is None else conventional - efficient + Fraction(factor) * efficient
        measured = counted if self._reading("ratio_volume_counts") == "after" else Fraction(conventional)
        if conventional and least and ratio and abs(conventional - least) < conventional + least:
            _, record = self.policy.value("ratio_volume_counts")
            if record is not None and record.mark:
                company.flags.append(record.mark)
        if ratio == 0 or (measured is not None and measured < least):
            target: Fraction | None = Fraction(0)
        else:
            target = None if counted is None else Fraction(ratio) * counted
        if target is None:
            return
        if counted is not None and (counted < least) != (conventional < least) and ratio:
            company.flags.append("doubtful:ratio_volume_counts")
        company.nev_target = decimal(target, 3)
        if company.nev_actual is None or any(reason in company.reasons for reason in lacking):
            return
        company.nev_balance = self._whole(Fraction(company.nev_actual) - target, company)

    def _cafc(
        self, company: CompanyYear, sums: Mapping[str, int], attributes: Mapping[str, set[Any]], previous: Decimal | None
    ) -> None:
        """Required value D, actual average A and the balance (D - A) x volume. GB 27999, clause 5."""
        assert company.volume is not None
        company.cafc_actual = decimal(Fraction(sums["fuel"], 100) / Fraction(sums["weighted"], 10), 2)
        company.mean_target = Fraction(sums["target"], 10**4 * company.volume)
        others = company.volume - (company.nev_volume or 0)
        if others:
            average = Fraction(sums["conventional_fuel"], 100) / Fraction(sums["conventional_weighted"], 10)
            company.conventional_cafc_actual = decimal(average, 2)
            company.conventional_mean_target = Fraction(sums["conventional_target"], 10**4 * others)
        ratio = self._value("year_ratio", company.year, company)
        company.year_ratio = ratio
        if ratio is None:
            return
        required = decimal(company.mean_target * Fraction(ratio), 2)
        relief = self._relief(company, attributes, previous)
        if relief is None:
            return
        company.relief = relief
        company.cafc_target = required * relief
        exact = Fraction(company.cafc_target) - Fraction(company.cafc_actual)
        company.cafc_balance = self._whole(exact * company.volume, company)

    def _relief(self, company: CompanyYear, attributes: Mapping[str, set[Any]], previous: Decimal | None) -> Decimal | None:
        """The factor on the required value of a small company: 1, 1.3 or 1.6; None where that can't be told."""
        small = self._value("small_volume", company.year, company)
        if small is None:
            return None
        assert company.volume is not None
        if company.volume > small:
            return Decimal(1)
        imported = attributes.get("is_import", set())
        if attributes.get("origin_not_given") and not attributes.get("independent_maker"):
            company.reasons.append("missing:origin")
            return None
        ground = "importer_authorised" if imported == {True} else "independent_maker"
        entitled = attributes.get(ground, set())
        if not entitled:
            company.reasons.append(f"missing:{ground}")
            return None
        if entitled == {False}:
            return Decimal(1)
        given = next(iter(attributes.get("previous_cafc_actual", set())), None)
        before = previous if previous is not None else given
        if before is None:
            company.reasons.append("missing:previous_cafc_actual")
            return None
        names = ("relief_drop_full", "relief_drop_part", "relief_full", "relief_part")
        full_drop, part_drop, full, part = (self._value(name, company.year, company) for name in names)
        if None in (full_drop, part_drop, full, part):
            return None
        assert company.cafc_actual is not None
        drop = (Fraction(before) - Fraction(company.cafc_actual)) / Fraction(before) if before else Fraction(0)
        return Decimal(1) + (full if drop >= Fraction(full_drop) else part if drop >= Fraction(part_drop) else Decimal(0))

    def _whole(self, exact: Fraction, company: CompanyYear) -> int:
        """A balance in whole credits."""
        how = self._value("balance_rounding", company.year, company)
        half = Fraction(1, 2) if how == "half_up" else Fraction(0)
        return (1 if exact >= 0 else -1) * int(abs(exact) + half)

    def _relevant(self, marks: Iterable[str], company: CompanyYear) -> list[str]:
        """The marks of the vehicles that bear on a figure which the company has."""
        found = []
        for mark in marks:
            name = mark.partition(":")[2]
            of_nev = name.startswith(_NEV_MARKS)
            if mark.startswith("overlay:") or (company.nev_actual if of_nev else company.cafc_actual) is not None:
                found.append(mark)
        return found

    def _published(self, line: Mapping[str, Any]) -> CompanyYear:
        """A published company line, without vehicles: its figures as they stand, the balances worked out from them."""
        company = CompanyYear(line["entity"], line["year"], "published")
        for name in LINE:
            setattr(company, name, line[name])
        if company.cafc_target is not None or company.cafc_actual is not None:
            lacking = [name for name in ("volume", "cafc_target", "cafc_actual") if line[name] is None]
            company.reasons += [f"missing:{name}" for name in lacking]
            if not lacking:
                exact = Fraction(line["cafc_target"]) - Fraction(line["cafc_actual"])
                company.cafc_balance = self._whole(exact * line["volume"], company)
        else:
            company.reasons.append("missing:cafc_actual")
        if company.nev_actual is not None and company.conventional_volume is not None:
            if company.fuel_efficient_volume is None:
                factor = self.policy.value("fuel_efficient_factor", period=company.year)[0]
                if factor == 1 or company.conventional_volume == 0 or self._below_threshold(company):
                    company.fuel_efficient_volume = 0
            lacking = ["missing:fuel_efficient_volume"] if company.fuel_efficient_volume is None else []
            self._nev(company, lacking)
        else:
            company.reasons += [f"missing:{name}" for name in ("conventional_volume", "nev_actual") if line[name] is None]
        return settled(company)
