"""Colombia's heavy-duty engine limits once more, in plain Python: the cells of a report in, status and reasons out.

Nothing is taken from the package; every number is typed from the collected facts (C.0 to C.3). One report is a list of rows
(column -> text as it stands in a file, '' where empty).
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from decimal import Decimal

D = Decimal
RESULTS = ["co", "hc", "thc", "nmhc", "ch4", "nox", "pm", "pn_per_kwh", "nh3_ppm"]
SAME = ["fuel", "size_class", "gvw_kg", "obd", "in_circulation", "standard", "on"]
CYCLES = ["ECE R-49", "ESC", "ETC", "WHSC", "WHTC", "US HDTC"]
FUELS = ["diesel", "gasoline", "cng", "lng", "lpg"]
STANDARDS = [
    "Euro I", "Euro II", "Euro III", "Euro IV", "Euro V", "Euro VI", "US 1996", "US 1998", "US 2004", "US 2005", "US 2010",
]  # fmt: skip
SIZES = ["LHDGE", "HHDGE"]
ALIASES = {
    "acpm": "diesel", "gasolina": "gasoline", "gnv": "cng", "gnl": "lng", "glp": "lpg", "euro 2": "Euro II", "euro 6": "Euro VI",
    "us epa 1998": "US 1998", "r49": "ECE R-49", "ece r49": "ECE R-49", "hdtc": "US HDTC", "g/kw-h": "g/kWh", "g/bhp-hr": "g/bhp-h",
}  # fmt: skip

# (standard, engine or size class) -> cycle -> pollutant -> limit; a pair is two readings of a doubtful cell; a limit in a list is
# judged where a result is given, but the result need not be there.
Limit = Decimal | tuple[Decimal, Decimal] | list[Decimal | tuple[Decimal, Decimal]]
PN6, PN8 = D(600_000_000_000), D(800_000_000_000)
LIMITS: dict[tuple[str, str], dict[str, dict[str, Limit]]] = {
    ("Euro II", "diesel"): {"ECE R-49": {"co": D("4.0"), "hc": D("1.1"), "nox": D("7.0"), "pm": D("0.15")}},
    ("Euro III", "diesel"): {"ESC": {"co": D("2.1"), "hc": D("0.66"), "nox": D("5.0"), "pm": (D("0.10"), D("0.13"))}},
    ("Euro IV", "diesel"): {
        "ESC": {"co": D("1.5"), "hc": D("0.46"), "nox": D("3.5"), "pm": D("0.02")},
        "ETC": {"co": D("4.0"), "nmhc": D("0.55"), "nox": D("3.5"), "pm": D("0.03")},
    },
    ("Euro V", "diesel"): {
        "ESC": {"co": D("1.5"), "hc": D("0.46"), "nox": D("2.0"), "pm": D("0.02")},
        "ETC": {"co": D("4.0"), "nmhc": D("0.55"), "nox": D("2.0"), "pm": D("0.03")},
    },
    ("Euro VI", "diesel"): {
        "WHTC": {"co": D("4.0"), "thc": D("0.16"), "nox": D("0.46"), "pm": D("0.01"), "pn": PN6, "nh3": D(10)},
        "WHSC": {"co": D("1.5"), "thc": D("0.13"), "nox": D("0.40"), "pm": D("0.01"), "pn": PN8, "nh3": D(10)},
    },
    ("Euro IV", "gas"): {"ETC": {"co": D("4.0"), "nmhc": D("0.55"), "ch4": D("1.1"), "nox": D("3.5")}},
    ("Euro V", "gas"): {"ETC": {"co": D("4.0"), "nmhc": D("0.55"), "ch4": D("1.1"), "nox": D("2.0")}},
    ("Euro VI", "gas"): {
        "WHTC": {
            "co": D("4.0"),
            "nmhc": D("0.16"),
            "ch4": D("0.50"),
            "nox": D("0.46"),
            "pm": D("0.01"),
            "pn": PN6,
            "nh3": D(10),
        }
    },
    ("US 1996", "diesel"): {"US HDTC": {"co": D("15.5"), "hc": D("1.3"), "nox": D("5.0"), "pm": D("0.10")}},
    ("US 1998", "diesel"): {"US HDTC": {"co": D("15.5"), "hc": D("1.3"), "nox": D("4.0"), "pm": D("0.10")}},
    ("US 2004", "diesel"): {"US HDTC": {"co": D("15.5"), "nmhc_nox": D("2.4"), "pm": D("0.10")}},
    ("US 2010", "diesel"): {"US HDTC": {"co": D("15.5"), "nmhc": D("0.14"), "nox": D("0.20"), "pm": D("0.01")}},
    ("US 1998", "LHDGE"): {"US HDTC": {"co": D("14.4"), "hc": D("1.1"), "nox": D("4.0")}},
    ("US 1998", "HHDGE"): {"US HDTC": {"co": D("37.1"), "hc": D("1.9"), "nox": D("4.0")}},
    ("US 2005", "LHDGE"): {"US HDTC": {"co": D("14.4"), "nmhc_nox": D("1.0")}},
    ("US 2005", "HHDGE"): {"US HDTC": {"co": D("37.1"), "nmhc_nox": D("1.0")}},
    ("US 2010", "LHDGE"): {"US HDTC": {"co": D("14.4"), "nmhc": D("0.14"), "nox": D("0.20"), "pm": D("0.01")}},
}
#: Euro IV as Resolution 1111 took it over: NOx 3.5 or 7.0, NMHC 0.46 or 0.55; NOx must be measured on the ETC, PM on the ESC.
RES_1111: dict[str, dict[str, Limit]] = {
    "ESC": {"co": D("1.5"), "hc": D("0.46"), "nox": [(D("3.5"), D("7.0"))], "pm": D("0.02")},
    "ETC": {"co": D("4.0"), "nmhc": (D("0.46"), D("0.55")), "nox": (D("3.5"), D("7.0")), "pm": [D("0.03")]},
}
HC_FOR_NMHC = D("0.46")
#: First day of a standard whose first day lies after 2010.
FIRST = {"Euro VI": dt.date(2013, 1, 1)}

DAY_910, DAY_1111, DAY_0762, DAY_2035 = (dt.date(year, 1, 1) for year in (2010, 2015, 2023, 2035))


@dataclass
class Answer:
    """``reasons`` are codes as in the package's answer, in any order."""

    status: str
    reasons: set[str] = field(default_factory=set)
    required: str | None = None


