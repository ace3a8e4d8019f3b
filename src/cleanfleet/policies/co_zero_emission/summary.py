"""All duties at once: one row for each entity (or municipality), year (or day) and duty.

Contracts of one entity and year are summed before a share is taken, stations of one municipality and day are added up. Counts
are whole numbers and shares exact fractions; a share is only cut for showing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import polars as pl

from cleanfleet.law.policy import Policy
from cleanfleet.policies.co_zero_emission.shares import Duty

PLAN, CHARGING, PARKING, NATIONAL = "purchase_plan", "charging", "parking", "national"
#: Columns that tell two groups of rows apart, for each kind.
KEYS = {
    PLAN: ["entity", "row_entity_kind", "row_year"],
    CHARGING: ["row_municipality", "place", "law_date"],
    PARKING: ["entity", "row_municipality", "law_date"],
    NATIONAL: ["law_date"],
}
#: Categories of municipality whose new buildings art. 10 is about; for the special category that is recalled only.
NEW_BUILDINGS = ("first", "second", "third")
#: Marks of values that the duties of the other laws don't use.
OF_ART_8, OTHER_LAWS = (
    ("doubtful:bus_share", "doubtful:duty_of_entity"),
    ("law1972_acquired", "law1972_fleet", "law2128_gas"),
)
_MARKS = ("doubtful:", "overlay:", "reading:")
Row = dict[str, Any]


class Summary:
    """Table of duties: ``kind``, ``entity``, ``municipality``, ``when`` (year or day), ``duty``, ``required_share``, ``total``
    (vehicles, spaces), ``achieved``, ``achieved_share`` (cut at 0.000001), ``required``, ``shortfall``, ``extra`` (that many on top
    would do), ``status``, ``reason``, ``due_on``, ``flags``.

    ``status`` is met, not_met, not_due, not_applicable or not_determined. A group with a row that isn't determined, or was
    refused, is not determined: its sums would be wrong. A record that could not be read at all stands against every group.
    Vehicles have no duty and no row here.
    """

    name = "duties"

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.needs = tuple(policy.definition.summary["needs"])
        self._parts: dict[str, list[pl.DataFrame]] = {kind: [] for kind in KEYS}
        self._open: list[pl.DataFrame] = []

    def add(self, frame: pl.DataFrame) -> None:
        """Count in the assessed rows of ``frame`` (answer columns, the ``needs``, and ``entity`` where it is known)."""
        if "entity" not in frame.columns:
            frame = frame.with_columns(entity=pl.lit(None, dtype=pl.String))
        words = [name for name, dtype in frame.schema.items() if dtype in (pl.Categorical, pl.Enum)]
        frame = frame.with_columns(
            pl.col(words).cast(pl.String),
            anybody=(pl.col("status").cast(pl.String) == "refused")
            & pl.col("reason").cast(pl.String).fill_null("").str.contains(r"(^|; )([^:;]+|[^:;]+:kind)(;|$)"),
        ).with_columns(place=pl.when(pl.col("row_municipality") == "other").then("entity"))
        lost = frame.filter(pl.col("status").is_in(["not_determined", "refused"]))
        self._open.append(lost.group_by(_LOST).len())
        for kind, keys in KEYS.items():
            here = frame.filter((pl.col("row_kind") == kind) & ~pl.col("status").is_in(["not_determined", "refused"]))
            if here.height:
                self._parts[kind].append(here.group_by([*keys, *_WITHIN[kind]]).agg(*_SUMS[kind], _flags()))

    def frame(self) -> pl.DataFrame:
        """The table of duties, by kind, entity and year or day."""
        lost = list(pl.concat(self._open).iter_rows(named=True)) if self._open else []
        rows: list[Row] = []
        makers = {PLAN: self._plan, CHARGING: self._charging, PARKING: self._parking, NATIONAL: self._national}
        for kind, keys in KEYS.items():
            groups: dict[tuple[Any, ...], list[Row]] = {}
            for part in self._parts[kind]:
                for row in part.iter_rows(named=True):
                    groups.setdefault(tuple(row[key] for key in keys), []).append(row)
            for key in _without_answer(lost, kind, set(groups)):
                groups[key] = []
            for key in sorted(groups, key=lambda key: tuple(str(part) for part in key)):
                lacking = _against(lost, kind, dict(zip(keys, key, strict=True)))
                marks = sorted({mark for row in groups[key] for mark in row["flags"] if mark.startswith(_MARKS)})
                for found in makers[kind](dict(zip(keys, key, strict=True)), groups[key]):
                    if lacking:
                        found = _undetermined(found, lacking)
                    here = [mark for mark in marks if mark not in OF_ART_8 or found["duty"] not in OTHER_LAWS]
                    rows.append({"kind": kind, "flags": "; ".join(here) or None, **found})
        return pl.DataFrame(rows, schema=SCHEMA, orient="row")

    # -- one group each

    def _plan(self, key: Row, rows: list[Row]) -> Iterator[Row]:
        about = {"entity": key["entity"], "when": None if key["row_year"] is None else str(key["row_year"])}
        about["municipality"] = _only(row["row_municipality"] for row in rows)
        bound = [row for row in rows if row["plan_scope"] == "none"]
        name = _only(row["duty"] for row in rows) or "acquisitions"
        needed = gas_needed = 0
        if bound:
            duty = Duty(_only(row["share_of_duty"] for row in bound), _sum(bound, "acquired"), _sum(bound, "zero_emission"))
            needed = duty.required
            yield {**about, "duty": name, **duty.told(), "due_on": bound[0]["due_on"]}
        else:
            reason = "; ".join(sorted({row["plan_scope"] for row in rows})) or None
            yield {**about, "duty": name, "status": "not_applicable", "reason": reason}
        transit = [row for row in rows if row["law1972_here"]]
        if not transit:
            return
        due = any(row["law1972_due"] for row in transit)
        day, _ = self.policy.value("law1972_due_on")
        duty = Duty(transit[0]["law1972_share_here"], _sum(transit, "acquired"), _sum(transit, "zero_emission"), due)
        yield {**about, "duty": "law1972_acquired", **duty.told(), "due_on": day}
        needed = max(needed, duty.required if due else 0)
        fleets = {tuple(fleet.values()) for row in transit for fleet in row["fleets"]}
        if fleets:
            latest = {fleet[1:] for fleet in fleets if fleet[0] == max(one[0] for one in fleets)}
            fleet, zero = next(iter(latest))
            duty = Duty(transit[0]["law1972_share_here"], fleet, zero, due)
            found = {**about, "duty": "law1972_fleet", **duty.told(), "due_on": day, "extra": None}
            yield found if len(latest) == 1 else _undetermined(found, "contradiction:fleet_vehicles")
            if due and duty.shortfall:
                needed = max(needed, _sum(transit, "zero_emission") + duty.shortfall)
        gas = [row for row in transit if row["gas_in_force"]]
        told = all(not row["gas_unknown"] for row in gas)
        if gas:
            duty = Duty(gas[0]["gas_share_here"], _sum(gas, "acquired"), _sum(gas, "gas"))
            gas_needed = duty.required
            found = {**about, "duty": "law2128_gas", **duty.told()}
            yield found if told else _undetermined(found, "missing:dedicated_gas_acquired", _OF_PART)
        total, zero = _sum(rows, "acquired"), _sum(rows, "zero_emission")
        fits = needed + gas_needed <= total
        if not fits or zero < needed:
            status, reason = "not_met", None if fits else "impossible_together"
        elif gas_needed and not told:
            status, reason = "not_determined", "missing:dedicated_gas_acquired"
        else:
            status, reason = "met" if _sum(gas, "gas") >= gas_needed else "not_met", None
        yield {
            **about, "duty": "all_duties", "total": total, "required": needed + gas_needed,
            "status": status, "reason": reason,
        }  # fmt: skip

    def _charging(self, key: Row, rows: list[Row]) -> Iterator[Row]:
        about = {"municipality": key["row_municipality"], "entity": key["place"], "when": _text(key["law_date"])}
        scope = _only(row["charging_scope"] for row in rows)
        if scope is None and rows:
            told = "; ".join(sorted({str(row["charging_scope"]) for row in rows}))
            yield {**about, "duty": "charging_stations", "status": "not_determined", "reason": f"contradiction:{told}"}
        elif not rows or rows[0]["required_stations"] is None:  # not bound, or before the law
            yield {**about, "duty": "charging_stations", "status": "not_applicable", "reason": scope}
        else:
            required, counted = rows[0]["required_stations"], _sum(rows, "counted")
            reason = "; ".join(f"{g}:{n}" for g, n in sorted(_by_ground(rows).items()) if g not in ("none", "no_station"))
            status = "met" if counted >= required else "not_due" if scope == "before_duty" else "not_met"
            yield {
                **about, "duty": "charging_stations", "total": _sum(rows, "stations"), "achieved": counted,
                "required": int(required), "shortfall": int(max(required - counted, 0)), "status": status,
                "reason": reason or None, "due_on": rows[0]["due_on"],
            }  # fmt: skip
        category = _only(row["row_category"] for row in rows)
        begun, _ = self.policy.value("law_in_force_on")
        if begun is None or key["law_date"] < begun:
            return
        if category in (*NEW_BUILDINGS, "special") or key["row_municipality"] == "bogota":
            number, _ = self.policy.value("new_building_charging_points", on=key["law_date"])
            missing = "missing:new_building_charging_points" if number is None else "missing:new buildings"
            doubtful = None if category in NEW_BUILDINGS else "doubtful:new buildings of the special category"
            yield {
                **about, "duty": "new_building_charging", "required": None if number is None else int(number),
                "status": "not_determined", "reason": missing, "flags": doubtful,
            }  # fmt: skip

    def _parking(self, key: Row, rows: list[Row]) -> Iterator[Row]:
        about = {"entity": key["entity"], "municipality": key["row_municipality"], "when": _text(key["law_date"])}
        bound = [row for row in rows if row["required_spaces"] is not None]
        if not bound:
            reason = "; ".join(sorted({row["reason"] for row in rows if row["reason"]})) or None
            yield {**about, "duty": "preferential_parking", "status": "not_applicable", "reason": reason}
            return
        required, short = _sum(bound, "spaces"), _sum(bound, "short")
        yield {
            **about, "duty": "preferential_parking", "required": required, "shortfall": short,
            "status": "not_met" if short else "met",
        }  # fmt: skip

    def _national(self, key: Row, rows: list[Row]) -> Iterator[Row]:
        for row in rows:
            required, short = int(row["required_vehicles"]), int(row["shortfall_vehicles"])
            yield {
                "duty": "national_target", "when": _text(key["law_date"]), "required": required, "shortfall": short,
                "achieved_share": row["achieved_share"], "due_on": row["due_on"],
                "status": "met" if not short else "not_due" if row["reason"] == "not_due_yet" else "not_met",
            }  # fmt: skip


def _without_answer(lost: Iterable[Row], kind: str, known: set[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
    """Groups of which no row has an answer stand in the table too, where it is known whose they are and of when."""
    mine = [row for row in lost if row["row_kind"] == kind and not row["anybody"]]
    if kind == PLAN:
        # Whatever acquires: its kind may be what is missing.
        seen = {(entity, year) for entity, _, year in known}
        plans = {(row["entity"], row["row_year"]) for row in mine if row["row_year"] is not None}
        return {(entity, None, year) for entity, year in plans - seen}
    keys = {tuple(row[key] for key in KEYS[kind]) for row in mine if row["law_date"] is not None}
    return keys - known


def _against(lost: Iterable[Row], kind: str, key: Mapping[str, Any]) -> str:
    """The rows without an answer that may belong to a group: its own, those of unknown kind or year, anybody's."""
    counts: dict[str, int] = {}
    for row in lost:
        whose = "row_municipality" if kind == CHARGING else "entity"
        mine = kind != NATIONAL and row[whose] in (key.get(whose), None)
        mine = mine and row["place"] in (key.get("place"), None) if kind == CHARGING else mine
        mine = mine and row["row_kind"] in (kind, None) and (kind != PLAN or row["row_year"] in (key["row_year"], None))
        if mine or row["anybody"]:
            counts[row["status"]] = counts.get(row["status"], 0) + row["len"]
    return "; ".join(f"rows_{status}:{count}" for status, count in sorted(counts.items()))


