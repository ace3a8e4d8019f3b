"""A second checker of Colombia's Law 1964, written apart from the rules: figures typed from the collection of facts, one record at a time.

``answer`` gives status, the set of reasons, the set of flags and the figures of one record; ``records`` makes random ones. A
figure that can't be told is a :class:`Lack`, the set of names that are lacking.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Day = dt.date
POWERTRAINS = ["battery_electric", "fuel_cell", "plug_in_hybrid", "hybrid", "combustion"]
SYSTEMS = ["mass_transit", "strategic_transit", "integrated_transit", "regional_transit"]
ENTITIES = [*SYSTEMS, "transport_provider", "government", "national_government"]
CATEGORIES = ["special", "first", "second", "third", "fourth", "fifth", "sixth"]
CHOICES = {
    "kind": ["vehicle", "purchase_plan", "charging", "parking", "national"],
    "municipality": ["bogota", "cali", "medellin", "buenaventura", "tumaco", "other"],
    "municipality_category": CATEGORIES,
    "powertrain": POWERTRAINS,
    "body": ["car", "motorcycle"],
    "restriction": ["traffic", "security"],
    "local_incentives": ["none", "tax", "registration", "parking", "all"],
    "entity_kind": ENTITIES,
    "operator": ["municipality", "partnership", "private"],
}
WHOLE = {
    "value_cop": 100_000_000_000, "soat_premium_cop": 1_000_000_000, "inspection_price_cop": 1_000_000_000,
    "vehicles_acquired": 1_000_000, "zero_emission_acquired": 1_000_000, "dedicated_gas_acquired": 1_000_000,
    "fleet_vehicles": 1_000_000, "fleet_zero_emission": 1_000_000, "stations": 100_000, "parking_spaces": 10_000_000,
    "electric_parking_spaces": 10_000_000, "registered_electric": 100_000_000,
}  # fmt: skip
FIRST, LAST = Day(1998, 1, 1), Day(2099, 12, 31)
#: year: pesos up to which 1.5 % and 2.5 % are due (facts B.2, and the decrees of 2023 and 2025).
BRACKETS = {
    1998: (20_000_000, 45_000_000), 2023: (52_483_000, 118_083_000), 2024: (54_057_000, 121_625_000),
    2025: (55_679_000, 125_274_000), 2026: (57_349_000, 129_032_000),
}  # fmt: skip
FIGURES = [
    "duty", "required_share", "achieved_share", "required_vehicles", "shortfall_vehicles", "extra_vehicles",
    "law1972_required_share", "law1972_acquired_status", "law1972_acquired_shortfall", "law1972_fleet_status",
    "law1972_fleet_shortfall", "gas_required_share", "gas_required_vehicles", "gas_status", "gas_shortfall_vehicles",
    "zero_emission_needed", "duties_together", "all_duties", "required_stations", "counted_stations", "required_spaces",
    "shortfall_spaces", "due_on", "tax_rate_max", "tax_rate_ordinary", "tax_max_cop", "tax_saving_cop", "insurance_discount",
    "insurance_saving_cop", "inspection_discount", "inspection_saving_cop", "restriction_exempt", "preferential_parking",
    "local_tax_discount", "local_registration_discount", "local_parking_discount", "tax_after_local_cop",
]  # fmt: skip


class Lack(frozenset[str]):
    """What is lacking for a figure."""


def _if(condition: Any, then: Callable[[], Any], otherwise: Callable[[], Any]) -> Any:
    return condition if isinstance(condition, Lack) else then() if condition else otherwise()


def _of(calculate: Callable[..., Any], *figures: Any) -> Any:
    lacks = [figure for figure in figures if isinstance(figure, Lack)]
    return Lack(frozenset().union(*lacks)) if lacks else calculate(*figures)


def _percent_up(percent: int, number: int) -> int:
    return -(-percent * number // 100)


def _pesos(value: int, per_mille: int) -> int:
    return (2 * value * per_mille + 1000) // 2000


class Row:
    """One record: its cells, and the marks of what was used on the way."""

    def __init__(self, cells: Mapping[str, Any]) -> None:
        defaults = {"body": "car", "restriction": "traffic", "local_incentives": "none", "stations": 1}
        self.cells = {**defaults, **{name: cell for name, cell in cells.items() if cell is not None}}
        self.marks: set[str] = set()

    def has(self, name: str) -> bool:
        return name in self.cells

    def get(self, name: str) -> Any:
        return self.cells.get(name, Lack([name]))

    # -- the day

    def mark(self, name: str, value: Any) -> Any:
        self.marks.add(f"doubtful:{name}")
        return value

    def duty_of(self) -> Any:
        def found(entity: str) -> str:
            if entity in SYSTEMS[1:]:
                return str(self.mark("duty_of_entity", "quota"))
            return "schedule" if entity == "mass_transit" else "quota"

        return _of(found, self.get("entity_kind"))

    def day(self) -> Any:
        if self.get("kind") != "purchase_plan" or self.has("on"):
            return self.get("on")
        gas = _of(lambda entity: entity in SYSTEMS[:3], self.get("entity_kind"))
        split = _of(
            lambda duty, gas, year: (duty == "quota" and year == 2025) or (gas and year in (2022, 2032)),
            self.duty_of(), gas, self.get("year"),
        )  # fmt: skip
        end = _of(lambda year: Day(year, 12, 31), self.get("year"))
        return _if(split, lambda: self.mark("split_year", end), lambda: end)

    # -- a vehicle

    def electric(self) -> Any:
        def found(powertrain: str) -> bool:
            if powertrain == "fuel_cell":
                return bool(self.mark("electric_definition", False))
            return powertrain == "battery_electric"

        return _of(found, self.get("powertrain"))

    def clean(self) -> Any:
        return _of(lambda powertrain: powertrain in ("battery_electric", "fuel_cell"), self.get("powertrain"))

    def in_force(self) -> Any:
        return _of(lambda day: day >= Day(2019, 7, 11), self.day())

    def capped(self) -> Any:
        return _of(lambda a, b: a and b, self.in_force(), self.electric())

    def free(self) -> Any:
        return _of(lambda a, b, c: a and (b or c), self.in_force(), self.electric(), self.clean())

    def ordinary(self) -> Any:
        """Per mille of the value."""
        day = self.day()
        made = _of(lambda d: d >= Day(1998, 12, 24), day)

        def rate(name: str, per_mille: int) -> Any:
            return _if(made, lambda: per_mille, lambda: Lack([name]))

        def bracket(place: int, name: str) -> Any:
            return _of(lambda d: BRACKETS[d.year][place] if d.year in BRACKETS else Lack([name]), day)

        if self.get("body") == "motorcycle":
            return rate("tax_rate_motorcycle", 15)
        value = self.get("value_cop")
        low = _of(lambda v, b: v <= b, value, bracket(0, "tax_bracket_low_cop"))
        return _if(
            low,
            lambda: rate("tax_rate_low", 15),
            lambda: _if(
                _of(lambda v, b: v <= b, value, bracket(1, "tax_bracket_high_cop")),
                lambda: rate("tax_rate_middle", 25),
                lambda: rate("tax_rate_high", 35),
            ),
        )

    def most(self) -> Any:
        return _if(self.capped(), lambda: 10, self.ordinary)

    def inspection(self) -> Any:
        return _if(self.capped(), lambda: _of(lambda d: 30 if d >= Day(2021, 9, 30) else 0, self.day()), lambda: 0)

    def vehicle(self) -> tuple[Any, Any, dict[str, tuple[Any, Callable[[], Any]]]]:
        def uncovered() -> Any:
            names = {"plug_in_hybrid": "plug_in_hybrid_not_covered", "hybrid": "hybrid_not_covered"}
            return _of(lambda p: names.get(p, "combustion_not_covered"), self.get("powertrain"))

        either = lambda: _of(lambda a, b: a or b, self.electric(), self.clean())  # noqa: E731
        ground = _if(self.in_force(), lambda: _if(either(), lambda: "none", uncovered), lambda: "before_law")
        status = _of(lambda g: "eligible" if g == "none" else "not_eligible", ground)
        value, asked = self.get("value_cop"), self.get("local_incentives")
        tax = lambda: _of(_pesos, value, self.most())  # noqa: E731

        def saving() -> Any:
            return _if(self.capped(), lambda: _of(lambda a, b: a - b, _of(_pesos, value, self.ordinary()), tax()), lambda: 0)

        def local(name: str) -> Callable[[], Any]:
            # Only what is lacking on the way to the place is named; at each place nothing is known.
            def found() -> Any:
                way = _of(lambda *_: None, self.day(), self.get("municipality"), self.get("powertrain"))
                return way if isinstance(way, Lack) else Lack([name])

            return found

        given = self.has("value_cop")
        figures = {
            "tax_rate_max": (given or self.capped(), lambda: _of(lambda p: p * 10, self.most())),
            "tax_rate_ordinary": (given, lambda: _of(lambda p: p * 10, self.ordinary())),
            "tax_max_cop": (given, tax),
            "tax_saving_cop": (given, saving),
            "insurance_discount": (True, lambda: _if(self.capped(), lambda: 1000, lambda: 0)),
            "insurance_saving_cop": (
                self.has("soat_premium_cop"),
                lambda: _of(_pesos, self.get("soat_premium_cop"), _if(self.capped(), lambda: 100, lambda: 0)),
            ),
            "inspection_discount": (True, lambda: _of(lambda p: p * 100, self.inspection())),
            "inspection_saving_cop": (
                self.has("inspection_price_cop"),
                lambda: _of(lambda v, p: _pesos(v, p * 10), self.get("inspection_price_cop"), self.inspection()),
            ),
            "restriction_exempt": (True, lambda: _of(lambda f: f and self.get("restriction") != "security", self.free())),
            "preferential_parking": (True, self.free),
            "local_tax_discount": (asked in ("tax", "all"), local("local_tax_discount")),
            "local_registration_discount": (asked in ("registration", "all"), local("local_registration_discount")),
            "local_parking_discount": (asked in ("parking", "all"), local("local_parking_discount")),
            "tax_after_local_cop": (
                asked in ("tax", "all") and given,
                lambda: _of(lambda a, b: 0, tax(), local("local_tax_discount")()),
            ),
        }
        return status, ground, figures

    # -- a plan

    def share(self) -> Any:
        """Per cent that art. 8 asks for."""

        def found(duty: str, day: Day) -> Any:
            if duty == "quota":
                return 30 if day >= Day(2025, 7, 11) else Lack(["public_quota_share"])
            if day.year < 2025:
                return Lack(["bus_share"])
            for first, percent in ((2035, 100), (2033, 80), (2031, 60), (2029, 40), (2027, 20), (2025, 10)):
                if day.year >= first:
                    return percent if percent in (10, 100) else self.mark("bus_share", percent)

        duty, day = self.duty_of(), self.day()
        return _of(found, duty, day)

    def scope(self) -> Any:
        duty, day = self.duty_of(), self.day()
        early = _of(lambda w, d: d < (Day(2025, 1, 1) if w == "schedule" else Day(2025, 7, 11)), duty, day)
        town = _of(lambda e: e == "government", self.get("entity_kind"))
        excepted = self.cells.get("municipality") in ("buenaventura", "tumaco")

        def acquired() -> Any:
            return _of(lambda n: "none" if n else "no_acquisitions", self.get("vehicles_acquired"))

        def by_category() -> Any:
            loose = _of(lambda c, _: c not in ("special", "first"), self.get("municipality_category"), day)
            return _if(loose, lambda: "municipality_not_bound", acquired)

        def later() -> Any:
            return _if(town, lambda: "excepted_municipality" if excepted else by_category(), acquired)

        return _if(early, lambda: "before_duty", later)

    def required(self) -> Any:
        return _of(_percent_up, self.share(), self.get("vehicles_acquired"))

    def short(self) -> Any:
        return _of(lambda r, z: max(r - z, 0), self.required(), self.get("zero_emission_acquired"))

    def extra(self) -> Any:
        def found(short: int, percent: int, n: int, z: int) -> int:
            if not short:
                return 0
            k = short
            while 100 * (z + k) < percent * (n + k):
                # jump close, then step: (z + k) / (n + k) rises with k
                k += max((percent * (n + k) - 100 * (z + k)) // 100, 1)
            return k

        return _of(found, self.short(), self.share(), self.get("vehicles_acquired"), self.get("zero_emission_acquired"))

    def of_1972(self, whole: str, part: str) -> Any:
        share = _of(lambda d: 20 if d >= Day(2019, 7, 18) else Lack(["law1972_share"]), self.day())
        return _of(lambda s, w, p: max(_percent_up(s, w) - p, 0), share, self.get(whole), self.get(part))

    def status_1972(self, short: Any) -> Any:
        due = lambda: _of(lambda d: "not_met" if d >= Day(2030, 1, 1) else "not_due", self.day())  # noqa: E731
        return _if(_of(lambda s: s == 0, short), lambda: "met", due)

    def gas_binds(self) -> Any:
        binds = lambda e, d: e in SYSTEMS[:3] and Day(2022, 8, 4) <= d < Day(2032, 8, 4)  # noqa: E731
        return _of(binds, self.get("entity_kind"), self.day())

    def gas_required(self) -> Any:
        share = _of(lambda d: 30 if d >= Day(2022, 8, 4) else Lack(["gas_share"]), self.day())
        return _of(_percent_up, share, self.get("vehicles_acquired"))

    def needed(self) -> Any:
        scope = self.scope()
        art8 = _if(_of(lambda s: s == "none", scope), self.required, lambda: 0)
        due = _of(lambda d: d >= Day(2030, 1, 1), self.day())

        def law1972() -> Any:
            n, z = self.get("vehicles_acquired"), self.get("zero_emission_acquired")
            lacking = self.of_1972("fleet_vehicles", "fleet_zero_emission") if self.has("fleet_vehicles") else 0
            by_fleet = _if(_of(lambda k: k > 0, lacking), lambda: _of(lambda a, b: a + b, z, lacking), lambda: 0)
            share = _of(lambda d: 20 if d >= Day(2019, 7, 18) else Lack(["law1972_share"]), self.day())
            return _of(lambda s, n, f: max(_percent_up(s, n), f), share, n, by_fleet)

        return _of(max, art8, _if(due, law1972, lambda: 0))

    def all_met(self) -> Any:
        def gas() -> Any:
            def told() -> Any:
                n = self.gas_required()
                if self.has("dedicated_gas_acquired"):
                    return _of(lambda g, r: "met" if g >= r else "not_met", self.get("dedicated_gas_acquired"), n)
                return _of(lambda r: "gas_not_told" if r else "met", n)

            return _if(self.gas_binds(), told, lambda: "met")

        behind = _of(lambda z, n: z < n, self.get("zero_emission_acquired"), self.needed())
        return _if(behind, lambda: "not_met", gas)

    def plan(self) -> tuple[Any, Any, dict[str, tuple[Any, Callable[[], Any]]]]:
        scope, n, z = self.scope(), self.get("vehicles_acquired"), self.get("zero_emission_acquired")
        free = _of(lambda s: s != "none", scope)
        done = lambda: _of(lambda k: "not_met" if k else "met", self.short())  # noqa: E731
        status = _if(free, lambda: "not_applicable", done)
        bound = _of(lambda s: s == "none", scope)
        entity = self.get("entity_kind")
        transit = _of(lambda e: e in SYSTEMS, entity)
        in_1972 = _of(lambda e, d: e in SYSTEMS and d >= Day(2019, 7, 18), entity, self.day())
        fleet = _of(lambda a: a and self.has("fleet_vehicles"), in_1972)
        acquired = lambda: self.of_1972("vehicles_acquired", "zero_emission_acquired")  # noqa: E731
        whole = lambda: self.of_1972("fleet_vehicles", "fleet_zero_emission")  # noqa: E731
        gas = self.gas_binds()
        gas_told = _of(lambda a: a and self.has("dedicated_gas_acquired"), gas)
        gas_short = lambda: _of(lambda r, g: max(r - g, 0), self.gas_required(), self.get("dedicated_gas_acquired"))  # noqa: E731
        addable = lambda: _of(lambda k, s: k == 0 or s < 100, self.short(), self.share())  # noqa: E731
        starts = {"schedule": Day(2025, 1, 1), "quota": Day(2025, 7, 11)}
        words = {"schedule": "bus_schedule", "quota": "public_quota"}

        def fits() -> Any:
            other = _if(self.gas_binds(), self.gas_required, lambda: 0)
            return _of(lambda a, b, m: "possible" if a + b <= m else "impossible", self.needed(), other, n)

        figures = {
            "duty": (True, lambda: _of(lambda w: words[w], self.duty_of())),
            "required_share": (bound, lambda: _of(lambda s: s * 100, self.share())),
            "achieved_share": (bound, lambda: _of(lambda a, b: a * 10**6 // max(b, 1), z, n)),
            "required_vehicles": (bound, self.required),
            "shortfall_vehicles": (bound, self.short),
            "extra_vehicles": (_if(bound, addable, lambda: False), self.extra),
            "law1972_required_share": (in_1972, lambda: _of(lambda d: 2000, self.day())),
            "law1972_acquired_status": (in_1972, lambda: self.status_1972(acquired())),
            "law1972_acquired_shortfall": (in_1972, acquired),
            "law1972_fleet_status": (fleet, lambda: self.status_1972(whole())),
            "law1972_fleet_shortfall": (fleet, whole),
            "gas_required_share": (gas, lambda: _of(lambda d: 3000, self.day())),
            "gas_required_vehicles": (gas, self.gas_required),
            "gas_status": (gas_told, lambda: _of(lambda k: "not_met" if k else "met", gas_short())),
            "gas_shortfall_vehicles": (gas_told, gas_short),
            "zero_emission_needed": (transit, self.needed),
            "duties_together": (transit, fits),
            "all_duties": (transit, self.all_met),
            "due_on": (bound, lambda: _of(lambda w: starts[w], self.duty_of())),
        }
        return status, scope, figures

    # -- stations, spaces, the country

    def charging(self) -> tuple[Any, Any, dict[str, tuple[Any, Callable[[], Any]]]]:
        town, day = self.get("municipality"), self.day()

        def by_category() -> Any:
            return _of(lambda c: "none" if c == "special" else "municipality_not_bound", self.get("municipality_category"))

        excepted = _of(lambda t: t in ("buenaventura", "tumaco"), town)
        binds = _if(
            _of(lambda t: t == "bogota", town),
            lambda: "none",
            lambda: _if(excepted, lambda: "excepted_municipality", by_category),
        )
        scope = _if(
            _of(lambda b: b != "none", binds),
            lambda: binds,
            lambda: _of(lambda d: "before_duty" if d < Day(2022, 7, 11) else "none", day),
        )

        def slow() -> Any:
            # Which reading holds for the place is asked before whether the station is fast.
            fast = lambda: _of(lambda f: "none" if f else "not_fast", self.get("fast"))  # noqa: E731
            return _if(_of(lambda t: t == "bogota", town), fast, fast)

        def public() -> Any:
            return _if(self.get("publicly_accessible"), slow, lambda: "not_public")

        def why() -> Any:
            if not self.get("stations"):
                return "no_station"
            return _if(self.get("working"), public, lambda: "not_working")

        done = lambda: _of(lambda g: "counts" if g == "none" else "does_not_count", why())  # noqa: E731
        status = _if(_of(lambda s: s != "none", scope), lambda: "not_applicable", done)
        ground = _if(_of(lambda s: s != "none", scope), lambda: scope, why)
        bound = _of(lambda b, d: b == "none" and d >= Day(2019, 7, 11), binds, day)

        def number() -> Any:
            def there(d: Day, t: str) -> Any:
                name = "stations_bogota" if t == "bogota" else "stations_per_municipality"
                return (20 if t == "bogota" else 5) if d >= Day(2019, 7, 11) else Lack([name])

            return _of(there, day, town)

        figures = {
            "duty": (True, lambda: "charging_stations"),
            "required_stations": (bound, number),
            "counted_stations": (bound, lambda: _of(lambda g: self.get("stations") if g == "none" else 0, why())),
            "due_on": (bound, lambda: Day(2022, 7, 11)),
        }
        return status, ground, figures

    def parking(self) -> tuple[Any, Any, dict[str, tuple[Any, Callable[[], Any]]]]:
        day = self.day()

        def begun(d: Day) -> bool:
            if Day(2019, 7, 11) <= d < Day(2021, 2, 23):
                return bool(self.mark("parking_before_decree", True))
            return d >= Day(2021, 2, 23)

        def by_category() -> Any:
            bound = ("special", "first", "second")
            return _of(lambda c: "none" if c in bound else "municipality_not_bound", self.get("municipality_category"))

        scope = _if(_of(begun, day), by_category, lambda: "before_duty")

        def number() -> Any:
            def up(spaces: int) -> int:
                if spaces % 50:
                    self.mark("parking_rounding", None)
                return _percent_up(2, spaces)

            return _of(lambda s, _: up(s), self.get("parking_spaces"), day)

        short = lambda: _of(lambda r, e: max(r - e, 0), number(), self.get("electric_parking_spaces"))  # noqa: E731
        free = _of(lambda s: s != "none", scope)
        status = _if(free, lambda: "not_applicable", lambda: _of(lambda k: "not_met" if k else "met", short()))
        bound = _of(lambda s: s == "none", scope)
        figures = {
            "duty": (True, lambda: "preferential_parking"),
            "required_spaces": (bound, number),
            "shortfall_spaces": (bound, short),
        }
        return status, scope, figures

    def national(self) -> tuple[Any, Any, dict[str, tuple[Any, Callable[[], Any]]]]:
        day, n = self.day(), self.get("registered_electric")

        def by_day(name: str, first: Any, second: Any) -> Any:
            return _of(lambda d: Lack([name]) if d < Day(2021, 1, 1) else first if d < Day(2023, 1, 1) else second, day)

        target = by_day("national_target", 6600, 600_000)
        due = by_day("national_target_due_on", Day(2022, 12, 31), Day(2030, 12, 31))
        short = _of(lambda t, n: max(t - n, 0), target, n)
        status = _of(lambda k: "not_met" if k else "met", short)
        ground = _of(lambda k, d, e: "not_due_yet" if k and d <= e else "none", short, day, due)
        figures = {
            "duty": (True, lambda: "national_target"),
            "achieved_share": (True, lambda: _of(lambda n, t: n * 10**6 // t, n, target)),
            "required_vehicles": (True, lambda: target),
            "shortfall_vehicles": (True, lambda: short),
            "due_on": (True, lambda: due),
        }
        return status, ground, figures


def _cells(record: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The readable cells and the refusals."""
    good: dict[str, Any] = {}
    bad: list[str] = []
    for name, cell in record.items():
        if cell is None:
            continue
        code = ""
        if name in CHOICES and cell not in CHOICES[name]:
            code = "unknown_value"
        elif name in WHOLE and not 0 <= cell <= WHOLE[name]:
            code = "out_of_range"
        elif name == "year" and not 1998 <= cell <= 2099:
            code = "out_of_range"
        elif name == "on" and not FIRST <= cell <= LAST:
            code = "out_of_range"
        if code:
            bad.append(f"{code}:{name}")
        else:
            good[name] = cell
    return good, bad


