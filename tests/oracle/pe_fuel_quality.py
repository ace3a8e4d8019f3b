"""Peru's fuel quality rules, written a second time as one straight procedure over one record of texts.

Independent of ``src/cleanfleet`` on purpose: nothing is imported from there and every number below is typed from
``shared/facts/peru-and-colombia.md`` (A.., its tables A.2 and A.3). What reasons and flags mean is in the policy's README.
Sulfur is held in thousandths of a mg/kg, octane in tenths, so that everything is a whole number.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Mapping
from typing import NamedTuple

Day = dt.date

# -- when a thing became known: publication, else the last day of what is known of it
LAW_28694, DS_061_2009, RM_139, DS_025 = Day(2006, 3, 31), Day(2009, 12, 31), Day(2012, 3, 31), Day(2017, 12, 31)
DS_014, DS_002, DS_006, RM_255, DS_018 = (
    Day(2021, 5, 21),
    Day(2022, 3, 31),
    Day(2022, 6, 22),
    Day(2022, 7, 15),
    Day(2022, 12, 31),
)
DS_003, DS_011, PRESS_2015 = Day(2024, 2, 29), Day(2025, 9, 28), Day(2015, 12, 31)

DEPARTMENTS = (
    "amazonas", "ancash", "apurimac", "arequipa", "ayacucho", "cajamarca", "callao", "cusco", "huancavelica", "huanuco",
    "ica", "junin", "la libertad", "lambayeque", "lima", "loreto", "madre de dios", "moquegua", "pasco", "piura", "puno",
    "san martin", "tacna", "tumbes", "ucayali",
)  # fmt: skip
LIST_2018 = {
    "ancash",
    "apurimac",
    "ayacucho",
    "cajamarca",
    "huanuco",
    "huancavelica",
    "ica",
    "la libertad",
    "lambayeque",
    "pasco",
}
EXEMPT = {"loreto", "ucayali"}
WITH_84 = {"amazonas", "loreto", "madre de dios", "san martin"}


class Product(NamedTuple):
    fuel: str  # diesel, gasoline, gasohol
    name: str  # diesel: 1, 2 special, 2, b2, b5; else 84, 90, 95, 97, 98, regular, premium
    s50: bool
    use: str  # what the name says: vehicle, generation, ''


class Answer(NamedTuple):
    status: str
    reasons: frozenset[str]
    flags: frozenset[str]
    limit: int | None
    margin: int | None  # thousandths
    ron_min: int | None
    reference: str | None


def plain(text: str) -> str:
    """Lower case, no accents, blanks for blanks, hyphens and underscores."""
    bare = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(c))
    return re.sub(r"[\s_-]+", " ", bare.strip())


def product_of(text: str) -> Product | None:
    """The product that a name stands for; None for a name that isn't known."""
    words = plain(text)
    if found := re.fullmatch(r"gasohol (84|90|95|97|98)(?: plus)?", words):
        return Product("gasohol", found[1], False, "vehicle")
    if found := re.fullmatch(r"gasolina (?:super (?:extra )?)?(84|90|95|97|98)(?: sp)?", words):
        return Product("gasoline", found[1], False, "vehicle")
    if found := re.fullmatch(r"(gasohol|gasolina) (regular|premium)", words):
        return Product("gasohol" if found[1] == "gasohol" else "gasoline", found[2], False, "vehicle")
    if words == "diesel 1":
        return Product("diesel", "1", False, "")
    if words == "diesel 2 especial":
        return Product("diesel", "2 special", False, "")
    if found := re.fullmatch(r"(?:diesel (2|b2|b5)|d(b5))((?: (?:s 50|uv|ge))*)", words):
        more = found[3]
        use = "vehicle" if "uv" in more else "generation" if "ge" in more else ""
        return Product("diesel", found[1] or found[2], "s 50" in more, use)
    return None


# -- the law


def admitted(product: Product, department: str | None, stage: str, on: Day, known: Day) -> bool | str:
    """Whether the name may be sold; 'missing:..' where that isn't known."""
    if on < Day(2006, 1, 1):
        if product.fuel == "gasoline" and product.name == "84" and department is None:
            return "missing:department"
        return "missing:product_admitted"
    if product.fuel == "diesel":
        first = {"b2": Day(2009, 1, 1), "b5": Day(2011, 1, 1)}.get(product.name)
        return True if first is None or on >= first else "missing:product_admitted"
    new = product.name in ("regular", "premium")
    stays_84 = False
    if product.fuel == "gasoline" and product.name == "84":
        if department is None:
            return "missing:department"
        stays_84 = department in WITH_84
    if known < DS_014:
        return not new
    if stays_84:
        return on < (Day(2024, 7, 1) if known >= DS_018 else Day(2023, 7, 1))
    if known < DS_002:
        start = Day(2022, 7, 1)
    elif known < DS_006:
        start = Day(2022, 7, 31) if stage == "wholesale" else Day(2022, 8, 30)
    else:
        start = Day(2023, 1, 1)
    if new:
        return on >= start
    if known < DS_018 or on < Day(2023, 1, 1):
        return on < start
    if product.fuel == "gasohol" and product.name == "84":
        return on < Day(2024, 1, 1)
    if on >= Day(2023, 5, 1):
        return False
    return True if stage == "retail" else "missing:product_admitted"