#: Figures that need the vehicles that count; and those that are wrong where a row of the group has no answer.
_OF_PART = ("achieved", "achieved_share", "shortfall", "extra")
_OF_SUMS = ("total", "required", *_OF_PART)


def _undetermined(row: Row, reason: str, without: Iterable[str] = _OF_SUMS) -> Row:
    return {**row, "status": "not_determined", "reason": reason, **dict.fromkeys(without)}


def _by_ground(rows: Iterable[Row]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["station_ground"]] = counts.get(row["station_ground"], 0) + int(row["stations"])
    return counts


def _sum(rows: Iterable[Row], name: str) -> int:
    return int(sum(row[name] or 0 for row in rows))


def _only(values: Iterable[Any]) -> Any:
    """The one value that all have, or None."""
    found = set(values)
    return found.pop() if len(found) == 1 else None


def _text(day: Any) -> str | None:
    return None if day is None else str(day)


def _flags() -> pl.Expr:
    return pl.col("flags").cast(pl.String).drop_nulls().str.split("; ").explode().unique().drop_nulls().alias("flags")


_LOST = ["row_kind", "entity", "place", "row_municipality", "row_year", "law_date", "anybody", "status"]
_FLEETS = pl.struct("law_date", "row_fleet", "row_fleet_zero_emission")
_WITHIN = {
    PLAN: [
        "row_municipality", "duty", "due_on", "plan_scope", "share_of_duty", "law1972_here", "law1972_due",
        "law1972_share_here", "gas_in_force", "gas_share_here",
    ],
    CHARGING: ["row_category", "charging_scope", "required_stations", "station_ground", "due_on"],
    PARKING: ["reason"],
    NATIONAL: ["required_vehicles", "shortfall_vehicles", "achieved_share", "due_on", "reason"],
}  # fmt: skip
_SUMS: dict[str, list[pl.Expr]] = {
    PLAN: [
        pl.col("row_acquired").cast(pl.Int64).sum().alias("acquired"),
        pl.col("row_zero_emission").cast(pl.Int64).sum().alias("zero_emission"),
        pl.col("row_gas").cast(pl.Int64).sum().alias("gas"),
        pl.col("row_gas").is_null().any().alias("gas_unknown"),
        _FLEETS.filter(pl.col("row_fleet").is_not_null()).unique().alias("fleets"),
    ],
    CHARGING: [
        pl.col("counted_stations").cast(pl.Int64).sum().alias("counted"),
        pl.col("row_stations").cast(pl.Int64).sum().alias("stations"),
    ],
    PARKING: [
        pl.col("required_spaces").cast(pl.Int64).first(),
        pl.col("required_spaces").cast(pl.Int64).sum().alias("spaces"),
        pl.col("shortfall_spaces").cast(pl.Int64).sum().alias("short"),
    ],
    NATIONAL: [],
}  # fmt: skip

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "kind": pl.String,
    "entity": pl.String,
    "municipality": pl.String,
    "when": pl.String,
    "duty": pl.String,
    "required_share": pl.Decimal(18, 4),
    "total": pl.Int64,
    "achieved": pl.Int64,
    "achieved_share": pl.Decimal(18, 6),
    "required": pl.Int64,
    "shortfall": pl.Int64,
    "extra": pl.Int64,
    "status": pl.String,
    "reason": pl.String,
    "due_on": pl.Date,
    "flags": pl.String,
}