def _contradictions(c: Mapping[str, Any]) -> Iterator[str]:
    def over(name: str, whole: str) -> bool:
        return name in c and whole in c and c[name] > c[whole]

    if c.get("kind") == "purchase_plan" and "on" in c and "year" in c and c["on"].year != c["year"]:
        yield "on"
    if over("zero_emission_acquired", "vehicles_acquired"):
        yield "zero_emission_acquired"
    three = ("zero_emission_acquired", "dedicated_gas_acquired", "vehicles_acquired")
    if all(name in c for name in three) and c[three[0]] + c[three[1]] > c[three[2]]:
        yield "dedicated_gas_acquired"
    if over("fleet_zero_emission", "fleet_vehicles"):
        yield "fleet_zero_emission"
    if over("electric_parking_spaces", "parking_spaces"):
        yield "electric_parking_spaces"


def answer(record: Mapping[str, Any]) -> dict[str, Any]:
    """Status, reasons and flags (sets), and the figures; shares in their last place, None where there is none."""
    empty = dict.fromkeys(FIGURES)
    cells, bad = _cells(record)
    bad += [f"contradiction:{name}" for name in _contradictions(cells)]
    if bad:
        return {"status": "refused", "reason": set(bad), "flags": set(), **empty}
    row = Row(cells)
    if not row.has("kind"):
        return {"status": "not_determined", "reason": {"missing:kind"}, "flags": set(), **empty}
    ways = {
        "vehicle": row.vehicle, "purchase_plan": row.plan, "charging": row.charging, "parking": row.parking,
        "national": row.national,
    }  # fmt: skip
    status, ground, figures = ways[cells["kind"]]()
    found: dict[str, Any] = {}
    lacking: set[str] = set(status) if isinstance(status, Lack) else set()
    for name, (applies, calculate) in figures.items():
        value = _if(applies, calculate, lambda: None)
        if isinstance(value, Lack):
            lacking |= set() if isinstance(status, Lack) else value
        else:
            found[name] = value
    flags: set[str] = set()
    if cells["kind"] == "purchase_plan":
        fleet = figures["law1972_fleet_shortfall"]
        ways_1972 = [_if(fleet[0], figures[f"law1972_{base}_shortfall"][1], lambda: None) for base in ("acquired", "fleet")]
        if not any(isinstance(way, Lack) or way is None for way in ways_1972) and (ways_1972[0] == 0) != (ways_1972[1] == 0):
            flags.add("other_base_disagrees")
    if lacking:
        return {**empty, **found, "status": "not_determined", "reason": {f"missing:{n}" for n in lacking}, "flags": flags}
    reason = set() if ground == "none" else {ground}
    return {**empty, **found, "status": status, "reason": reason, "flags": flags | row.marks}


