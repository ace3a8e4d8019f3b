"""The formulas of New Zealand's Clean Vehicle Standard; its numbers stand in ``values/*.yaml``.

Arguments are input columns (``policy.yaml``), values, or other rules. Grams are g CO2/km on the three-phase WLTP, held at
0.0001 g/km. Sections are of the Land Transport Act 1998, Part 13; regulations those of SL 2022/285.
"""

from cleanfleet.law.rules import (
    add_years,
    choose,
    exactly,
    given,
    half_up,
    half_up_div,
    is_in,
    maximum,
    needs,
    truncate,
    year_of,
)

# -- dates


def deciding_date(deciding_event, accepted_on, certified_on):
    """The day whose law applies: acceptance in the CO2 account, or entry certification by the reading `deciding_event`."""
    return choose(deciding_event == "certification", certified_on, accepted_on)


def obligation_year(deciding_date):
    """The obligation year: the calendar year of the deciding date in New Zealand time. s 172."""
    return year_of(deciding_date)


# -- scope


def excluded_by_class(vehicle_class, exclusion_of_class):
    """Whether the class alone takes the vehicle out, and why; an empty class takes nothing out."""
    return choose(given(vehicle_class), exclusion_of_class, "none")


def known_mass(gross_vehicle_mass_kg, tare_kg):
    """The mass that shows whether the vehicle is light: the gross vehicle mass, or the tare weight, which is never more."""
    return choose(given(gross_vehicle_mass_kg), gross_vehicle_mass_kg, given(tare_kg), tare_kg, 0)


def is_over_age(manufactured_on, first_registered_on, deciding_date, age_limit_years):
    """Whether the vehicle is more than 40 years old; an unknown age is no obstacle. reg 5."""
    return choose(
        given(manufactured_on),
        add_years(manufactured_on, age_limit_years) < deciding_date,
        given(first_registered_on),
        add_years(first_registered_on, age_limit_years) < deciding_date,
        False,
    )


def excluded_by_wheels(
    wheels, vehicle_type, gross_vehicle_mass_kg, type_a_wheels, type_a_wheels_if_heavy, three_wheel_mass_kg
):
    """A Type A vehicle has four wheels or more, or three and a gross vehicle mass over 1,000 kg. s 172."""
    return choose(
        ~given(wheels),
        "none",
        wheels >= type_a_wheels,
        "none",
        vehicle_type == "B",
        "none",
        wheels < type_a_wheels_if_heavy,
        "fewer_than_three_wheels",
        gross_vehicle_mass_kg <= three_wheel_mass_kg,
        "three_wheels_light",
        "none",
    )


def exclusion_ground(
    exclusion,
    exclusion_counts,
    excluded_by_class,
    known_mass,
    light_vehicle_mass_kg,
    is_over_age,
    excluded_by_wheels,
):
    """Why the vehicle itself is outside the standard, the first ground that applies, or `none`. ss 171, 172; reg 5."""
    return choose(
        exclusion_counts,
        exclusion,
        excluded_by_class != "none",
        excluded_by_class,
        known_mass > light_vehicle_mass_kg,
        "over_3500_kg",
        is_over_age,
        "over_40_years",
        excluded_by_wheels,
    )


def exclusion_reason(deciding_date, standard_starts_on, exclusion_ground):
    """Why the vehicle is outside the standard: its day, or else its own ground. s 171."""
    return choose(deciding_date < standard_starts_on, "before_standard", exclusion_ground)


def verdict(exclusion_reason):
    """`excluded` where a ground of exclusion applies, otherwise `determined`."""
    return choose(exclusion_reason == "none", "determined", "excluded")


def mass_below_tare(gross_vehicle_mass_kg, tare_kg):
    """A gross vehicle mass below the tare weight can't be: one of the two is wrong."""
    return gross_vehicle_mass_kg < tare_kg


# -- type


def vehicle_type(vehicle_class, vehicle_type_of_class, body, seats, type_a_seats):
    """Type A (passenger, up to nine seats) or B: by the class, and where that is empty by body and seats. s 172."""
    return choose(
        given(vehicle_class),
        vehicle_type_of_class,
        given(body),
        choose(body == "goods", "B", seats <= type_a_seats, "A", "B"),
        vehicle_type_of_class,
    )


def class_seats_conflict(vehicle_class, seats, type_a_seats):
    """The number of seats contradicts the class."""
    return (is_in(vehicle_class, "MA", "MB", "MC") & (seats > type_a_seats)) | (
        is_in(vehicle_class, "MD1", "MD2") & (seats <= type_a_seats)
    )