# -- cells


class Bad(Exception):
    """A cell that can't be read, with the code of its refusal."""


def word(text: str, allowed: list[str]) -> str:
    folded = re.sub(r"[\s_\-]+", "_", text.strip().casefold())
    for one in allowed:
        if re.sub(r"[\s_\-]+", "_", one.casefold()) == folded:
            return one
    for alias, one in ALIASES.items():
        if re.sub(r"[\s_\-]+", "_", alias) == folded and one in allowed:
            return one
    raise Bad("unknown_value")


RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")


def number(text: str, places: int, low: int, high: int) -> tuple[Decimal, bool]:
    """The number and whether it is only a quantification limit."""
    text = text.strip()
    below = text.startswith("<")
    text = text.removeprefix("<").strip()
    power = re.fullmatch(r"([0-9.]+)\s*[x×*·]\s*10(?:(?:\^|\*\*)(\d+)|([⁰¹²³⁴⁵⁶⁷⁸⁹]+))", text)
    if power:
        text = f"{power[1]}e{power[2] or power[3].translate(RAISED)}"
    if re.fullmatch(r"[0-9.]+\s*[x×*·]\s*10\s*\d+", text):
        raise Bad("lost_exponent")
    if re.fullmatch(r"[+-]?[0-9]*,[0-9]+", text) and not re.fullmatch(r"[1-9][0-9]{0,2},[0-9]{3}", text):
        raise Bad("mixed_decimal_marks")
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        raise Bad("not_a_number")
    value = D(text)
    if not low <= value <= high:
        raise Bad("out_of_range")
    if value != value.quantize(D(1).scaleb(-places)):
        raise Bad("too_many_decimals" if places else "not_whole")
    return value, below