#: Days at which something changes; the day before each is drawn as often.
EDGES = [
    Day(1998, 12, 24), Day(2019, 7, 11), Day(2019, 7, 18), Day(2021, 1, 1), Day(2021, 2, 23), Day(2021, 9, 30), Day(2022, 7, 11),
    Day(2022, 8, 4), Day(2023, 1, 1), Day(2024, 1, 1), Day(2025, 1, 1), Day(2025, 7, 11), Day(2026, 1, 1), Day(2027, 1, 1),
    Day(2029, 1, 1), Day(2030, 1, 1), Day(2031, 1, 1), Day(2032, 8, 4), Day(2033, 1, 1), Day(2035, 1, 1),
]  # fmt: skip
#: The columns that a kind uses; the others are filled now and then.
OF_KIND = {
    "vehicle": {"on", "powertrain", "body", "value_cop", "soat_premium_cop", "inspection_price_cop", "restriction"},
    "purchase_plan": {
        "on", "year", "entity_kind", "municipality_category", "vehicles_acquired", "zero_emission_acquired",
        "dedicated_gas_acquired", "fleet_vehicles", "fleet_zero_emission",
    },
    "charging": {"on", "municipality", "municipality_category", "stations", "fast", "working", "publicly_accessible"},
    "parking": {"on", "municipality_category", "parking_spaces", "electric_parking_spaces"},
    "national": {"on", "registered_electric"},
}  # fmt: skip


