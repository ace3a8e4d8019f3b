"""Pictures: Vega-Lite specifications drawn on the machine itself (SVG, PNG), and plots for the terminal.

The same specification serves the command line, reports and pages; each carries its description for screen readers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import polars as pl

from cleanfleet.law.errors import InputError
from cleanfleet.law.policy import Policy
from cleanfleet.law.values import Record, Value

#: Colours that colour-blind readers tell apart (Okabe and Ito's palette).
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]

DASHES = [[1, 0], [7, 3], [2, 2], [9, 3, 2, 3]]
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross"]
WORDS = ["at or below target", "above target"]
#: Vehicles up to which each one's distance from its target is drawn.
FEW = 300


def check_target(path: Path) -> None:
    """Refuse a picture's path that can't be written; raises :class:`InputError`."""
    if path.suffix.lower() not in (".svg", ".png"):
        raise InputError(f"{path}: a picture ends in .svg or .png")
    if not path.absolute().parent.is_dir():
        raise InputError(f"{path}: the folder does not exist")
    _vl_convert()


def _vl_convert() -> Any:
    try:
        import vl_convert
    except ImportError:
        raise InputError("a picture needs vl-convert: pip install 'cleanfleet[report]'") from None
    return vl_convert


def draw(spec: dict[str, Any], path: Path) -> None:
    """Draw a Vega-Lite specification to ``path`` (.svg or .png)."""
    check_target(path)
    vl_convert = _vl_convert()
    full = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "background": "white",
        "config": {"font": "sans-serif", "axis": {"labelFontSize": 12, "titleFontSize": 13}, "title": {"fontSize": 15}},
        **spec,
    }
    if path.suffix.lower() == ".svg":
        path.write_text(_described(vl_convert.vegalite_to_svg(json.dumps(full)), spec), encoding="utf-8")
    else:
        path.write_bytes(vl_convert.vegalite_to_png(json.dumps(full), scale=2))


def _described(svg: str, spec: dict[str, Any]) -> str:
    """The picture with its title and description for screen readers, which Vega leaves out of the file."""
    title = spec.get("title", "")
    title = escape(title["text"] if isinstance(title, dict) else str(title))
    description = escape(str(spec.get("description", "")))
    start = svg.index("<svg") + 4
    end = svg.index(">", start) + 1
    label = quoteattr(str(spec.get("description", "")))
    head = f'{svg[:start]} role="img" aria-label={label}{svg[start:end]}'
    return f"{head}<title>{title}</title><desc>{description}</desc>{svg[end:]}"


def draw_values(policy: Policy, value: Value, records: Sequence[Record], path: Path) -> None:
    """A value of the law over time: one line for each combination of keys; steps for standing values."""
    known = _numbers(policy, value, records)
    per_period = value.kind == "per_period"
    points = [
        {"when": r.period if per_period else str(r.applies_from), "value": float(number), "series": _series(r)}
        for r, number in known
    ]
    series = list(dict.fromkeys(str(point["series"]) for point in points))
    line = [{**point, "order": order} for order, point in enumerate(sorted(points, key=lambda point: str(point["when"])))]
    if not per_period:
        line += _tails(known, len(points))
    x = {
        "field": "when",
        "type": "ordinal" if per_period else "temporal",
        "title": value.period.replace("_", " ") if per_period else "applies from",
        "axis": {
            "labelAngle": 0,
            **({} if per_period else {"format": "%Y", "tickCount": "year", "labelFlush": False, "gridOpacity": 0.5}),
        },
    }
    y = {"field": "value", "type": "quantitative", "title": value.unit_text or value.name.replace("_", " ")}
    # Colour, dash and shape tell the same, so that a picture without colours can be read too.
    legend = None if series == ["all"] else {"labelLimit": 320, "symbolStrokeWidth": 0, "symbolSize": 90}
    one = {"field": "series", "type": "nominal", "title": None, "legend": legend}
    color = {**one, "scale": {"domain": series, "range": _in_turn(COLOURS, len(series))}}
    shape = {**one, "scale": {"domain": series, "range": _in_turn(SHAPES, len(series))}}
    dash = {**one, "scale": {"domain": series, "range": _in_turn(DASHES, len(series))}, "legend": None}
    draw(
        {
            "title": {
                "text": value.description,
                "subtitle": f"{policy.title}, as known on {policy.known}",
                "anchor": "start",
            },
            "description": f"{value.description} over time, in {value.unit_text or 'a pure number'}: {_told(value, known)}.",
            "width": 560,
            "height": 320,
            "layer": [
                {
                    "data": {"values": line},
                    "mark": {"type": "line", "strokeWidth": 2, **({} if per_period else {"interpolate": "step-after"})},
                    "encoding": {"x": x, "y": y, "color": color, "strokeDash": dash, "order": {"field": "order"}},
                },
                {
                    "data": {"values": points},
                    "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
                    "encoding": {"x": x, "y": y, "color": color, "shape": shape},
                },
            ],
        },
        path,
    )


def _numbers(policy: Policy, value: Value, records: Sequence[Record]) -> list[tuple[Record, Decimal]]:
    """The records that hold a number and stand somewhere in time; raises :class:`InputError` where there is none."""
    if value.kind == "reading":
        raise InputError(f"{value.name} has no dates; there is nothing to draw over time")
    found = [(record, record.value) for record in records if isinstance(record.value, Decimal)]
    if not found:
        raise InputError(f"{value.name}: no number is known on {policy.known}")
    return found


def _tails(known: Sequence[tuple[Record, Decimal]], order: int) -> list[dict[str, Any]]:
    """Where the last step of each line ends: a year after the last date of all, or where the record itself ends."""
    last = max(record.applies_from for record, _ in known if record.applies_from)
    latest: dict[str, tuple[Record, Decimal]] = {}
    for record, number in sorted(known, key=lambda item: str(item[0].applies_from)):
        latest[_series(record)] = record, number
    return [
        {"when": str(record.until or last.replace(year=last.year + 1, day=min(last.day, 28))), "value": float(number),
         "series": name, "order": order + place}
        for place, (name, (record, number)) in enumerate(latest.items())
    ]  # fmt: skip


def _told(value: Value, known: Sequence[tuple[Record, Decimal]]) -> str:
    """The numbers in words, for who can't see the picture."""
    told = [
        f"{_series(r)} {r.period if r.period is not None else f'from {r.applies_from}'} {number:f}" for r, number in known
    ]
    return "; ".join(told[:40]) + ("; and more" if len(told) > 40 else "")