def class_body_conflict(vehicle_class, body):
    """The body contradicts the class."""
    passenger = is_in(vehicle_class, "MA", "MB", "MC", "MD1", "MD2", "MD3", "MD4", "ME")
    return (passenger & (body == "goods")) | ((vehicle_class == "NA") & (body == "passenger"))


def condition_conflict(condition, first_registered_on, deciding_date):
    """A vehicle called new was registered before the deciding date. s 172 (used = registered before in any country)."""
    return (condition == "new") & (first_registered_on < deciding_date)


# -- CO2


def is_zero_tailpipe(powertrain):
    """Battery-electric and fuel-cell vehicles emit no CO2 from the tailpipe."""
    return choose(given(powertrain), is_in(powertrain, "battery_electric", "fuel_cell"), False)


def is_plug_in(powertrain):
    """Plug-in hybrids: their phase results aren't weighted, so only a weighted combined value counts."""
    return choose(given(powertrain), powertrain == "plug_in_hybrid", False)


def has_phases(co2_low_g_per_km, co2_medium_g_per_km, co2_high_g_per_km):
    """Whether the three phases that count are all given."""
    return given(co2_low_g_per_km) & given(co2_medium_g_per_km) & given(co2_high_g_per_km)


def is_three_phase(co2_g_per_km, co2_cycle):
    """Whether the combined CO2 is a three-phase WLTP result as it stands; Japan's WLTC is. s 172, s 174."""
    return choose(given(co2_g_per_km) & given(co2_cycle), is_in(co2_cycle, "3P-WLTP", "JP-WLTC"), False)


def co2_basis(co2_g_per_km, co2_cycle, is_zero_tailpipe, is_three_phase, is_plug_in, has_phases, fuel_l_per_100km):
    """How the three-phase value is found: the first way that the record allows."""
    return choose(
        is_zero_tailpipe,
        "zero_tailpipe",
        is_three_phase,
        choose(co2_cycle == "3P-WLTP", "given_3p_wltp", "given_jp_wltc"),
        has_phases & ~is_plug_in,
        "wltp_phases",
        given(co2_g_per_km),
        needs(co2_cycle, "converted"),
        given(fuel_l_per_100km),
        needs(co2_cycle, "converted_from_fuel"),
        needs(co2_g_per_km, "none"),
    )


def counted_wltc_class(wltc_class):
    """The WLTC class of the phase results: as given, otherwise 3b."""
    return choose(given(wltc_class), wltc_class, "3b")


def co2_of_phases(
    co2_low_g_per_km,
    co2_medium_g_per_km,
    co2_high_g_per_km,
    phase_distance_low_m,
    phase_distance_medium_m,
    phase_distance_high_m,
):
    """The distance-weighted mean of the three phases, half up at 0.0001 g/km (our choice; the rule was not seen)."""
    return half_up_div(
        co2_low_g_per_km * phase_distance_low_m
        + co2_medium_g_per_km * phase_distance_medium_m
        + co2_high_g_per_km * phase_distance_high_m,
        phase_distance_low_m + phase_distance_medium_m + phase_distance_high_m,
        decimals=4,
    )


def engine_fuel(fuel, powertrain):
    """The fuel that a conversion needs: as given, otherwise told by the powertrain; a hybrid doesn't tell it."""
    told = choose(given(powertrain), is_in(powertrain, "petrol", "diesel", "lpg", "cng", "ethanol"), False)
    return choose(
        given(fuel),
        fuel,
        told,
        choose(
            powertrain == "petrol",
            "petrol",
            powertrain == "diesel",
            "diesel",
            powertrain == "lpg",
            "lpg",
            powertrain == "cng",
            "cng",
            "ethanol",
        ),
        needs(fuel, "petrol"),
    )


def co2_converted(co2_g_per_km, conversion_factor, conversion_offset):
    """The three-phase value of a result in another cycle, half up at 0.0001 g/km."""
    return half_up(co2_g_per_km * conversion_factor + conversion_offset, decimals=4)


def co2_from_fuel(fuel_l_per_100km, fuel_co2_factor):
    """CO2 in the cycle of the fuel consumption, half up at 0.0001 g/km."""
    return half_up_div(fuel_l_per_100km * fuel_co2_factor, exactly(100, "km/hkm"), decimals=4)


def co2_converted_from_fuel(co2_cycle, co2_from_fuel, conversion_factor, conversion_offset):
    """The three-phase value where only the fuel consumption is known."""
    return choose(
        is_in(co2_cycle, "3P-WLTP", "JP-WLTC"),
        co2_from_fuel,
        half_up(co2_from_fuel * conversion_factor + conversion_offset, decimals=4),
    )