def records(n: int, seed: int) -> list[dict[str, Any]]:
    """``n`` random records, about one in ten with a bad cell or a contradiction; the same ``seed`` gives the same ones."""
    pick = random.Random(seed)
    return [_record(pick) for _ in range(n)]


def _record(pick: random.Random) -> dict[str, Any]:
    kind = pick.choices(CHOICES["kind"], [4, 6, 2, 2, 1])[0]

    def number(top: int) -> int:
        return pick.choice([0, 1, 2, 9, 10, 11, pick.randint(0, 20), pick.randint(0, min(1000, top)), pick.randint(0, top)])

    edge = pick.choice(EDGES) - dt.timedelta(days=pick.choice([0, 1]))
    day = edge if pick.random() < 0.5 else Day(2018, 1, 1) + dt.timedelta(days=pick.randint(0, 7300))
    total, spaces, fleet = number(100_000), number(100_000), number(100_000)
    zero = pick.choice([0, total, pick.randint(0, total), -(-pick.choice([10, 20, 30, 40, 60, 80]) * total // 100)])
    bracket = pick.choice([edge for pair in BRACKETS.values() for edge in pair]) + pick.choice([-1, 0, 1])
    row: dict[str, Any] = {
        "on": day,
        "year": day.year if pick.random() < 0.97 else day.year + 1,
        **{name: pick.choice(words) for name, words in CHOICES.items()},
        **{name: pick.random() < 0.8 for name in ("fast", "working", "publicly_accessible")},
        "value_cop": pick.choice([bracket, bracket, number(400_000_000)]),
        "soat_premium_cop": number(700_000),
        "inspection_price_cop": number(400_000),
        "vehicles_acquired": total,
        "zero_emission_acquired": min(zero, total),
        "dedicated_gas_acquired": min(
            pick.choice([0, -(-3 * total // 10), total - min(zero, total)]), total - min(zero, total)
        ),
        "fleet_vehicles": fleet,
        "fleet_zero_emission": min(pick.choice([0, -(-fleet // 5), fleet // 5, pick.randint(0, fleet)]), fleet),
        "stations": pick.choice([0, 1, 1, 5, 20]),
        "parking_spaces": spaces,
        "electric_parking_spaces": min(pick.choice([0, -(-spaces // 50), spaces // 50]), spaces),
        "registered_electric": pick.choice([6599, 6600, 6601, 599_999, 600_000, 600_001, number(700_000)]),
    }
    if pick.random() < 0.6:
        row["local_incentives"] = "none"
    if kind == "purchase_plan":
        row.pop(pick.choice(["on", "on", "year", "operator"]))
    for name in list(row):
        if pick.random() < (0.03 if name in OF_KIND[kind] else 0.7):
            row.pop(name)
    row["kind"] = kind
    if pick.random() < 0.005:
        row.pop("kind")
    if pick.random() < 0.1:
        _spoil(row, pick)
    return row


def _spoil(row: dict[str, Any], pick: random.Random) -> None:
    name = pick.choice([*CHOICES, *WHOLE, "year", "on", "zero_emission_acquired", "dedicated_gas_acquired"])
    if name in CHOICES:
        row[name] = pick.choice(["?", "electrico!", "special category"])
    elif name == "year":
        row[name] = pick.choice([1997, 2100, -1])
    elif name == "on":
        row[name] = pick.choice([Day(1997, 12, 31), Day(2100, 1, 1)])
    else:
        row[name] = pick.choice([-1, WHOLE[name] + 1, WHOLE[name]])
