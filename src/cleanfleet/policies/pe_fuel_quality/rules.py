"""The formulas of Peru's fuel quality rules; limits, dates and departments stand in ``values/*.yaml``.

Arguments are input columns (``policy.yaml``), values, or other rules. Sulfur is in mg/kg (ppm by mass), held at 0.001. A limit
is 'not more than': a result equal to it passes. Where the day of a lower limit is not certain, both limits are tried.
"""

from cleanfleet.law.rules import choose, given, is_in

_GASOLINE = (
    "gasolina_84", "gasolina_90", "gasolina_95", "gasolina_97", "gasolina_98", "gasolina_regular", "gasolina_premium",
)  # fmt: skip
_GASOHOL = ("gasohol_84", "gasohol_90", "gasohol_95", "gasohol_97", "gasohol_98", "gasohol_regular", "gasohol_premium")
_HIGH_OCTANE = tuple(f"{fuel}_{name}" for fuel in ("gasolina", "gasohol") for name in ("95", "97", "98", "premium"))
_BLENDS = ("diesel_2", "diesel_b2", "diesel_b5")
_S50 = tuple(f"{blend}_s50{use}" for blend in _BLENDS for use in ("", "_uv", "_ge"))
_WITHOUT_S50 = tuple(f"{blend}{use}" for blend in _BLENDS for use in ("", "_uv", "_ge"))

# -- the product, by its name


def fuel(product):
    """The kind of fuel: diesel, gasoline or gasohol."""
    return choose(is_in(product, *_GASOLINE), "gasoline", is_in(product, *_GASOHOL), "gasohol", "diesel")


def grade(product, fuel):
    """The grade that the sulfur provisions know: three of diesel, Regular (84, 90) and Premium (95, 97, 98)."""
    return choose(
        product == "diesel_1",
        "diesel_1",
        product == "diesel_2_special",
        "diesel_2_special",
        fuel == "diesel",
        "diesel_2",
        is_in(product, *_HIGH_OCTANE),
        "premium",
        "regular",
    )


def octane_class(product):
    """The octane number or category in the name."""
    return choose(
        is_in(product, "gasolina_84", "gasohol_84"),
        "84",
        is_in(product, "gasolina_90", "gasohol_90"),
        "90",
        is_in(product, "gasolina_95", "gasohol_95"),
        "95",
        is_in(product, "gasolina_97", "gasohol_97"),
        "97",
        is_in(product, "gasolina_98", "gasohol_98"),
        "98",
        is_in(product, "gasolina_regular", "gasohol_regular"),
        "regular",
        is_in(product, "gasolina_premium", "gasohol_premium"),
        "premium",
        "none",
    )


def marketing_name(product, fuel, octane_class, department, gasoline_84_department):
    """The kind of name under which the product is sold, as the rules on names know it. DS 014-2021-EM, art. 1."""
    return choose(
        is_in(product, *(f"diesel_b5{more}" for more in ("", "_uv", "_ge", "_s50", "_s50_uv", "_s50_ge"))),
        "diesel_b5",
        is_in(product, *(f"diesel_b2{more}" for more in ("", "_uv", "_ge", "_s50", "_s50_uv", "_s50_ge"))),
        "diesel_b2",
        fuel == "diesel",
        "diesel",
        is_in(octane_class, "regular", "premium"),
        "category",
        octane_class != "84",
        "by_octane",
        fuel == "gasohol",
        "gasohol_84",
        gasoline_84_department,
        "gasolina_84_where_allowed",
        "gasolina_84_elsewhere",
    )


def named_use(product, fuel):
    """What the name says the fuel is for: UV vehicles, GE power generation; gasoline and gasohol are motor fuels."""
    return choose(
        is_in(product, *(f"{blend}{s50}_ge" for blend in _BLENDS for s50 in ("", "_s50"))),
        "generation",
        (fuel != "diesel") | is_in(product, *(f"{blend}{s50}_uv" for blend in _BLENDS for s50 in ("", "_s50"))),
        "vehicle",
        "unstated",
    )


# -- scope