def _in_turn(marks: Sequence[Any], number: int) -> list[Any]:
    return [marks[i % len(marks)] for i in range(number)]


def _series(record: Record) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {word}" for key, word in record.keys) or "all"


def plot_values(policy: Policy, value: Value, records: Sequence[Record]) -> None:
    """The same in the terminal."""
    from uniplot import plot

    series: dict[str, list[tuple[float, float]]] = {}
    for record, number in _numbers(policy, value, records):
        day = record.applies_from
        when = (
            float(record.period) if record.period is not None else (day.year + day.timetuple().tm_yday / 366 if day else 0.0)
        )
        series.setdefault(_series(record), []).append((when, float(number)))
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
        pl.when(pl.col("difference_g_per_km") >= 0).then(pl.lit(WORDS[0])).otherwise(pl.lit(WORDS[1])).alias("result"),
        pl.format("Type {}", pl.col("vehicle_type")).alias("type"),
    )
    if not rows.height:
        raise InputError("no row is determined; there is nothing to draw")
    of = "" if rows.height == of_rows else f" of {of_rows:,} rows"
    below = rows.filter(pl.col("result") == WORDS[0]).height
    low, high = rows["tare"].min(), rows["tare"].max()
    assert isinstance(low, float)
    assert isinstance(high, float)
    types = sorted(rows["type"].unique())
    many = rows.height > FEW
    pad = max((high - low) * 0.04, 20.0)
    x = {
        "field": "tare",
        "type": "quantitative",
        "title": "tare weight [kg]",
        "axis": {"tickCount": 10, "labelFlush": False},
        "scale": {"domain": [low - pad, high + pad], "nice": False, "zero": False},
    }
    color = {
        "field": "result",
        "type": "nominal",
        "title": None,
        "scale": {"domain": WORDS, "range": COLOURS[:2]},
        "legend": {"symbolOpacity": 1, "symbolType": "circle", "symbolStrokeWidth": 0},
    }
    distance = {
        "mark": {"type": "rule", "opacity": 0.5},
        "encoding": {"x": x, "y": {"field": "target", "type": "quantitative"}, "y2": {"field": "co2"}, "color": color},
    }
    target = {
        "mark": {
            "type": "tick",
            "thickness": 1 if many else 2,
            "color": "#000000",
            "width": 4 if many else 10,
            "orient": "horizontal",
        },
        "encoding": {"x": x, "y": {"field": "target", "type": "quantitative"}},
    }
    vehicle = {
        "mark": {"type": "point", "filled": True, "size": 18 if many else 55, "opacity": 0.5 if many else 0.9},
        "encoding": {
            "x": x,
            "y": {"field": "co2", "type": "quantitative", "title": "CO2, 3P-WLTP [g/km]; black dash = target"},
            "color": color,
            "shape": {
                "field": "type",
                "type": "nominal",
                "title": None,
                "scale": {"domain": types, "range": ["square" if name == "Type B" else "circle" for name in types]},
                "legend": {"symbolOpacity": 1, "symbolFillColor": "#555555", "symbolStrokeColor": "#555555"},
            },
        },
    }
    draw(
        {
            "title": {
                "text": "CO2 of each vehicle and its target",
                "subtitle": f"{policy.title}; {rows.height:,} determined{of}, {below:,} at or below target",
                "anchor": "start",
            },
            "description": f"{rows.height} vehicles by tare weight and three-phase WLTP CO2; {below} at or below target.",
            "width": 640,
            "height": 400,
            "data": {"values": rows.to_dicts()},
            "layer": [vehicle, target] if many else [distance, target, vehicle],
        },
        path,
    )
