"""The curve of the Clean Car Discount: what a new and a used vehicle gets or pays at each gram, in each period.

Every figure comes from the policy itself, so that the picture can't say anything else than an assessment does.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from cleanfleet.law.errors import InputError
from cleanfleet.law.policy import Policy

#: A day of each period; the interim scheme goes by the powertrain, the others by CO2.
DAYS = {"interim": dt.date(2021, 10, 1), "april_2022": dt.date(2022, 10, 1), "july_2023": dt.date(2023, 10, 1)}
TITLES = {
    "interim": "1 July 2021 - 31 March 2022 (by powertrain, whatever the CO2)",
    "april_2022": "1 April 2022 - 30 June 2023",
    "july_2023": "1 July - 31 December 2023",
}
CONDITIONS = ["new", "used"]
LAST_G = 350
#: What the interim scheme's lines are: powertrain, where the words begin, the words.
LABELS = [
    ("battery_electric", 5, "battery-electric"),
    ("plug_in_hybrid", 90, "plug-in hybrid"),
    ("petrol", 90, "all others: nothing"),
]
#: Two grams' steps differ by the rounding of cents alone where they differ by no more than this.
CENTS = Decimal("0.02")


def curve(policy: Policy, *, gst: bool = True, last_g: int = LAST_G) -> pl.DataFrame:
    """What a vehicle that meets the conditions gets (above 0) or pays (below 0) at each whole gram.

    Returns a frame with ``period``, ``condition``, ``powertrain``, ``band``, ``co2_g_per_km`` (Int64) and ``amount_nzd``
    (exact decimal; with GST, or with ``gst`` false without). The interim scheme has a battery-electric vehicle at 0 g, and
    a plug-in hybrid and a petrol vehicle at each gram; the later periods a petrol vehicle. Raises :class:`InputError` where
    the law read (``known``) doesn't know a period or a gram isn't determined.
    """
    rows = [
        (period, day, condition, powertrain, gram)
        for period, day in DAYS.items()
        for condition in CONDITIONS
        for powertrain, grams in _vehicles(period, last_g)
        for gram in grams
    ]
    frame = pl.DataFrame(
        rows, schema=["asked", "registered_on", "condition", "powertrain", "co2_g_per_km"], orient="row"
    ).with_columns(
        vehicle_class=pl.lit("MA"),
        co2_cycle=pl.lit("3P-WLTP"),
        ordered_on=pl.col("registered_on"),
        price_incl_gst_nzd=pl.lit(0),
        safety_stars=pl.lit(5),
    )
    answered: pl.DataFrame = policy.assess(frame).frame
    found = answered.cast({"status": pl.String, "period": pl.String, "band": pl.String})
    known = found.filter((pl.col("status") == "determined") & (pl.col("period") == pl.col("asked")))
    if known.height < found.height:
        lacking = found.join(known, on=frame.columns, how="anti", nulls_equal=True).row(0, named=True)
        raise InputError(
            f"the curve isn't known as of {policy.known}: a {lacking['condition']} vehicle of {lacking['co2_g_per_km']} g/km "
            f"registered on {lacking['registered_on']} is {lacking['status'].replace('_', ' ')} ({lacking['reason'] or lacking['period']})"
        )
    plus, minus = ("rebate_payable_nzd", "charge_incl_gst_nzd") if gst else ("rebate_excl_gst_nzd", "charge_excl_gst_nzd")
    return known.select(
        "period", "condition", "powertrain", "band", "co2_g_per_km", (pl.col(plus) - pl.col(minus)).alias("amount_nzd")
    )


def _vehicles(period: str, last_g: int) -> list[tuple[str, Sequence[int]]]:
    whole = range(last_g + 1)
    if period == "interim":
        return [("battery_electric", [0]), ("plug_in_hybrid", whole), ("petrol", whole)]
    return [("petrol", whole)]


def corners(frame: pl.DataFrame) -> list[tuple[str, str, int, Decimal, Decimal]]:
    """(period, powertrain, gram, new, used) at the grams where one of the two lines begins, bends, jumps or ends."""
    found = []
    for (period, powertrain), part in frame.group_by("period", "powertrain", maintain_order=True):
        lines = [part.filter(pl.col("condition") == name).sort("co2_g_per_km") for name in CONDITIONS]
        amounts = [line["amount_nzd"].to_list() for line in lines]
        grams = lines[0]["co2_g_per_km"].to_list()
        for place, gram in enumerate(grams):
            bends = place in (0, len(grams) - 1) or any(
                abs((line[place + 1] - line[place]) - (line[place] - line[place - 1])) > CENTS for line in amounts
            )
            if bends:
                found.append((str(period), str(powertrain), int(gram), amounts[0][place], amounts[1][place]))
    return found


def draw_curve(policy: Policy, frame: pl.DataFrame, path: Path, *, gst: bool = True) -> None:
    """Draw :func:`curve`'s frame: a panel for each period, rebates above and charges below the line."""
    from cleanfleet import charts

    money = "NZ$ with GST" if gst else "NZ$ without GST"
    charts.draw(
        {
            "title": {
                "text": "Rebate (above 0) or charge (below 0) by CO2",
                "subtitle": f"{policy.title}, as known on {policy.known}; {money}",
                "anchor": "start",
                "offset": 14,
            },
            "description": _told(frame, money),
            "spacing": 18,
            "vconcat": [_panel(frame.filter(pl.col("period") == period), period, money) for period in DAYS],
        },
        path,
    )