def use_counted(use, named_use):
    """What the fuel is for: as given, else by the name, else vehicles."""
    return choose(given(use), use, named_use == "generation", "generation", "vehicle")


def use_contradicts_name(use, fuel, named_use):
    """The use given can't be that of a diesel so named."""
    return choose(
        given(use) & (fuel == "diesel"),
        ((named_use == "vehicle") & (use != "vehicle")) | ((named_use == "generation") & (use != "generation")),
        False,
    )


def use_is_assumed(use, named_use):
    """Neither the use nor the name tells what the fuel is for."""
    return ~given(use) & (named_use == "unstated")


def is_for_vehicles(use_counted):
    """The rules read here are those of fuel for vehicles."""
    return use_counted == "vehicle"


def stage_counted(stage):
    """Wholesale or retail: as given, else retail."""
    return choose(given(stage), stage, "retail")


def stage_is_assumed(stage):
    """No stage was given."""
    return ~given(stage)


def is_judged(is_for_vehicles, product_admitted):
    """Sulfur and octane are judged for vehicle fuel under an admitted name."""
    return choose(is_for_vehicles, product_admitted, False)


# -- sulfur


def provision_applied(sulfur_provision, diesel_2010):
    """The provision that sets the limit; by the reading `law` the law's 50 mg/kg of 2010 holds outside the zones too."""
    return choose(
        (diesel_2010 == "law") & (sulfur_provision == "DS 061-2009-EM, outside the zones"),
        "Law 28694, art. 2",
        sulfur_provision,
    )


def has_limit(is_judged, sulfur_exempt):
    """Whether a sulfur limit holds: the fuel is judged and the department is not exempt for its grade."""
    return choose(is_judged, ~sulfur_exempt, False)


def limit_date_is_uncertain(has_limit, earlier_provision, limit_of_earlier_provision, sulfur_limit):
    """Whether a lower limit may already be in force, as the day of its beginning is not certain."""
    return choose(has_limit & (earlier_provision != "none"), limit_of_earlier_provision < sulfur_limit, False)


def limit_is_certain(has_limit, limit_date_is_uncertain):
    """Whether there is one limit, and it is known which."""
    return choose(has_limit, ~limit_date_is_uncertain, False)


def sulfur_limit(limit_of_provision):
    """The limit surely in force: not more than this."""
    return limit_of_provision


def least_limit(limit_date_is_uncertain, sulfur_limit, limit_of_earlier_provision):
    """The lowest limit that may be in force."""
    return choose(limit_date_is_uncertain, limit_of_earlier_provision, sulfur_limit)


def sulfur_margin(sulfur_limit, sulfur_mg_per_kg):
    """How far the result stays below the limit; below zero it is over."""
    return sulfur_limit - sulfur_mg_per_kg


def has_margin(limit_is_certain, sulfur_below_quantification, sulfur_mg_per_kg, sulfur_limit):
    """Whether the distance to the limit can be told: not where a quantification limit is itself over it."""
    return choose(limit_is_certain, ~sulfur_below_quantification | (sulfur_mg_per_kg <= sulfur_limit), False)


def sulfur_finding(has_limit, sulfur_mg_per_kg, sulfur_below_quantification, sulfur_limit, least_limit, temporary_exception):
    """The result against the limit: within, over, exempt, tolerated by an exception, or open where it can't be told.

    A result below its quantification limit is only known not to be higher than that. An exception is asked for only where
    the result is over the limit.
    """
    return choose(
        ~has_limit,
        "exempt",
        sulfur_mg_per_kg <= least_limit,
        "within",
        sulfur_below_quantification,
        "quantification_above_limit",
        sulfur_mg_per_kg <= sulfur_limit,
        "limit_date_not_certain",
        temporary_exception == "in_force",
        "tolerated",
        "over",
    )


# -- octane number


def has_octane(is_judged, fuel):
    """Gasoline and gasohol have a least octane number."""
    return choose(is_judged, fuel != "diesel", False)


def octane_minimum(ron_minimum):
    """The least research octane number of the product."""
    return ron_minimum