def sulfur_grade(product: Product) -> str:
    if product.fuel == "diesel":
        return "diesel" if product.name in ("2", "b2", "b5") else f"diesel {product.name}"
    return "premium" if product.name in ("95", "97", "98", "premium") else "regular"


def exempt(grade: str, department: str, on: Day, known: Day) -> bool:
    if department not in EXEMPT or known < DS_014:
        return False
    if grade == "diesel":
        return on >= Day(2021, 7, 1)
    return grade == "regular" and on >= (Day(2022, 7, 1) if known < DS_006 else Day(2023, 1, 1))


def ten_mg(grade: str, known: Day) -> tuple[Day, str]:
    """From when 10 mg/kg surely hold, and by what: the same for all but the last dates."""
    if known >= DS_011:
        return (Day(2027, 12, 31) if grade == "diesel" else Day(2026, 12, 31)), "DS 011-2025-EM"
    if known >= DS_003:
        return Day(2025, 10, 1), "DS 003-2024-EM"
    return (Day(2024, 3, 31) if known >= DS_014 else Day.max), "DS 014-2021-EM, 10 ppm"


def limit(grade: str, department: str, stage: str, on: Day, known: Day) -> tuple[int, str, set[str]] | None:
    """The limit surely in force (mg/kg), its instrument, and the marks of a doubtful one; None where it isn't known."""
    twice = {"doubtful:sulfur_provision", "doubtful:limit_of_provision"}
    if grade in ("diesel 1", "diesel 2 special"):
        here = Day(2006, 1, 1) <= on < Day(2010, 1, 1)
        return (3000 if grade == "diesel 1" else 500, "DS 041-2005-EM", set()) if here else None
    ten, by = ten_mg(grade, known)
    if on >= ten:
        return 10, by, ({"doubtful:sulfur_provision"} if grade == "premium" and department in EXEMPT else set())
    if grade == "premium":
        start = Day(2018, 1, 1) if stage == "wholesale" else Day(2018, 4, 1)
        return (50, "DS 025-2017-EM", set()) if on >= start and known >= DS_025 else None
    if grade == "regular":
        if DS_014 <= known < DS_006 and on >= Day(2022, 7, 1):
            return 50, "DS 014-2021-EM, art. 2", set()
        return (50, "DS 006-2022-EM", set()) if known >= DS_006 and on >= Day(2023, 1, 1) else None
    if on >= Day(2021, 7, 1) and known >= DS_014:
        return 50, "DS 014-2021-EM, art. 2", set()
    start = Day(2018, 1, 1) if stage == "wholesale" else Day(2018, 4, 1)
    if department in LIST_2018 and on >= start and known >= DS_025:
        return 50, "DS 025-2017-EM", {"doubtful:sulfur_provision"}
    if department in ("junin", "moquegua", "tacna") and on >= Day(2016, 1, 1) and known >= PRESS_2015:
        return 50, "2016, instrument not known", set()
    six = ("lima", "callao", "arequipa", "cusco", "puno", "madre de dios")
    if department in six and on >= Day(2012, 7, 29) and known >= RM_139:
        return 50, "RM 139-2012-MEM/DM", set()
    if on >= Day(2010, 1, 1) and known >= LAW_28694:
        if department in ("lima", "callao") or known < DS_061_2009:
            return 50, "Law 28694, art. 2", set()
        return 5000, "DS 061-2009-EM, outside the zones", twice
    return (5000, "DS 041-2005-EM", set()) if on >= Day(2006, 1, 1) else None


def lower(grade: str, department: str, on: Day, known: Day) -> tuple[int, str] | None:
    """A lower limit that may already hold, as the day of its beginning isn't certain."""
    if grade in ("diesel", "regular", "premium") and DS_014 <= known < DS_003 and Day(2024, 1, 1) <= on < Day(2024, 3, 31):
        return 10, "DS 014-2021-EM, 10 ppm"
    four = ("arequipa", "cusco", "puno", "madre de dios")
    if grade == "diesel" and department in four and known >= RM_139 and Day(2012, 6, 29) <= on < Day(2012, 7, 29):
        return 50, "RM 139-2012-MEM/DM"
    return None