def _panel(frame: pl.DataFrame, period: str, money: str) -> dict[str, Any]:
    from cleanfleet import charts

    last = frame["co2_g_per_km"].max()
    # A band of one gram is a point, not a line; where a band ends the line breaks off rather than falling to the next one.
    rows = frame.select(
        pl.col("co2_g_per_km").alias("co2"),
        pl.col("amount_nzd").cast(pl.Float64).alias("amount"),
        pl.col("condition"),
        (pl.col("powertrain") + " " + pl.col("band")).alias("segment"),
        (pl.len().over("condition", "powertrain", "band") == 1).alias("alone"),
    )
    x = {
        "field": "co2",
        "type": "quantitative",
        "title": "CO2, three-phase WLTP [g/km]" if period == list(DAYS)[-1] else None,
        "scale": {"domain": [0, last], "nice": False},
        "axis": {"tickCount": 14, "labelFlush": False},
    }
    y = {
        "field": "amount",
        "type": "quantitative",
        "title": money,
        "scale": {"domain": [-8000, 10000], "nice": False},
        "axis": {
            "values": list(range(-8000, 10001, 2000)),
            "format": ",d",
            "labelOverlap": False,
            "grid": True,
            "labelFontSize": 11,
        },
    }
    colour = {
        "field": "condition",
        "type": "nominal",
        "title": None,
        "scale": {"domain": CONDITIONS, "range": charts.COLOURS[:2]},
        "legend": {"orient": "bottom-right", "labelFontSize": 12, "offset": 4, "symbolStrokeWidth": 0, "symbolSize": 90},
    }
    dash = {
        "field": "condition",
        "type": "nominal",
        "scale": {"domain": CONDITIONS, "range": [charts.DASHES[0], charts.DASHES[1]]},
        "legend": None,
    }
    shape = {
        "field": "condition",
        "type": "nominal",
        "scale": {"domain": CONDITIONS, "range": charts.SHAPES[:2]},
        "legend": None,
    }
    labels = [
        {"co2": gram, "amount": float(amount), "text": text}
        for powertrain, gram, text in LABELS
        for amount in frame.filter((pl.col("powertrain") == powertrain) & (pl.col("co2_g_per_km") == 0))[
            "amount_nzd"
        ].unique()
        if period == "interim"
    ]
    return {
        "title": {"text": TITLES[period], "anchor": "start", "fontSize": 13},
        "width": 660,
        "height": 190,
        "layer": [
            {
                "mark": {"type": "rule", "color": "#777777"},
                "data": {"values": [{}]},
                "encoding": {"y": {"datum": 0, "type": "quantitative"}},
            },
            {
                "data": {"values": rows.filter(~pl.col("alone")).to_dicts()},
                "mark": {"type": "line", "strokeWidth": 2.5},
                "encoding": {"x": x, "y": y, "color": colour, "strokeDash": dash, "detail": {"field": "segment"}},
            },
            {
                "data": {"values": rows.filter(pl.col("alone")).to_dicts()},
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1, "clip": False},
                "encoding": {"x": x, "y": y, "color": colour, "shape": shape},
            },
            {
                "data": {"values": labels},
                "mark": {"type": "text", "align": "left", "baseline": "bottom", "dy": -3, "fontSize": 11},
                "encoding": {"x": x, "y": y, "text": {"field": "text"}},
            },
        ],
    }


def _told(frame: pl.DataFrame, money: str) -> str:
    """The corners in words, for who can't see the picture."""
    parts = []
    for period, powertrain, gram, new, used in corners(frame):
        what = f"{powertrain.replace('_', ' ')}, " if period == "interim" else ""
        parts.append(f"{period.replace('_', ' ')}, {what}{gram} g: new {new}, used {used}")
    return f"{money} at each gram of CO2 where a line bends: {'; '.join(parts)}."