def co2_3p_wltp(co2_basis, co2_g_per_km, co2_of_phases, co2_converted, co2_converted_from_fuel):
    """The vehicle's CO2 on the three-phase WLTP. s 174; Vehicle Efficiency and Emissions Data Rule 2022."""
    return choose(
        co2_basis == "zero_tailpipe",
        0,
        is_in(co2_basis, "given_3p_wltp", "given_jp_wltc"),
        co2_g_per_km,
        co2_basis == "wltp_phases",
        co2_of_phases,
        co2_basis == "converted",
        co2_converted,
        co2_converted_from_fuel,
    )


def electric_with_co2(is_zero_tailpipe, co2_g_per_km):
    """An electric or fuel-cell vehicle was given a CO2 above zero."""
    return is_zero_tailpipe & (co2_g_per_km > 0)


def wltc_class_assumed(co2_basis, wltc_class):
    """The phases were weighted with the distances of class 3b because no class was given."""
    return (co2_basis == "wltp_phases") & ~given(wltc_class)


def phases_contradict_combined(
    co2_g_per_km,
    co2_cycle,
    co2_low_g_per_km,
    co2_medium_g_per_km,
    co2_high_g_per_km,
    co2_extra_high_g_per_km,
    phase_distance_low_m,
    phase_distance_medium_m,
    phase_distance_high_m,
    phase_distance_extra_high_m,
    phase_tolerance,
):
    """The four phases, distance-weighted, differ from the combined four-phase value by more than 0.5 g/km."""
    distance = phase_distance_low_m + phase_distance_medium_m + phase_distance_high_m + phase_distance_extra_high_m
    driven = (
        co2_low_g_per_km * phase_distance_low_m
        + co2_medium_g_per_km * phase_distance_medium_m
        + co2_high_g_per_km * phase_distance_high_m
        + co2_extra_high_g_per_km * phase_distance_extra_high_m
    )
    gap = driven - co2_g_per_km * distance
    return (co2_cycle == "4P-WLTP") & ((gap > phase_tolerance * distance) | (0 - gap > phase_tolerance * distance))


# -- target and result


def counted_tare(tare_kg, weight_floor_kg):
    """The tare weight that the target is adjusted by: not less than the floor, where there is one."""
    return maximum(tare_kg, weight_floor_kg)


def target(annual_target, slope, counted_tare, mean_tare_kg, weight_adjustment):
    """The weight-adjusted target of one vehicle. reg 10(1)."""
    return choose(
        weight_adjustment == "none",
        annual_target,
        annual_target + slope * (counted_tare - mean_tare_kg),
    )


def difference(target, co2_3p_wltp):
    """Target minus CO2: above zero a credit, below zero a charge. ss 182, 183."""
    return target - co2_3p_wltp


def credit(difference, per_vehicle_rounding):
    """Whole grams earned. s 183."""
    grams = maximum(difference, 0)
    return choose(per_vehicle_rounding == "truncate", truncate(grams), half_up(grams))


def charge_grams(difference, per_vehicle_rounding):
    """Whole grams over the target. s 182."""
    grams = maximum(0 - difference, 0)
    return choose(per_vehicle_rounding == "truncate", truncate(grams), half_up(grams))


def charge(charge_grams, charge_rate):
    """The charge, without GST. s 182 (pay as you go); s 177 (the vehicle's share at the fleet rate)."""
    return charge_grams * charge_rate


# -- fleet average


def is_fleet(scheme):
    """Whether the importer is charged on its fleet average (category 1). s 177."""
    return scheme == "fleet"


def fleet_condition(condition):
    """Whether the vehicle counts among the fleet's new or its used ones."""
    return condition


def fleet_tare(tare_kg, counted_tare, fleet_tare_reading):
    """The tare weight that counts in the fleet's mean: the real one, also where a floor is used for single vehicles."""
    return choose(fleet_tare_reading == "real", tare_kg, counted_tare)


def fleet_target(annual_target, slope, fleet_tare, mean_tare_kg, weight_adjustment):
    """What the vehicle adds to its fleet's target: the mean of these over a fleet is the fleet target. reg 10(4)."""
    return choose(weight_adjustment == "none", annual_target, annual_target + slope * (fleet_tare - mean_tare_kg))


# -- the cost-recovery fee: owed by the applicant for registration, never posted to a CO2 account


def registration_fee(registration_fee_excl_gst, gst_rate):
    """The cost-recovery fee with GST, half up to the cent. regs 32, 33."""
    return half_up(registration_fee_excl_gst + registration_fee_excl_gst * gst_rate, decimals=2)
