"""The year of a fleet-average (category 1) importer: one row for each importer, obligation year and vehicle type. s 177.

Grams are kept as exact sums (a fleet's mean is a sum and a count). They are cut to whole grams once for each type, year and
condition, then multiplied by the rate. Two readings of s 177 (value ``fleet_pool``):

* ``importer``: the excess is averaged over the importer's whole fleet of the type; its share for the new and for the used
  vehicles is by their numbers;
* ``condition``: new and used vehicles, which stand on separate accounts, are two fleets.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import polars as pl

from cleanfleet.law.policy import Policy

CONDITIONS = ("new", "used")
_FLEET = ["importer", "obligation_year", "vehicle_type"]
_KEYS = [*_FLEET, "fleet_condition"]
Key = tuple[str | None, int | None, str | None]


#: Flags of a vehicle that tell of a value; those of a single vehicle's rounding don't bear on a fleet.
_OF_VALUES, _NOT_OF_FLEETS = ("doubtful:", "overlay:", "reading:"), "per_vehicle_rounding"


class Summary:
    """Fleet table: ``importer``, ``year``, ``vehicle_type``, ``status``, ``reason``, ``count_new``, ``count_used``,
    ``mean_tare_kg``, ``target_g_per_km``, ``average_g_per_km`` (means, shown at 0.0001), ``net_g`` (exact sum of target
    minus CO2 over the vehicles), ``credit_new_g``, ``credit_used_g``, ``charge_new_g``, ``charge_used_g`` (whole grams),
    ``charge_nzd`` (no GST), ``charge_other_reading_nzd``, ``flags``.

    A fleet with a vehicle that isn't determined, or was refused, is not determined: its money would be wrong. A record that
    could not be read at all, so that nobody knows whose it is, stands against every fleet. ``flags`` are the marks of the
    values that the fleet's figures used (doubtful, overlay, reading).
    """

    name = "fleets"

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.needs = tuple(policy.definition.summary["needs"])
        self._sums: list[pl.DataFrame] = []
        self._open: list[pl.DataFrame] = []
        self._marks: list[pl.DataFrame] = []

    def add(self, frame: pl.DataFrame) -> None:
        """Count in the assessed rows of ``frame`` (answer columns, the ``needs``, and ``importer`` where it is known)."""
        if "importer" not in frame.columns:
            frame = frame.with_columns(importer=pl.lit(None, dtype=pl.String))
        told = pl.col("reason").cast(pl.String).fill_null("")
        frame = frame.with_columns(
            pl.col("importer", "vehicle_type", "fleet_condition", "status").cast(pl.String),
            # Refused for what stands in no cell: the record could not be read, so it may be anybody's.
            anybody=(pl.col("status").cast(pl.String) == "refused") & told.str.contains(r"(^|; )[^:;]+(;|$)"),
        )
        unread = pl.col("anybody") | told.str.contains("unknown_value:scheme", literal=True)
        fleet = frame.filter(pl.col("is_fleet").fill_null(False) | unread)
        determined = fleet.filter(pl.col("status") == "determined")
        self._sums.append(
            determined.group_by(_KEYS).agg(
                pl.len().cast(pl.Int64).alias("count"),
                pl.col("fleet_tare").cast(pl.Int64).sum().alias("tare"),
                _minor("fleet_target").sum().alias("target"),
                _minor("co2_3p_wltp_g_per_km").sum().alias("co2"),
            )
        )
        open_ = fleet.filter(pl.col("status").is_in(["not_determined", "refused"]))
        self._open.append(open_.group_by(*_FLEET, "anybody", "status").agg(pl.len().alias("count")))
        self._marks.append(determined.select(*_FLEET, pl.col("flags").cast(pl.String)).unique())

    def frame(self) -> pl.DataFrame:
        """The fleet table, sorted by importer, year and type."""
        sums = (
            pl.concat(self._sums).group_by(_KEYS).agg(pl.col("count", "tare", "target", "co2").sum()) if self._sums else None
        )
        parts: dict[Key, dict[str, dict[str, int]]] = {}
        for row in sums.iter_rows(named=True) if sums is not None else ():
            key = (row["importer"], row["obligation_year"], row["vehicle_type"])
            parts.setdefault(key, {})[row["fleet_condition"]] = row
        unanswered: dict[Key, dict[str, int]] = {}
        anybody: dict[str, int] = {}
        for row in pl.concat(self._open).iter_rows(named=True) if self._open else ():
            key = (row["importer"], row["obligation_year"], row["vehicle_type"])
            here = anybody if row["anybody"] else unanswered.setdefault(key, {})
            here[row["status"]] = here.get(row["status"], 0) + row["count"]
        for key in unanswered:
            if None not in key[1:]:
                parts.setdefault(key, {})
        marks: dict[Key, set[str]] = {}
        for importer, year, type_, flags in pl.concat(self._marks).iter_rows() if self._marks else ():
            found = {
                flag for flag in (flags or "").split("; ") if flag.startswith(_OF_VALUES) and _NOT_OF_FLEETS not in flag
            }
            marks.setdefault((importer, year, type_), set()).update(found)
        rows = [
            self._fleet(key, parts[key], _against(unanswered, anybody, key), marks.get(key, set()))
            for key in sorted(parts, key=lambda key: tuple(str(part) for part in key))
        ]
        return pl.DataFrame(rows, schema=SCHEMA, orient="row")

    def _fleet(
        self, key: Key, parts: Mapping[str, Mapping[str, int]], lacking: str, of_vehicles: set[str]
    ) -> dict[str, Any]:
        importer, year, type_ = key
        assert year is not None
        counts = {c: parts.get(c, {}).get("count", 0) for c in CONDITIONS}
        number = sum(counts.values())
        total = {what: sum(part[what] for part in parts.values()) for what in ("tare", "target", "co2")}
        nets = {c: Fraction(parts[c]["target"] - parts[c]["co2"], 10**4) if c in parts else Fraction(0) for c in CONDITIONS}
        row: dict[str, Any] = {
            "importer": importer,
            "year": year,
            "vehicle_type": type_,
            "status": "not_determined" if lacking else "determined",
            "reason": lacking or None,
            "count_new": counts["new"],
            "count_used": counts["used"],
            "mean_tare_kg": _mean(total["tare"], number, 0),
            "target_g_per_km": _mean(total["target"], number, 4),
            "average_g_per_km": _mean(total["co2"], number, 4),
        }
        if lacking or not number:
            return row
        rates, marks = self._rates(year, counts)
        if None in rates.values():
            return {**row, "status": "not_determined", "reason": "missing:charge_rate"}
        pool, other = self._reading("fleet_pool"), {"importer": "condition", "condition": "importer"}
        if pool is None or self._reading("fleet_rounding") is None:
            return {**row, "status": "not_determined", "reason": "missing:fleet_pool or fleet_rounding"}
        net = sum(nets.values(), Fraction(0))
        grams = self._grams(pool, net, nets, counts)
        row["net_g"] = _decimal(net, 4)
        for c in CONDITIONS:
            row[f"credit_{c}_g"] = max(grams[c], 0)
            row[f"charge_{c}_g"] = max(-grams[c], 0)
        row["charge_nzd"] = _money(grams, rates)
        row["charge_other_reading_nzd"] = _money(self._grams(other[pool], net, nets, counts), rates)
        row["flags"] = "; ".join(sorted(of_vehicles.union(marks))) or None
        return row

    def _grams(self, pool: str, net: Fraction, nets: Mapping[str, Fraction], counts: Mapping[str, int]) -> dict[str, int]:
        """Whole grams for each condition, above zero a credit: cut (or rounded) once, on the magnitude."""
        number = sum(counts.values())
        exact = {c: net * counts[c] / number if pool == "importer" else nets[c] for c in CONDITIONS}
        half = Fraction(1, 2) if self._reading("fleet_rounding") == "half_up" else Fraction(0)
        return {c: (1 if g >= 0 else -1) * int(abs(g) + half) for c, g in exact.items()}

    def _reading(self, name: str) -> Any:
        return self.policy.value(name)[0]

    def _rates(self, year: int, counts: Mapping[str, int]) -> tuple[dict[str, Decimal | None], list[str]]:
        rates: dict[str, Decimal | None] = {}
        doubtful = {grade.grade for grade in self.policy.definition.grades if grade.doubtful}
        marks = []
        for c in CONDITIONS:
            rate, record = self.policy.value("charge_rate", on=dt.date(year, 12, 31), scheme="fleet", condition=c)
            rates[c] = rate if counts[c] else Decimal(0)
            if record is not None and counts[c]:
                marks += [record.mark] if record.mark else []
                marks += ["doubtful:charge_rate"] if record.confidence in doubtful else []
        for name in ("fleet_pool", "fleet_rounding", "fleet_tare_reading"):
            _, record = self.policy.value(name)
            if record is not None:
                marks += [record.mark] if record.mark else []
                marks += [f"doubtful:{name}"] if record.confidence in doubtful else []
        return rates, marks


SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "importer": pl.String,
    "year": pl.Int64,
    "vehicle_type": pl.String,
    "status": pl.String,
    "reason": pl.String,
    "count_new": pl.Int64,
    "count_used": pl.Int64,
    "mean_tare_kg": pl.Decimal(18, 4),
    "target_g_per_km": pl.Decimal(18, 4),
    "average_g_per_km": pl.Decimal(18, 4),
    "net_g": pl.Decimal(18, 4),
    "credit_new_g": pl.Int64,
    "credit_used_g": pl.Int64,
    "charge_new_g": pl.Int64,
    "charge_used_g": pl.Int64,
    "charge_nzd": pl.Decimal(18, 2),
    "charge_other_reading_nzd": pl.Decimal(18, 2),
    "flags": pl.String,
}


def _minor(name: str) -> pl.Expr:
    return (pl.col(name).cast(pl.Decimal(38, 4)) * 10000).cast(pl.Int64)


def _against(unanswered: Mapping[Key, Mapping[str, int]], anybody: Mapping[str, int], key: Key) -> str:
    """The vehicles without an answer that may belong to a fleet: its own, those of unknown year or type, anybody's."""
    importer, year, type_ = key
    counts = dict(anybody)
    for (who, when, which), found in unanswered.items():
        if who == importer and when in (year, None) and which in (type_, None):
            for status, count in found.items():
                counts[status] = counts.get(status, 0) + count
    return "; ".join(f"vehicles_{status}:{count}" for status, count in sorted(counts.items()))


def _mean(total: int, number: int, places: int) -> Decimal | None:
    return _decimal(Fraction(total, number * 10**places), 4) if number else None


def _decimal(number: Fraction, places: int) -> Decimal:
    """For showing: half up (away from zero) at ``places``; exact where the number is."""
    scaled = abs(number) * 10**places
    whole = int(scaled + Fraction(1, 2))
    return Decimal(whole if number >= 0 else -whole).scaleb(-places)


def _money(grams: Mapping[str, int], rates: Mapping[str, Decimal | None]) -> Decimal:
    total = sum((max(-grams[c], 0) * (rates[c] or Decimal(0)) for c in CONDITIONS), Decimal(0))
    return total.quantize(Decimal("0.01"), ROUND_HALF_UP)
