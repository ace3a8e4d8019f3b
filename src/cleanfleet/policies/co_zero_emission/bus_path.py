"""The path of art. 8: the least share of zero-emission buses by year, as figures and as a picture with plans drawn in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from cleanfleet import charts
from cleanfleet.law.errors import InputError
from cleanfleet.law.policy import Policy

#: One shape for each entity whose plans are drawn in; more a picture can't tell apart.
SHAPES = ["square", "diamond", "triangle-up", "cross", "triangle-down", "circle"]
_WORDS = {"met": "meets the share", "not_met": "short of it", "not_determined": "not determined"}


@dataclass(frozen=True)
class Step:
    """The share that applies in a year, and how sure it is: ``grade`` of the record, ``doubtful`` where only recalled."""

    year: int
    share: Decimal | None
    grade: str
    doubtful: bool


def steps(policy: Policy, first: int, last: int) -> list[Step]:
    """The share of mass-transit acquisitions in each year, on its last day; None before the schedule or where not known."""
    doubtful = {grade.grade for grade in policy.definition.grades if grade.doubtful}
    found = []
    for year in range(first, last + 1):
        share, record = policy.value("bus_share", on=dt.date(year, 12, 31))
        grade = "" if record is None else record.confidence
        found.append(Step(year, share, grade, grade in doubtful))
    return found


def owed(policy: Policy, kind: str, acquired: int, zero_emission: int | None, first: int, last: int) -> list[dict[str, Any]]:
    """What ``acquired`` vehicles a year owe in each year: one row per year.

    Columns: ``year``, ``duty``, ``required_share``, ``required`` (zero-emission vehicles by art. 8), ``gas`` (by Law 2128),
    ``needed`` (zero-emission, all duties in force), ``together`` (possible, impossible); with ``zero_emission`` also
    ``status``, ``shortfall``, ``extra``; ``flags``. Computed by the policy itself, year by year.
    """
    rows = []
    for year in range(first, last + 1):
        given = 0 if zero_emission is None else zero_emission
        record = {"kind": "purchase_plan", "entity_kind": kind, "year": year, "vehicles_acquired": acquired,
                  "zero_emission_acquired": given, "municipality_category": "special"}  # fmt: skip
        found = policy.one(record)
        row = {
            "year": year, "duty": found["duty"], "required_share": found["required_share"],
            "required": found["required_vehicles"], "gas": found["gas_required_vehicles"],
            "needed": found["zero_emission_needed"], "together": found["duties_together"],
        }  # fmt: skip
        if zero_emission is not None:
            row |= {"status": found["status"], "shortfall": found["shortfall_vehicles"], "extra": found["extra_vehicles"]}
        else:
            row |= {"status": found["status"] if found["status"] in ("not_applicable", "not_determined") else None}
        rows.append({**row, "reason": found["reason"], "flags": found["flags"]})
    return rows


def draw(policy: Policy, duties: pl.DataFrame | None, path: Path, *, first: int = 2024, last: int = 2036) -> None:
    """Draw the steps to ``path`` (SVG or PNG); ``duties`` is the table of duties, whose mass-transit plans are drawn in.

    Raises :class:`InputError` where there is nothing to draw, or more plans than a picture can tell apart.
    """
    known = [step for step in steps(policy, first, last) if step.share is not None]
    if not known:
        raise InputError(f"no share of the bus schedule is known on {policy.known}")
    plans = _plans(duties)
    line = _line(known)
    marks = [
        {
            "year": s.year,
            "start": s.year - 0.5,  # where the step begins, clear of the plans of its years
            "share": float(s.share or 0),
            "kind": "recalled, found in no source" if s.doubtful else "sourced",
            "label": f"{(s.share or 0) * 100:.0f} %",
        }
        for s in _first_of_each(known)
    ]
    years = [step.year for step in known] + [plan["year"] for plan in plans]
    x = {
        "field": "year", "type": "quantitative", "title": "year of the acquisitions",
        "scale": {"domain": [min(years) - 0.7, max(years) + 0.7], "nice": False, "zero": False},
        "axis": {"format": "d", "tickMinStep": 1, "values": list(range(min(years), max(years) + 1)), "labelFlush": False},
    }  # fmt: skip
    y = {
        "field": "share", "type": "quantitative", "title": "zero-emission share of the vehicles acquired",
        "scale": {"domain": [0, 1.05]}, "axis": {"format": ".0%", "values": [0, 0.2, 0.4, 0.6, 0.8, 1]},
    }  # fmt: skip
    layers: list[dict[str, Any]] = [
        {
            "data": {"values": line},
            "mark": {"type": "line", "strokeWidth": 2, "color": "#000000"},
            "encoding": {"x": x, "y": y, "detail": {"field": "run"}, "order": {"field": "order"}},
        },
        {
            "data": {"values": marks},
            "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1, "stroke": "#000000", "strokeWidth": 1.5},
            "encoding": {
                "x": {**x, "field": "start"}, "y": y,
                "color": {"field": "kind", "type": "nominal", "title": "least share (black line)",
                          "scale": {"domain": ["sourced", "recalled, found in no source"], "range": ["#000000", "#ffffff"]},
                          "legend": {"symbolStrokeColor": "#000000", "labelLimit": 260}},
            },
        },
        {
            "data": {"values": marks},
            "mark": {"type": "text", "dy": -12, "align": "center", "fontSize": 12},
            "encoding": {"x": x, "y": y, "text": {"field": "label"}},
        },
    ]  # fmt: skip
    if plans:
        layers.append(_plan_layer(plans, x, y))
    told = "; ".join(f"from {s.year} {(s.share or 0) * 100:.0f} %" for s in _first_of_each(known))
    drawn = "; ".join(f"{p['entity']} {p['year']}: {p['share'] * 100:.1f} %, {p['result']}" for p in plans)
    charts.draw(
        {
            "title": {
                "text": "Zero-emission share of buses acquired for mass transit, Colombia",
                "subtitle": f"Law 1964 of 2019, art. 8 par. 1; of the vehicles acquired, not of the fleet; as known on {policy.known}",
                "anchor": "start",
            },
            "description": f"Least share by year: {told}." + (f" Plans: {drawn}." if drawn else ""),
            "width": 640,
            "height": 360,
            "resolve": {"scale": {"color": "independent", "shape": "independent"}},
            "layer": layers,
        },
        path,
    )


def _plan_layer(plans: list[dict[str, Any]], x: dict[str, Any], y: dict[str, Any]) -> dict[str, Any]:
    entities = list(dict.fromkeys(plan["entity"] for plan in plans))
    results = list(_WORDS.values())[:2]
    return {
        "data": {"values": plans},
        "mark": {"type": "point", "filled": True, "size": 130, "opacity": 1},
        "encoding": {
            "x": x, "y": y,
            "color": {"field": "result", "type": "nominal", "title": "plans",
                      "scale": {"domain": results, "range": charts.COLOURS[:2]}, "legend": {"symbolType": "circle"}},
            "shape": {"field": "entity", "type": "nominal", "title": None,
                      "scale": {"domain": entities, "range": SHAPES[: len(entities)]},
                      "legend": {"symbolFillColor": "#555555", "symbolStrokeColor": "#555555", "labelLimit": 260}},
        },
    }  # fmt: skip


def _plans(duties: pl.DataFrame | None) -> list[dict[str, Any]]:
    if duties is None:
        return []
    rows = duties.filter((pl.col("duty") == "bus_schedule") & pl.col("achieved_share").is_not_null()).rows(named=True)
    if not rows:
        raise InputError(
            "the file has no purchase plan of mass transit that the schedule binds; there is nothing to draw in"
        )
    entities = {row["entity"] for row in rows}
    if len(entities) > len(SHAPES):
        raise InputError(f"the file has plans of {len(entities)} entities; a picture can tell {len(SHAPES)} apart")
    return [
        {
            "entity": row["entity"] or "no name",
            "year": int(row["when"]),
            "share": float(row["achieved_share"]),
            "result": _WORDS[row["status"]],
        }
        for row in rows
    ]


def _line(known: Sequence[Step]) -> list[dict[str, Any]]:
    """Both ends of each year; years whose share isn't known break the line into runs."""
    points: list[dict[str, Any]] = []
    run = 0
    for before, step in zip([None, *known], known, strict=False):
        run += before is None or before.year + 1 < step.year
        for end in (-0.5, 0.5):
            points.append({"year": step.year + end, "share": float(step.share or 0), "run": run, "order": len(points)})
    return points


def _first_of_each(known: Sequence[Step]) -> list[Step]:
    return [
        step for before, step in zip([None, *known], known, strict=False) if before is None or before.share != step.share
    ]


__all__ = ["Step", "draw", "owed", "steps"]