LEAST_RON = {"84": 84, "90": 90, "95": 95, "97": 97, "98": 98, "regular": 91, "premium": 96}
METHODS = {"d5453": (1, 8000), "d4294": (17, None), "d2622": (None, None), "d7039": (None, None), "other": (None, None)}

# -- cells

RANGES = {"sulfur_mg_per_kg": (0, 100_000, 3), "ron": (50, 130, 1), "volume_m3": (0, 10_000_000, 3)}
WORDS = {
    "use": {"vehicle": "vehicle", "uv": "vehicle", "uso vehicular": "vehicle", "vehicular": "vehicle", "ge": "generation",
            "generation": "generation", "generacion electrica": "generation", "other": "other", "otro": "other"},
    "stage": {"wholesale": "wholesale", "mayorista": "wholesale", "importador": "wholesale", "retail": "retail",
              "minorista": "retail", "grifo": "retail", "evpc": "retail"},
    "sulfur_unit": {"mg/kg": "mg/kg", "ppm": "mg/kg", "ppm m/m": "mg/kg"},
    "method": {f"{lead}{name}": name for name in METHODS for lead in ("", "astm ")},
    "department": {**{name: name for name in DEPARTMENTS}, "15": "lima", "07": "callao", "cuzco": "cusco"},
}  # fmt: skip


def number(text: str, name: str) -> int | str:
    """A cell in units of its last counted place, or why it is refused."""
    low, high, places = RANGES[name]
    if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)", text):
        return "not_a_number"
    whole, _, part = text.lstrip("+-").partition(".")
    value = int((whole or "0") + part.ljust(12, "0")) * (-1 if text.startswith("-") else 1)
    if not low * 10**12 <= value <= high * 10**12:
        return "out_of_range"
    return "too_many_decimals" if value % 10 ** (12 - places) else value // 10 ** (12 - places)


def assess(row: Mapping[str, str | None], known: Day) -> Answer:
    """One batch, its cells as texts (None or '' where empty), under the law as known on a day."""
    cells = {name: (text or "").strip() for name, text in row.items()}
    refused: set[str] = set()
    read: dict[str, int | None] = {}
    below = cells.get("sulfur_below_quantification", "").lower() in ("true", "yes", "1")
    sulfur_text = cells.get("sulfur_mg_per_kg", "")
    if len(sulfur_text) > 1 and sulfur_text.startswith("<") and sulfur_text[1:].strip():
        below, sulfur_text = True, sulfur_text[1:].strip()
    for name in RANGES:
        text = sulfur_text if name == "sulfur_mg_per_kg" else cells.get(name, "")
        found = number(text, name) if text else None
        read[name] = None if isinstance(found, str) else found
        if isinstance(found, str):
            refused.add(f"{found}:{name}")
    words: dict[str, str | None] = {}
    for name, known_words in WORDS.items():
        text = plain(cells.get(name, ""))
        words[name] = known_words.get(text)
        if text and words[name] is None:
            refused.add(f"unknown_value:{name}")
    product = product_of(cells["product"]) if cells.get("product") else None
    if cells.get("product") and product is None:
        refused.add("unknown_value:product")
    on: Day | None = None
    if text := cells.get("sampled_on", ""):
        try:
            on = Day.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else None
        except ValueError:
            on = None
        if on is None:
            refused.add("not_a_date:sampled_on")
        elif not Day(2000, 1, 1) <= on <= Day(2099, 12, 31):
            refused.add("out_of_range:sampled_on")
    use, stage, department = words["use"], words["stage"], words["department"]
    if product and use and product.fuel == "diesel" and product.use and product.use != use:
        refused.add("contradiction:use")
    if refused:
        return Answer("refused", frozenset(refused), frozenset(), None, None, None, None)
    return _judged(product, department, on, read, words["method"], use, stage, below, known)