def truth(text: str) -> bool:
    if text.strip().casefold() in ("true", "yes", "si", "sí", "1"):
        return True
    if text.strip().casefold() in ("false", "no", "0"):
        return False
    raise Bad("not_a_boolean")


def day(text: str) -> dt.date:
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text.strip()):
            raise ValueError
        found = dt.date.fromisoformat(text.strip())
    except ValueError:
        raise Bad("not_a_date") from None
    if not dt.date(1990, 1, 1) <= found <= dt.date(2099, 12, 31):
        raise Bad("out_of_range")
    return found


@dataclass
class Row:
    cells: dict[str, object] = field(default_factory=dict)
    below: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)

    def of(self, name: str) -> Decimal:
        value = self.cells[name]
        assert isinstance(value, Decimal)
        return value


def read(raw: dict[str, str]) -> Row:
    row = Row()
    for name, text in raw.items():
        if name == "report" or not (text or "").strip():
            continue
        try:
            if name in RESULTS:
                places, high = {"pn_per_kwh": (0, 10**15), "nh3_ppm": (3, 100_000)}.get(name, (6, 1000))
                row.cells[name], below = number(text, places, 0, high)
                if below:
                    row.below.add(name)
            elif name == "gvw_kg":
                if text.strip().startswith("<"):
                    raise Bad("not_a_number")
                row.cells[name], _ = number(text, 0, 100, 200_000)
            elif name in ("obd", "in_circulation"):
                row.cells[name] = truth(text)
            elif name == "on":
                row.cells[name] = day(text)
            else:
                allowed = {
                    "fuel": FUELS,
                    "size_class": SIZES,
                    "standard": STANDARDS,
                    "cycle": CYCLES,
                    "unit": ["g/kWh", "g/bhp-h"],
                }
                row.cells[name] = word(text, allowed[name])
        except Bad as bad:
            row.refused.add(f"{bad}:{name}")
    return row


# -- the law


def required(engine: str, circulating: bool, on: dt.date) -> str | None:
    """The standard that must be met, 'none', or None where that is not known."""
    if circulating:
        return "Euro VI" if engine == "diesel" and on >= DAY_2035 else "none"
    if engine == "gasoline":
        return "none" if on < DAY_910 else "US 1998" if on < DAY_0762 else None
    if on >= DAY_0762:
        return "Euro VI"
    if on >= DAY_1111:
        return "Euro IV"
    return "Euro II" if engine == "diesel" and on >= DAY_910 else "none"


def admission(engine: str, needed: str, on: dt.date, standard: str) -> str | None:
    """'yes', 'obd' (only with OBD), 'no', or None where that is not known."""
    if needed == "Euro VI":
        return {"Euro VI": "yes", "US 2010": None}.get(standard, "no")
    if engine == "diesel" and needed == "Euro II":
        return "no" if standard in ("Euro I", "US 2005") else "yes"
    if engine == "diesel":
        return {"Euro IV": "yes", "Euro V": "obd", "Euro VI": "obd", "US 2010": "obd"}.get(standard, "no")
    if engine == "gas":
        return "yes" if standard in ("Euro IV", "Euro V", "Euro VI", "US 2005", "US 2010") else "no"
    return "yes" if standard in ("US 1998", "US 2005", "US 2010") else "no"


