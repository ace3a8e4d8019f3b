"""Sulfur limits by department on a day, and over time: a tile map and timelines, each with its table.

The map is our own: a square for each of the 24 departments and Callao, set roughly where it lies. No boundary is drawn.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import polars as pl

from cleanfleet.law.policy import Policy
from cleanfleet.law.values import number_date

#: Column and row of each department's tile, from the north-west.
TILES = {
    "tumbes": (0, 0), "loreto": (3, 0),
    "piura": (0, 1), "cajamarca": (1, 1), "amazonas": (2, 1), "san_martin": (3, 1),
    "lambayeque": (0, 2), "la_libertad": (1, 2), "huanuco": (2, 2), "ucayali": (3, 2),
    "ancash": (1, 3), "pasco": (2, 3), "junin": (3, 3),
    "callao": (0, 4), "lima": (1, 4), "huancavelica": (2, 4), "ayacucho": (3, 4), "cusco": (4, 4), "madre_de_dios": (5, 4),
    "ica": (2, 5), "apurimac": (3, 5), "puno": (4, 5),
    "arequipa": (3, 6), "moquegua": (4, 6), "tacna": (4, 7),
}  # fmt: skip

#: The fuels that are drawn, by the grade that the provisions know.
GRADES = {"diesel": "diesel_2", "regular": "regular", "premium": "premium"}

#: Colour and colour of the writing for each class of limit; each tile says its limit in figures too.
COLOURS = {
    "10": ("#004B7A", "#FFFFFF"),
    "50": ("#7FC4EE", "#000000"),
    "10 or 50": ("#CC79A7", "#000000"),
    "50 or 5000": ("#CC79A7", "#000000"),
    "5000": ("#E69F00", "#000000"),
    "exempt": ("#D55E00", "#FFFFFF"),
    "not known": ("#DDDDDD", "#000000"),
}

_WORDS = {
    "en": {"exempt": "exempt", "not known": "not known", "or": "or"},
    "es": {"exempt": "exceptuado", "not known": "no se conoce", "or": "o"},
}
_SAID = {
    "en": {
        "map": "Sulfur limit by department on {on}: {fuel}",
        "mg": "mg/kg",
        "star": "* suspended for a time; for how long is not known",
        "dagger": "† inferred or recalled only",
        "time": "Sulfur limits over time",
        "stage": "limits in mg/kg at {stage}",
        "known": "as known on {known}",
        "diesel": "diesel", "regular": "gasoline and gasohol 84, 90, Regular", "premium": "gasoline and gasohol 95, 97, 98, Premium",
        "wholesale": "wholesale", "retail": "filling stations", "all": "all departments", "others": "all other departments",
    },
    "es": {
        "map": "Límite de azufre por departamento el {on}: {fuel}",
        "mg": "mg/kg",
        "star": "* suspendido por un tiempo; no se conoce por cuánto",
        "dagger": "† solo inferido o recordado",
        "time": "Límites de azufre en el tiempo",
        "stage": "límites en mg/kg, {stage}",
        "known": "según lo conocido el {known}",
        "diesel": "diésel", "regular": "gasolina y gasohol 84, 90, Regular", "premium": "gasolina y gasohol 95, 97, 98, Premium",
        "wholesale": "mayoristas", "retail": "grifos", "all": "todos los departamentos", "others": "los demás departamentos",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Limit:
    """The limit of a grade at a place and day: ``limit`` and ``earlier`` [mg/kg], of which the second may already hold.

    ``exempt``: no limit holds. ``exception``: ``none``, ``in_force`` or ``not_known``. ``provision`` is the one that sets it,
    ``confidence`` its grade.
    """

    limit: Decimal | None
    earlier: Decimal | None
    exempt: bool
    exception: str
    provision: str
    confidence: str

    @property
    def kind(self) -> str:
        """The class of limit: a key of :data:`COLOURS` (or another limit's figure)."""
        if self.exempt:
            return "exempt"
        if self.limit is None:
            return "not known"
        return f"{self.limit:f}" if self.earlier is None else f"{self.earlier:f} or {self.limit:f}"


def limit_of(policy: Policy, department: str, on: dt.date, *, grade: str = "diesel_2", stage: str = "retail") -> Limit:
    """The limit that a batch is held to, from the dated values; raises :class:`UnknownName` for an unknown word."""
    place: dict[str, Any] = {"grade": grade, "department": department}
    exempt, why = policy.value("sulfur_exempt", on=on, **place)
    exception, _ = policy.value("temporary_exception", on=on, **place)
    provision, record = policy.value("sulfur_provision", on=on, stage_counted=stage, **place)
    if policy.value("diesel_2010")[0] == "law" and provision == "DS 061-2009-EM, outside the zones":
        provision = "Law 28694, art. 2"
    limit = earlier = None
    if provision is not None:
        limit, _ = policy.value("limit_of_provision", on=on, provision_applied=provision, grade=grade)
        coming, _ = policy.value("earlier_provision", on=on, **place)
        if coming not in (None, "none"):
            earlier, _ = policy.value("limit_of_earlier_provision", on=on, earlier_provision=coming)
            earlier = earlier if earlier is not None and limit is not None and earlier < limit else None
    stated = why if exempt else record
    return Limit(
        None if exempt else limit,
        None if exempt else earlier,
        bool(exempt),
        exception or "not_known",
        "" if exempt else provision or "",
        stated.confidence if stated is not None else "",
    )


def limits_on(policy: Policy, on: dt.date, *, fuel: str = "diesel", stage: str = "retail") -> pl.DataFrame:
    """A row for each department: ``department``, ``name``, ``limit_mg_per_kg``, ``kind``, ``exception``, ``provision``,
    ``confidence``, ``colour``; sorted by name. ``fuel`` is a key of :data:`GRADES`."""
    names = policy.texts.choices["department"]
    rows = []
    for department in policy.definition.column("department").choices:
        found = limit_of(policy, department, on, grade=GRADES[fuel], stage=stage)
        rows.append(
            {
                "department": department,
                "name": names[department].partition(" (")[0],
                "limit_mg_per_kg": None if found.earlier is not None else found.limit,
                "kind": found.kind,
                "exception": found.exception,
                "provision": found.provision or None,
                "confidence": found.confidence or None,
                "colour": COLOURS.get(found.kind, COLOURS["5000"])[0],
            }
        )
    return pl.DataFrame(rows, schema_overrides={"limit_mg_per_kg": pl.Decimal(18, 0)})


def said(policy: Policy, key: str, **parts: object) -> str:
    """A heading in the policy's language."""
    return _SAID.get(policy.texts.language, _SAID["en"])[key].format(**parts)


def kind_said(policy: Policy, kind: str) -> str:
    """A class of limit in the policy's language."""
    words = _WORDS.get(policy.texts.language, _WORDS["en"])
    return words.get(kind) or kind.replace(" or ", f" {words['or']} ")


def map_spec(policy: Policy, rows: pl.DataFrame, on: dt.date, *, fuel: str) -> dict[str, Any]:
    """The tile map of ``rows`` (:func:`limits_on`) as a Vega-Lite specification."""
    doubtful = {grade.grade for grade in policy.definition.grades if grade.doubtful}
    tiles = [
        {
            "x": TILES[row["department"]][0],
            "y": TILES[row["department"]][1],
            "name": row["name"].replace("Madre de Dios", "Madre|de Dios"),
            "limit": kind_said(policy, row["kind"])
            + ("" if row["exception"] == "none" else " *")
            + (" †" if row["confidence"] in doubtful else ""),
            "kind": kind_said(policy, row["kind"]),
            "ink": COLOURS.get(row["kind"], COLOURS["5000"])[1],
        }
        for row in rows.iter_rows(named=True)
    ]
    kinds = [kind for kind in COLOURS if kind in set(rows["kind"])]
    kinds += sorted(set(rows["kind"]) - set(kinds))
    scale = {
        "domain": [kind_said(policy, kind) for kind in kinds],
        "range": [COLOURS.get(k, COLOURS["5000"])[0] for k in kinds],
    }
    notes = [("star", (rows["exception"] != "none").any()), ("dagger", rows["confidence"].is_in(doubtful).any())]
    told = "; ".join(f"{row['name']} {kind_said(policy, row['kind'])}" for row in rows.iter_rows(named=True))
    side = 84
    x = {"field": "x", "type": "ordinal", "axis": None, "scale": {"domain": list(range(6)), "paddingInner": 0.06}}
    y = {"field": "y", "type": "ordinal", "axis": None, "scale": {"domain": list(range(8)), "paddingInner": 0.06}}
    ink = {"field": "ink", "type": "nominal", "scale": None}
    text = {"type": "text", "fontSize": 12, "lineBreak": "|"}
    return {
        "title": {
            "text": said(policy, "map", on=on.isoformat(), fuel=said(policy, fuel)),
            "subtitle": [said(policy, "known", known=policy.known), *(said(policy, key) for key, there in notes if there)],
            "anchor": "start",
        },
        "description": f"{said(policy, 'map', on=on.isoformat(), fuel=said(policy, fuel))}, {said(policy, 'mg')}: {told}",
        "width": {"step": side},
        "height": {"step": side * 0.72},
        "config": {"view": {"stroke": None}, "font": "sans-serif", "title": {"fontSize": 15}},
        "data": {"values": tiles},
        "encoding": {"x": x, "y": y},
        "layer": [
            {
                "mark": {"type": "rect", "cornerRadius": 4},
                "encoding": {
                    "color": {"field": "kind", "type": "nominal", "title": said(policy, "mg"), "scale": scale,
                              "legend": {"orient": "top-right", "offset": 0}}
                },
            },
            {"mark": {**text, "dy": -13}, "encoding": {"text": {"field": "name"}, "color": ink}},
            {"mark": {**text, "dy": 17, "fontWeight": "bold"}, "encoding": {"text": {"field": "limit"}, "color": ink}},
        ],
    }  # fmt: skip


def timelines(policy: Policy, *, stage: str = "retail") -> pl.DataFrame:
    """The history of the limits: ``fuel``, ``departments`` (names, those with the same history together), ``from``,
    ``until`` (null = open), ``kind``, ``provision``; in the order of fuel, departments and date."""
    cuts = policy.program.values["sulfur_provision"].index.args[0].data
    days = [number_date(cut) for cut in cuts if cut >= 20060101]
    names = policy.texts.choices["department"]
    rows: list[dict[str, Any]] = []
    for fuel, grade in GRADES.items():
        histories: dict[tuple[tuple[dt.date, str], ...], tuple[list[str], list[str]]] = {}
        for department in names:
            steps: list[tuple[dt.date, str]] = []
            provisions: list[str] = []
            for day in days:
                found = limit_of(policy, department, day, grade=grade, stage=stage)
                if not steps or steps[-1][1] != found.kind:
                    steps.append((day, found.kind))
                    provisions.append(found.provision)
            histories.setdefault(tuple(steps), ([], provisions))[0].append(names[department].partition(" (")[0])
        for history, (group, provisions) in sorted(histories.items(), key=lambda item: str(item[0])):
            where = ", ".join(group)
            if len(group) > len(names) // 2:
                where = said(policy, "all" if len(group) == len(names) else "others")
            for place, (day, kind) in enumerate(history):
                until = history[place + 1][0] if place + 1 < len(history) else None
                rows.append(
                    {
                        "fuel": fuel,
                        "departments": where,
                        "from": day,
                        "until": until,
                        "kind": kind,
                        "provision": provisions[place] or None,
                    }
                )
    return pl.DataFrame(rows, schema_overrides={"from": pl.Date, "until": pl.Date, "provision": pl.String})


def timeline_spec(policy: Policy, rows: pl.DataFrame, *, stage: str = "retail") -> dict[str, Any]:
    """The timelines (:func:`timelines`) as a Vega-Lite specification: a bar for each fuel and group of departments."""
    start, end = rows["from"].min(), rows["from"].max()
    assert isinstance(start, dt.date)
    assert isinstance(end, dt.date)
    end = dt.date(end.year + 2, 1, 1)
    wide = (end - start).days
    bars, lines = [], []
    for row in rows.iter_rows(named=True):
        line = _folded(f"{said(policy, row['fuel'])}: {row['departments']}")
        if line not in lines:
            lines.append(line)
        until = row["until"] or end
        kind = kind_said(policy, row["kind"])
        bars.append(
            {
                "line": line, "from": row["from"].isoformat(), "until": until.isoformat(), "kind": kind,
                "middle": (row["from"] + (until - row["from"]) / 2).isoformat(),
                "label": kind if (until - row["from"]).days > wide * (0.017 * len(kind)) else "",
                "ink": COLOURS.get(row["kind"], COLOURS["5000"])[1],
            }
        )  # fmt: skip
    kinds = [kind for kind in COLOURS if kind in set(rows["kind"])]
    kinds += sorted(set(rows["kind"]) - set(kinds))
    scale = {
        "domain": [kind_said(policy, kind) for kind in kinds],
        "range": [COLOURS.get(k, COLOURS["5000"])[0] for k in kinds],
    }
    y = {"field": "line", "type": "nominal", "sort": lines, "title": None,
         "axis": {"labelExpr": "split(datum.label, '|')", "labelLimit": 420, "labelFontSize": 11, "ticks": False}}  # fmt: skip
    x = {"type": "temporal", "title": None, "axis": {"format": "%Y", "tickCount": "year", "labelAngle": 0, "grid": True},
         "scale": {"domain": [start.isoformat(), end.isoformat()]}}  # fmt: skip
    told = "; ".join(f"{bar['line'].replace('|', ' ')}, {bar['from']}: {bar['kind']}" for bar in bars)
    return {
        "title": {
            "text": said(policy, "time"),
            "subtitle": f"{policy.title}; {said(policy, 'stage', stage=said(policy, stage))}; "
            + said(policy, "known", known=policy.known),
            "anchor": "start",
        },
        "description": f"{said(policy, 'time')}, {said(policy, 'mg')}. {told}",
        "width": 760,
        "height": {"step": 52},
        "data": {"values": bars},
        "layer": [
            {
                "mark": {"type": "bar", "stroke": "#FFFFFF", "strokeWidth": 1.5, "height": 34},
                "encoding": {
                    "x": {**x, "field": "from"},
                    "x2": {"field": "until"},
                    "y": y,
                    "color": {"field": "kind", "type": "nominal", "title": said(policy, "mg"), "scale": scale,
                              "legend": {"orient": "top", "direction": "horizontal"}},
                },
            },
            {
                "mark": {"type": "text", "fontSize": 12, "fontWeight": "bold"},
                "encoding": {
                    "x": {**x, "field": "middle"}, "y": y, "text": {"field": "label"},
                    "color": {"field": "ink", "type": "nominal", "scale": None},
                },
            },
        ],
    }  # fmt: skip


def _folded(text: str, width: int = 58) -> str:
    """A label in lines of at most ``width`` characters, joined by '|'."""
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "|".join(lines)