def octane_is_low(has_octane, ron, octane_minimum):
    """Whether the octane number is below the least of its product."""
    return choose(has_octane, ron < octane_minimum, False)


# -- the answer


def verdict_reason(is_for_vehicles, product_admitted, sulfur_finding, octane_is_low, ron):
    """Why the batch passes, fails, is exempt or can't be told: the first that applies."""
    return choose(
        ~is_for_vehicles,
        "outside_vehicle_scope",
        ~product_admitted,
        "product_not_admitted",
        sulfur_finding == "over",
        choose(choose(given(ron), octane_is_low, False), "sulfur_above_limit_and_ron_below_minimum", "sulfur_above_limit"),
        octane_is_low,
        "ron_below_minimum",
        sulfur_finding == "limit_date_not_certain",
        "limit_date_not_certain",
        sulfur_finding == "quantification_above_limit",
        "quantification_above_limit",
        sulfur_finding == "tolerated",
        "temporary_exception",
        sulfur_finding == "exempt",
        "exempt_department",
        "none",
    )


def verdict(verdict_reason):
    """Compliant, non-compliant, exempt from the sulfur limit, or not determined."""
    return choose(
        verdict_reason == "none",
        "compliant",
        is_in(verdict_reason, "exempt_department", "temporary_exception"),
        "exempt",
        is_in(verdict_reason, "outside_vehicle_scope", "limit_date_not_certain", "quantification_above_limit"),
        "not_determined",
        "non_compliant",
    )


def legal_reference(
    product_admitted, has_limit, sulfur_finding, limit_date_is_uncertain, provision_applied, earlier_provision
):
    """The instrument that decided: on names, on the exemption, on the exception, or on the limit."""
    return choose(
        ~product_admitted,
        "DS 014-2021-EM, art. 1",
        ~has_limit,
        "DS 014-2021-EM, exempt departments",
        sulfur_finding == "tolerated",
        "temporary exception",
        limit_date_is_uncertain,
        earlier_provision,
        provision_applied,
    )


# -- warnings and the summary


def below_quantification(sulfur_below_quantification):
    """The result is an upper bound."""
    return sulfur_below_quantification


def method_is_unsuitable(has_limit, method_scope_from, least_limit):
    """A method whose scope begins above the limit can't show that the limit is met."""
    return choose(has_limit, method_scope_from > least_limit, False)


def result_outside_scope(sulfur_mg_per_kg, sulfur_below_quantification, method, method_scope_from, method_scope_to):
    """A result below or above the scope of its method, so far as that is known."""
    return choose(
        sulfur_below_quantification,
        False,
        method == "D4294",  # no end of its scope is known to us
        sulfur_mg_per_kg < method_scope_from,
        (sulfur_mg_per_kg < method_scope_from) | (sulfur_mg_per_kg > method_scope_to),
    )


def exceeds_s50_name(product, sulfur_mg_per_kg, s50_mg_per_kg, sulfur_below_quantification):
    """A product named S-50 with more than 50 mg/kg."""
    return is_in(product, *_S50) & (sulfur_mg_per_kg > s50_mg_per_kg) & ~sulfur_below_quantification


def name_without_s50(product, has_limit, sulfur_limit, s50_mg_per_kg):
    """A diesel named as the grade without S-50 where no more than 50 mg/kg are allowed."""
    return choose(has_limit & is_in(product, *_WITHOUT_S50), sulfur_limit <= s50_mg_per_kg, False)


def blend_below_b5(is_for_vehicles, marketing_name, b5_is_mandatory):
    """A diesel without 5 % biodiesel where that is mandatory; told, not judged."""
    return is_for_vehicles & is_in(marketing_name, "diesel", "diesel_b2") & b5_is_mandatory


def regular_date_is_uncertain(has_limit, limit_date_open):
    """A later beginning of the limit than the one applied can't be excluded."""
    return has_limit & limit_date_open


def batch_department(department):
    """The department, for the summary."""
    return department


def batch_fuel(fuel):
    """The kind of fuel, for the summary."""
    return fuel


def batch_volume(volume_m3):
    """The volume, for the summary."""
    return volume_m3
