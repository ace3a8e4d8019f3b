"""Pictures: Vega-Lite specifications drawn on the machine itself (SVG, PNG), and plots for the terminal.

The same specification serves the command line, reports and pages; each carries its description for screen readers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from cleanfleet.law.errors import InputError
from cleanfleet.law.policy import Policy
from cleanfleet.law.values import Record, Value

#: Colours that colour-blind readers tell apart (Okabe and Ito's palette).
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]


def check_target(path: Path) -> None:
    """Refuse a picture's path that can't be written; raises :class:`InputError`."""
    if path.suffix.lower() not in (".svg", ".png"):
        raise InputError(f"{path}: a picture ends in .svg or .png")
    if not path.absolute().parent.is_dir():
        raise InputError(f"{path}: the folder does not exist")


def draw(spec: dict[str, Any], path: Path) -> None:
    """Draw a Vega-Lite specification to ``path`` (.svg or .png)."""
    import vl_convert

    check_target(path)
    full = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "background": "white",
        "config": {"font": "sans-serif", "axis": {"labelFontSize": 12, "titleFontSize": 13}, "title": {"fontSize": 15}},
        **spec,
    }
    if path.suffix.lower() == ".svg":
        path.write_text(vl_convert.vegalite_to_svg(json.dumps(full)), encoding="utf-8")
    else:
        path.write_bytes(vl_convert.vegalite_to_png(json.dumps(full), scale=2))


def draw_values(policy: Policy, value: Value, records: Sequence[Record], path: Path) -> None:
    """A value of the law over time: one line for each combination of keys; steps for standing values."""
    data = []
    for record in records:
        if isinstance(record.value, Decimal):
            when = record.period if record.period is not None else str(record.applies_from)
            data.append({"when": when, "value": float(record.value), "series": _series(record)})
    if not data:
        raise InputError(f"{value.name}: no number is known on {policy.known}")
    per_period = value.kind == "per_period"
    draw(
        {
            "title": {"text": value.description, "subtitle": f"{policy.title}, as known on {policy.known}"},
            "description": f"{value.description} over time, in {value.unit_text or 'a pure number'}.",
            "width": 560,
            "height": 320,
            "data": {"values": data},
            "mark": {"type": "line", "point": True, **({} if per_period else {"interpolate": "step-after"})},
            "encoding": {
                "x": {
                    "field": "when",
                    "type": "ordinal" if per_period else "temporal",
                    "title": value.period.replace("_", " ") if per_period else "from",
                    "axis": {"labelAngle": 0},
                },
                "y": {"field": "value", "type": "quantitative", "title": value.unit_text or value.name},
                "color": {"field": "series", "type": "nominal", "title": None, "scale": {"range": COLOURS}},
            },
        },
        path,
    )


def _series(record: Record) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {word}" for key, word in record.keys) or "all"


def plot_values(policy: Policy, value: Value, records: Sequence[Record]) -> None:
    """The same in the terminal."""
    from uniplot import plot

    series: dict[str, list[tuple[float, float]]] = {}
    for record in records:
        if isinstance(record.value, Decimal):
            day = record.applies_from
            when = float(record.period) if record.period is not None else (day.year + day.timetuple().tm_yday / 366 if day else 0.0)
            series.setdefault(_series(record), []).append((when, float(record.value)))
    if not series:
        raise InputError(f"{value.name}: no number is known on {policy.known}")
    names = list(series)
    plot(
        xs=[[x for x, _ in series[name]] for name in names],
        ys=[[y for _, y in series[name]] for name in names],
        legend_labels=names,
        lines=True,
        title=f"{value.name} [{value.unit_text}], as known on {policy.known}",
    )


def draw_assessment(policy: Policy, frame: pl.DataFrame, path: Path, *, of_rows: int) -> None:
    """Assessed vehicles: CO2 against tare weight, with each vehicle's own target, so that the distance is what counts.

    ``frame`` holds the answer columns beside ``tare_kg``; only determined rows are drawn.
    """
    needed = {"status", "tare_kg", "co2_3p_wltp_g_per_km", "target_g_per_km", "difference_g_per_km", "vehicle_type"}
    if not needed <= set(frame.columns):
        raise InputError(f"{policy.id} has no chart of an assessment")
    rows = frame.filter(pl.col("status") == "determined").select(
        pl.col("tare_kg").cast(pl.Float64).alias("tare"),
        pl.col("co2_3p_wltp_g_per_km").cast(pl.Float64).alias("co2"),
        pl.col("target_g_per_km").cast(pl.Float64).alias("target"),
        pl.when(pl.col("difference_g_per_km") >= 0).then(pl.lit("at or below target")).otherwise(pl.lit("above target")).alias("result"),
        pl.format("Type {}", pl.col("vehicle_type")).alias("type"),
    )
    if not rows.height:
        raise InputError("no row is determined; there is nothing to draw")
    of = "" if rows.height == of_rows else f" of {of_rows:,} rows"
    below = rows.filter(pl.col("result") == "at or below target").height
    x = {"field": "tare", "type": "quantitative", "title": "tare weight [kg]", "scale": {"zero": False}}
    draw(
        {
            "title": {
                "text": "CO2 of each vehicle and its target",
                "subtitle": f"{policy.title}; {rows.height:,} determined{of}, {below:,} at or below target",
            },
            "description": f"{rows.height} vehicles by tare weight and three-phase WLTP CO2; {below} are at or below their target.",
            "width": 640,
            "height": 400,
            "data": {"values": rows.to_dicts()},
            "layer": [
                {
                    "mark": {"type": "rule", "opacity": 0.35},
                    "encoding": {
                        "x": x,
                        "y": {"field": "target", "type": "quantitative"},
                        "y2": {"field": "co2"},
                        "color": {"field": "result", "type": "nominal"},
                    },
                },
                {
                    "mark": {"type": "tick", "thickness": 2, "color": "#000000", "width": 10, "orient": "horizontal"},
                    "encoding": {"x": x, "y": {"field": "target", "type": "quantitative"}},
                },
                {
                    "mark": {"type": "point", "filled": True, "size": 55},
                    "encoding": {
                        "x": x,
                        "y": {"field": "co2", "type": "quantitative", "title": "CO2, 3P-WLTP [g/km]; dash = target"},
                        "color": {
                            "field": "result",
                            "type": "nominal",
                            "title": None,
                            "scale": {"domain": ["at or below target", "above target"], "range": COLOURS[:2]},
                        },
                        "shape": {"field": "type", "type": "nominal", "title": None},
                    },
                },
            ],
        },
        path,
    )