def _judged(
    product: Product | None,
    department: str | None,
    on: Day | None,
    read: Mapping[str, int | None],
    method: str | None,
    use: str | None,
    stage: str | None,
    below: bool,
    known: Day,
) -> Answer:
    sulfur, ron = read["sulfur_mg_per_kg"], read["ron"]
    flags: set[str] = set()
    if stage is None:
        flags.add("stage_assumed_retail")
    if use is None and product and not product.use:
        flags.add("use_assumed_vehicle")
    if below:
        flags.add("below_quantification")
    scope = METHODS.get(method or "", (None, None))
    if on and method and sulfur is not None and scope[0] is not None and not below:
        if sulfur < scope[0] * 1000 or (scope[1] is not None and sulfur > scope[1] * 1000):
            flags.add("result_outside_method_scope")
    if product and product.s50 and on and sulfur is not None and sulfur > 50_000 and not below:
        flags.add("exceeds_s50_name")
    if use is None and product is None:
        return Answer("not_determined", frozenset({"missing:product"}), frozenset(flags), None, None, None, None)
    for_vehicles = use == "vehicle" or (use is None and product is not None and product.use != "generation")
    if not for_vehicles:
        return Answer("not_determined", frozenset({"outside_vehicle_scope"}), frozenset(flags), None, None, None, None)
    lacking = {f"missing:{name}" for name, cell in (("product", product), ("sampled_on", on)) if cell is None}
    if product and product.fuel == "gasoline" and product.name == "84" and department is None:
        lacking.add("missing:department")
    if lacking or product is None or on is None:
        return Answer("not_determined", frozenset(lacking), frozenset(flags), None, None, None, None)
    if product.fuel == "diesel" and product.name != "b5" and on >= Day(2011, 1, 1):
        flags.add("blend_below_b5")
    sold = admitted(product, department, stage or "retail", on, known)
    if isinstance(sold, str):
        return Answer("not_determined", frozenset({sold}), frozenset(flags), None, None, None, None)
    if not sold:
        reference = "DS 014-2021-EM, art. 1"
        return Answer("non_compliant", frozenset({"product_not_admitted"}), frozenset(flags), None, None, None, reference)
    least_ron = None if product.fuel == "diesel" else LEAST_RON[product.name]
    if department is None:
        return Answer("not_determined", frozenset({"missing:department"}), frozenset(flags), None, None, least_ron, None)
    ron_missing = least_ron is not None and ron is None
    ron_low = least_ron is not None and ron is not None and ron < least_ron * 10
    grade = sulfur_grade(product)
    if exempt(grade, department, on, known):
        reference = "DS 014-2021-EM, exempt departments"
        status, why = ("non_compliant", "ron_below_minimum") if ron_low else ("exempt", "exempt_department")
        if ron_missing:
            status, why = "not_determined", "missing:ron"
        return Answer(status, frozenset({why}), frozenset(flags), None, None, least_ron, reference)
    found = limit(grade, department, stage or "retail", on, known)
    if grade == "regular" and known >= DS_018 and Day(2023, 1, 1) <= on < Day(2023, 5, 1):
        flags.add("regular_date_not_certain")
    if found is None:
        lacking = {"missing:sulfur_provision"} | ({"missing:sulfur_mg_per_kg"} if sulfur is None else set())
        return Answer("not_determined", frozenset(lacking), frozenset(flags), None, None, least_ron, None)
    highest, instrument, marks = found
    maybe = lower(grade, department, on, known)
    maybe = maybe if maybe and maybe[0] < highest else None
    least = maybe[0] if maybe else highest
    if maybe:
        flags.add("limit_date_not_certain")
    if scope[0] is not None and scope[0] > least:
        flags.add("method_unsuitable_for_limit")
    if product.fuel == "diesel" and product.name in ("2", "b2", "b5") and not product.s50 and highest <= 50:
        flags.add("name_without_s50")
    shown = None if maybe else highest
    if sulfur is None:
        return Answer(
            "not_determined", frozenset({"missing:sulfur_mg_per_kg"}), frozenset(flags), shown, None, least_ron, None
        )
    margin = None if maybe or (below and sulfur > highest * 1000) else highest * 1000 - sulfur
    reference: str | None = maybe[1] if maybe else instrument
    why = "none"
    if sulfur > least * 1000:
        if below:
            why = "quantification_above_limit"
        elif sulfur <= highest * 1000:
            why = "limit_date_not_certain"
        else:
            why = "sulfur_above_limit_and_ron_below_minimum" if ron_low else "sulfur_above_limit"
            if grade == "diesel" and department in ("tumbes", "piura", "amazonas") and on >= RM_255 and known >= RM_255:
                if on < ten_mg(grade, known)[0]:
                    why, reference = "missing:temporary_exception", None
                else:  # an exception from 50 is read as none from 10
                    marks = marks | {"doubtful:temporary_exception"}
    if not why.startswith(("sulfur_above", "missing:")):
        if ron_missing:
            why = "missing:ron"
        elif ron_low:
            why = "ron_below_minimum"
    if why == "none":
        status = "compliant"
    elif why.startswith("missing:") or why in ("quantification_above_limit", "limit_date_not_certain"):
        status = "not_determined"
    else:
        status = "non_compliant"
    if not why.startswith("missing:"):
        flags |= marks
    reasons = frozenset() if why == "none" else frozenset({why})
    return Answer(status, reasons, frozenset(flags), shown, margin, least_ron, reference)