class Missing(Exception):
    """What the row's answer can't be given without."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.codes = {f"missing:{name}" for name in names}


@dataclass
class Judged:
    """What one row says for the report: its status, reasons, the cycles that the report needs, the required standard."""

    status: str
    reasons: dict[str, set[str]]
    cycles: list[str] = field(default_factory=list)
    required: str | None = None


def judge(row: Row) -> Judged:
    cells = row.cells
    known: dict[str, list[str] | str | None] = {"cycles": None, "required": None}
    try:
        return _judge(row, known)
    except Missing as missing:
        cycles = known["cycles"]
        needed = known["required"]
        assert needed is None or isinstance(needed, str)
        return Judged("incomplete", {"incomplete": missing.codes}, cycles if isinstance(cycles, list) else [], needed)
    finally:
        assert "report" not in cells


def _judge(row: Row, known: dict[str, list[str] | str | None]) -> Judged:
    cells = row.cells
    keys = [name for name in ("on", "fuel", "in_circulation") if name not in cells]
    fuel, on, circulating = cells.get("fuel"), cells.get("on"), cells.get("in_circulation")
    engine = {None: "", "diesel": "diesel", "gasoline": "gasoline"}.get(fuel, "gas")  # type: ignore[call-overload]
    weight = cells.get("gvw_kg")
    if not keys:
        known["required"] = required(engine, bool(circulating), on)  # type: ignore[arg-type]
    if weight is not None:
        if "on" not in cells:
            raise Missing("on")
        assert isinstance(weight, Decimal)
        if weight < 3500:
            return Judged("excluded", {"excluded": {"up_to_3500_kg"}})
    if keys:
        raise Missing(*keys)
    assert isinstance(on, dt.date)
    needed = required(engine, bool(circulating), on)
    if needed is None:
        raise Missing("standard_in_force")
    if needed == "none":
        return Judged("excluded", {"excluded": {"in_circulation_not_covered" if circulating else "before_first_standard"}})
    if weight is None:
        raise Missing("gvw_kg")
    doubtful = weight == 3500
    standard = cells.get("standard")
    if standard is None:
        raise Missing("standard")
    assert isinstance(standard, str)
    admitted = admission(engine, needed, on, standard)
    if admitted is None:
        raise Missing("admission")
    with_obd = admitted == "obd" or (not circulating and engine != "gasoline" and on >= DAY_0762)
    if admitted != "no" and with_obd and "obd" not in cells:
        raise Missing("obd")
    refusal = "standard" if admitted == "no" else "obd" if with_obd and not cells["obd"] else ""
    if refusal:
        if doubtful:
            return Judged("incomplete", {"incomplete": {"between:gvw_kg"}}, [], needed)
        return Judged("not_admitted", {"not_admitted": {f"not_admitted:{refusal}"}}, [], needed)
    return _limits(row, known, engine, needed, on, standard, doubtful)


def _limits(
    row: Row, known: dict[str, list[str] | str | None], engine: str, needed: str, on: dt.date, standard: str, doubtful: bool
) -> Judged:
    cells = row.cells
    of = engine
    if standard.startswith("US") and engine != "diesel":
        if "size_class" not in cells:
            raise Missing("size_class")
        of = str(cells["size_class"])
    if on < FIRST.get(standard, on):
        raise Missing("cycle" if "cycle" not in cells and not doubtful else "cycles")
    unknown = (standard, of) == ("US 2010", "HHDGE")
    table = RES_1111 if (engine, standard, needed) == ("diesel", "Euro IV", "Euro IV") else LIMITS.get((standard, of), {})
    known["cycles"] = cycles = ["US HDTC"] if unknown else list(table)
    cycle = cells.get("cycle")
    if cycle is None:
        if doubtful:
            return Judged("incomplete", {"incomplete": {"between:gvw_kg"}}, cycles, needed)
        raise Missing("cycle")
    assert isinstance(cycle, str)
    if unknown and cycle == "US HDTC":
        if doubtful:
            return Judged("incomplete", {"incomplete": {"between:gvw_kg"}}, cycles, needed)
        raise Missing("tested")
    here = table.get(cycle, {})
    if here and "unit" not in cells:
        if doubtful:
            return Judged("incomplete", {"incomplete": {"between:gvw_kg"}}, cycles, needed)
        raise Missing("unit")
    reasons: dict[str, set[str]] = {"fail": set(), "incomplete": set()}
    for pollutant, limit in here.items():
        _hold(row, pollutant, limit, cycle, lpg=cells["fuel"] == "lpg", res_1111=table is RES_1111, reasons=reasons)
    status = "fail" if reasons["fail"] else "incomplete" if reasons["incomplete"] else "pass"
    if doubtful:
        status = "incomplete"
        reasons["incomplete"].add("between:gvw_kg")
    return Judged(status, reasons, cycles, needed)


def _hold(
    row: Row, pollutant: str, limit: Limit, cycle: str, *, lpg: bool, res_1111: bool, reasons: dict[str, set[str]]
) -> None:
    asked = not isinstance(limit, list)
    bare = limit[0] if isinstance(limit, list) else limit
    least, most = bare if isinstance(bare, tuple) else (bare, bare)
    where = f"{pollutant}:{cycle}"
    columns = {"hc": ["hc", "thc"], "thc": ["hc", "thc"], "pn": ["pn_per_kwh"], "nh3": ["nh3_ppm"]}.get(
        pollutant, [pollutant]
    )
    if pollutant == "nmhc_nox":
        parts = [name for name in ("nmhc", "nox") if name in row.cells]
        if any(row.of(name) > most and name not in row.below for name in parts):
            reasons["fail"].add(f"over:{where}")
            return
        if len(parts) < 2:
            reasons["incomplete"].add(f"missing:{where}")
            return
        value, below = row.of("nmhc") + row.of("nox"), bool({"nmhc", "nox"} & row.below)
    else:
        name = next((name for name in columns if name in row.cells), None)
        if name is None and pollutant == "nmhc" and res_1111:
            name = next((name for name in ("hc", "thc") if name in row.cells), None)
            least = most = HC_FOR_NMHC
        if name is None:
            if asked:
                reasons["incomplete"].add(f"missing:{where}")
            return
        value, below = row.of(name), name in row.below
    if value <= least:
        return
    if below:
        reasons["incomplete"].add(f"unquantified:{where}")
    elif value > most and pollutant == "ch4" and lpg:
        reasons["incomplete"].add(f"between:{where}")
    elif value > most:
        reasons["fail"].add(f"over:{where}")
    else:
        reasons["incomplete"].add(f"between:{where}:{least.normalize():f}-{most.normalize():f}")


def answer(rows: list[dict[str, str]]) -> Answer:
    """The answer for the rows of one report."""
    found = [read(raw) for raw in rows]
    refused = {code for row in found for code in row.refused}
    for name in SAME:
        said = {str(row.cells[name]) for row in found if name in row.cells}
        if len(said) > 1:
            refused.add(f"contradiction:{name}")
        # a cell that is empty in one row, or no date at all, is said by another; a word that is unknown is not empty
        texts = [(raw[name], row.cells[name]) for row, raw in zip(found, rows, strict=True) if name in row.cells]
        for row, raw in zip(found, rows, strict=True):
            empty = not (raw.get(name) or "").strip() or f"not_a_date:{name}" in row.refused
            if name not in row.cells and empty and texts:
                row.cells[name] = max(texts, key=lambda text: text[0])[1]
    cycles = [row.cells["cycle"] for row in found if "cycle" in row.cells]
    if len(set(cycles)) < len(cycles):
        refused.add("duplicate:cycle")
    for row in found:
        standard, unit = row.cells.get("standard"), row.cells.get("unit")
        if standard and unit and "on" in row.cells:
            if (unit == "g/bhp-h") != str(standard).startswith("US"):
                refused.add("wrong_unit:unit")
        if "hc" in row.cells and "thc" in row.cells and row.cells["hc"] != row.cells["thc"]:
            refused.add("contradiction:thc")
    if not (rows[0].get("report") or "").strip():
        refused.add("missing:report")
        refused = {code for code in refused if code not in ("duplicate:cycle",) and not _shared(code)}
    if refused:
        return Answer("refused", refused)
    judged = [judge(row) for row in found]
    needs = [cycle for one in judged for cycle in one.cycles]
    lacking = {f"missing:cycle:{cycle}" for cycle in CYCLES if cycle in needs and cycle not in cycles}
    order = ["excluded", "not_admitted", "fail", "incomplete", "pass"]
    status = min((one.status for one in judged), key=order.index)
    if lacking and status == "pass":
        status = "incomplete"
    reasons = {code for one in judged for code in one.reasons.get(status, set())}
    if status == "incomplete":
        reasons |= lacking
    return Answer(status, reasons, next((one.required for one in judged if one.required), None))


def _shared(code: str) -> bool:
    kind, _, name = code.partition(":")
    return kind == "contradiction" and name in SAME
