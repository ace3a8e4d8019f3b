"""The formulas of China's dual-credit rule for one car; its numbers stand in ``values/*.yaml``.

Arguments are input columns (``policy.yaml``), values, or other rules. Orders are those of the Ministry of Industry and
Information Technology: 44 (2017), 53 (2020), 64 (2023). What a company's year comes to is in ``summary.py``.
"""

from cleanfleet.law.rules import (
    add_years,
    choose,
    dated,
    given,
    half_up,
    half_up_div,
    is_in,
    maximum,
    minimum,
    truncate_div,
    year_of,
)

# -- the accounting year


def accounting_day(year, epoch_day):
    """The last day of the accounting year, on which its law is read."""
    return add_years(epoch_day, year - year_of(epoch_day))


# -- scope


def is_import(origin):
    """Whether the car was imported; an empty origin is taken as domestic."""
    return choose(given(origin), origin == "import", False)


def origin_not_given(origin, row_kind):
    """No origin was given."""
    return (row_kind == "vehicle") & ~given(origin)


def row_kind(cafc_target, cafc_actual, nev_actual):
    """Whether the row is a vehicle variant or a published line of a whole company."""
    return choose(given(cafc_target) | given(cafc_actual) | given(nev_actual), "company_line", "vehicle")


def exclusion_reason(
    row_kind,
    accounting_day,
    scheme_starts_on,
    exported,
    is_import,
    parallel_imports_accounted_from,
    importer_authorised,
):
    """Why the row is outside the accounting, the first ground that applies, or `none`. Order 44, arts. 12 and 17."""
    return choose(
        row_kind == "company_line",
        "company_line",
        accounting_day < scheme_starts_on,
        "before_scheme",
        exported,
        "exported",
        is_import & (accounting_day < parallel_imports_accounted_from),
        choose(importer_authorised, "none", "parallel_import_before_2019"),
        "none",
    )


def verdict(exclusion_reason):
    """`excluded` where a ground of exclusion applies, otherwise `determined`."""
    return choose(exclusion_reason == "none", "determined", "excluded")


def is_nev(powertrain_class):
    """New energy vehicles: battery-electric, plug-in hybrid (range-extended among them) and fuel-cell cars."""
    return powertrain_class == "nev"


def is_conventional(powertrain_class):
    """Conventional cars: those that can burn petrol, diesel, gas, or since 2021 alcohol or ether fuel, other than NEVs."""
    return powertrain_class == "conventional"


# -- energy use


def energy_mass_class(curb_mass_kg, energy_mass_low_kg, energy_mass_high_kg):
    """Which line of energy use the car's curb mass falls on."""
    return choose(curb_mass_kg <= energy_mass_low_kg, "light", curb_mass_kg <= energy_mass_high_kg, "middle", "heavy")


def energy_reference(curb_mass_kg, energy_slope, energy_offset):
    """The electricity use that the car is measured by: condition one until 2020, the target Y since 2021."""
    return energy_slope * curb_mass_kg + energy_offset


def meets_energy_reference(energy_use_kwh_per_100km, energy_reference):
    """Whether the electricity use is no more than that."""
    return energy_use_kwh_per_100km <= energy_reference


# -- battery-electric cars


def meets_bev_requirements(electric_range_km, bev_minimum_range_km, top_speed_30min_kmh, bev_minimum_speed_kmh):
    """Range and 30-minute top speed are enough; an empty speed is taken as enough."""
    return (electric_range_km >= bev_minimum_range_km) & choose(
        given(top_speed_30min_kmh), top_speed_30min_kmh >= bev_minimum_speed_kmh, True
    )


def speed_not_given(powertrain, top_speed_30min_kmh):
    """A battery-electric car without a 30-minute top speed."""
    return (powertrain == "battery_electric") & ~given(top_speed_30min_kmh)


@dated("2016-01-01", known_from="2017-09-27", reference="Order 44, annex on NEV credits")
def bev_uncapped_base(electric_range_km, bev_base_slope, bev_base_offset):
    """Base credit of a battery-electric car before the cap. Order 44."""
    return bev_base_slope * electric_range_km + bev_base_offset


@dated("2021-01-01", known_from="2020-06-15", reference="Order 53, annex on NEV credits")
def bev_uncapped_base(  # noqa: F811
    electric_range_km, bev_base_slope, bev_base_offset, bev_short_range_base, bev_formula_range_km
):
    """Base credit of a battery-electric car before the cap: a fixed one below 150 km. Orders 53 and 64."""
    return choose(
        electric_range_km < bev_formula_range_km,
        bev_short_range_base,
        bev_base_slope * electric_range_km + bev_base_offset,
    )


def bev_base(bev_uncapped_base, bev_base_cap, cap_applies_to):
    """Base credit of a battery-electric car; the cap holds the base, or by the other reading the final credit."""
    return choose(cap_applies_to == "base", minimum(bev_uncapped_base, bev_base_cap), bev_uncapped_base)


def range_band(electric_range_km, bev_minimum_range_km, range_edge_short_km, range_edge_middle_km, range_edge_long_km):
    """The band of electric range that the range multiplier (ER) goes by; each from its lower edge on."""
    return choose(
        electric_range_km < bev_minimum_range_km,
        "below_minimum",
        electric_range_km < range_edge_short_km,
        "minimum",
        electric_range_km < range_edge_middle_km,
        "short",
        electric_range_km < range_edge_long_km,
        "middle",
        "long",
    )


def density_band(battery_energy_density_wh_per_kg, density_edge_low, density_edge_middle, density_edge_high):
    """The band of energy density that the density multiplier (BD) goes by; each from its lower edge on."""
    return choose(
        battery_energy_density_wh_per_kg < density_edge_low,
        "lowest",
        battery_energy_density_wh_per_kg < density_edge_middle,
        "low",
        battery_energy_density_wh_per_kg < density_edge_high,
        "middle",
        "high",
    )


@dated("2016-01-01", known_from="2017-09-27", reference="Order 44, annex on NEV credits")
def bev_credit(
    meets_bev_requirements,
    bev_base,
    bev_base_cap,
    cap_applies_to,
    energy_use_kwh_per_100km,
    energy_reference,
    meets_energy_reference,
    energy_condition_two_share,
    energy_factor_best,
    energy_factor_failed,
    per_vehicle_rounding,
):
    """Credit of a battery-electric car: base x 1.2, 1 or 0.5 by its electricity use. Order 44."""
    credit = choose(
        energy_use_kwh_per_100km <= energy_reference * energy_condition_two_share,
        bev_base * energy_factor_best,
        meets_energy_reference,
        bev_base,
        bev_base * energy_factor_failed,
    )
    return choose(meets_bev_requirements, _held(_rounded(credit, 1, per_vehicle_rounding), bev_base_cap, cap_applies_to), 0)


@dated("2021-01-01", known_from="2020-06-15", reference="Order 53, annex on NEV credits")
def bev_credit(  # noqa: F811
    meets_bev_requirements,
    bev_base,
    bev_base_cap,
    cap_applies_to,
    range_factor,
    density_factor,
    energy_use_kwh_per_100km,
    energy_reference,
    meets_energy_reference,
    energy_factor_best,
    energy_factor_failed,
    per_vehicle_rounding,
):
    """Credit of a battery-electric car: base x ER x BD x EC, where EC is Y/e up to 1.5, or 0.5 above Y. Orders 53 and 64."""
    before_energy = bev_base * range_factor * density_factor
    credit = choose(
        ~meets_energy_reference,
        _rounded(before_energy * energy_factor_failed, 1, per_vehicle_rounding),
        energy_reference >= energy_use_kwh_per_100km * energy_factor_best,
        _rounded(before_energy * energy_factor_best, 1, per_vehicle_rounding),
        _rounded(before_energy * energy_reference, energy_use_kwh_per_100km, per_vehicle_rounding),
    )
    return choose(meets_bev_requirements, _held(credit, bev_base_cap, cap_applies_to), 0)


# -- plug-in hybrids


def range_cycle(test_cycle, standard_cycle):
    """The cycle of the electric range: as given, otherwise the standard's of the year."""
    return choose(given(test_cycle), test_cycle, standard_cycle)


def phev_range_is_enough(electric_range_km, phev_minimum_range_km):
    """Whether a plug-in hybrid's electric range makes it a new energy vehicle that earns credits."""
    return electric_range_km >= phev_minimum_range_km


def phev_saves_fuel(charge_sustaining_fuel_l_per_100km, fuel_limit_l_per_100km, phev_fuel_share):
    """Whether the charge-sustaining fuel use lies below its share of the GB 19578 limit."""
    return charge_sustaining_fuel_l_per_100km < fuel_limit_l_per_100km * phev_fuel_share


@dated("2016-01-01", known_from="2017-09-27", reference="Order 44, annex on NEV credits")
def phev_conditions(phev_conditions_met, electric_range_km, phev_long_range_km, phev_saves_fuel, meets_energy_reference):
    """Below 80 km the fuel condition, from there on condition one of electricity use; as given where it is given. Order 44."""
    return choose(
        given(phev_conditions_met),
        phev_conditions_met,
        electric_range_km < phev_long_range_km,
        phev_saves_fuel,
        meets_energy_reference,
    )


@dated("2021-01-01", known_from="2020-06-15", reference="Order 53, annex on NEV credits")
def phev_conditions(  # noqa: F811
    phev_conditions_met, phev_saves_fuel, energy_use_kwh_per_100km, energy_reference, phev_energy_share
):
    """The fuel condition and at most 135 % of Y in electricity use; as given where it is given. Order 53."""
    return choose(
        given(phev_conditions_met),
        phev_conditions_met,
        phev_saves_fuel & (energy_use_kwh_per_100km <= energy_reference * phev_energy_share),
    )


@dated("2024-01-01", known_from="2023-07-06", reference="Order 64, annex on NEV credits")
def phev_conditions(phev_conditions_met, phev_saves_fuel):  # noqa: F811
    """The fuel condition; as given where it is given. Order 64."""
    return choose(given(phev_conditions_met), phev_conditions_met, phev_saves_fuel)


def phev_credit(phev_range_is_enough, phev_conditions, phev_base, phev_factor_failed, per_vehicle_rounding):
    """Credit of a plug-in hybrid: its base, half of it where it fails a condition, none below the least range."""
    credit = choose(phev_conditions, phev_base, phev_base * phev_factor_failed)
    return choose(phev_range_is_enough, _rounded(credit, 1, per_vehicle_rounding), 0)


# -- fuel-cell cars


def fcv_base(fuel_cell_power_kw, fcv_base_slope, fcv_base_cap):
    """Base credit of a fuel-cell car: by the rated power of its fuel-cell system, up to a cap."""
    return minimum(fcv_base_slope * fuel_cell_power_kw, fcv_base_cap)


def fcv_power_is_enough(fuel_cell_power_kw, drive_motor_power_kw, fcv_power_share, fcv_minimum_power_kw):
    """Whether the fuel-cell system has its least power, absolute and against the drive motor (RP)."""
    return (fuel_cell_power_kw >= fcv_minimum_power_kw) & (fuel_cell_power_kw >= drive_motor_power_kw * fcv_power_share)


def fcv_credit(
    electric_range_km, fcv_minimum_range_km, fcv_base, fcv_power_is_enough, fcv_factor_failed, per_vehicle_rounding
):
    """Credit of a fuel-cell car: base x RP, none below the least range."""
    credit = choose(fcv_power_is_enough, fcv_base, fcv_base * fcv_factor_failed)
    return choose(electric_range_km >= fcv_minimum_range_km, _rounded(credit, 1, per_vehicle_rounding), 0)


# -- the NEV credit


def nev_credit(powertrain, bev_credit, phev_credit, fcv_credit):
    """NEV credits of one car, to two decimals; a car that isn't a new energy vehicle earns none."""
    return choose(
        powertrain == "battery_electric",
        bev_credit,
        powertrain == "plug_in_hybrid",
        phev_credit,
        powertrain == "fuel_cell",
        fcv_credit,
        0,
    )


def has_half_factor(
    powertrain,
    meets_bev_requirements,
    meets_energy_reference,
    phev_range_is_enough,
    phev_conditions,
    electric_range_km,
    fcv_minimum_range_km,
    fcv_power_is_enough,
):
    """Whether the car earns credits, but halved because it fails a condition."""
    return choose(
        powertrain == "battery_electric",
        choose(meets_bev_requirements, ~meets_energy_reference, False),
        powertrain == "plug_in_hybrid",
        choose(phev_range_is_enough, ~phev_conditions, False),
        powertrain == "fuel_cell",
        choose(electric_range_km >= fcv_minimum_range_km, ~fcv_power_is_enough, False),
        False,
    )


def own_use_only(has_half_factor, half_credits):
    """Whether the car's credits may be used by its company only, not sold."""
    return choose(has_half_factor, half_credits == "own_use", False)


# -- the target of GB 27999


def has_three_rows(seat_rows, three_rows):
    """Three or more rows of seats."""
    return seat_rows >= three_rows


def mass_bin(
    curb_mass_kg,
    mass_edge_01_kg,
    mass_edge_02_kg,
    mass_edge_03_kg,
    mass_edge_04_kg,
    mass_edge_05_kg,
    mass_edge_06_kg,
    mass_edge_07_kg,
    mass_edge_08_kg,
    mass_edge_09_kg,
    mass_edge_10_kg,
    mass_edge_11_kg,
    mass_edge_12_kg,
    mass_edge_13_kg,
    mass_edge_14_kg,
    mass_edge_15_kg,
):
    """The bin of curb mass of GB 27999-2014: above the lower edge, up to and including the upper one."""
    return choose(
        curb_mass_kg <= mass_edge_01_kg,
        "bin_01",
        curb_mass_kg <= mass_edge_02_kg,
        "bin_02",
        curb_mass_kg <= mass_edge_03_kg,
        "bin_03",
        curb_mass_kg <= mass_edge_04_kg,
        "bin_04",
        curb_mass_kg <= mass_edge_05_kg,
        "bin_05",
        curb_mass_kg <= mass_edge_06_kg,
        "bin_06",
        curb_mass_kg <= mass_edge_07_kg,
        "bin_07",
        curb_mass_kg <= mass_edge_08_kg,
        "bin_08",
        curb_mass_kg <= mass_edge_09_kg,
        "bin_09",
        curb_mass_kg <= mass_edge_10_kg,
        "bin_10",
        curb_mass_kg <= mass_edge_11_kg,
        "bin_11",
        curb_mass_kg <= mass_edge_12_kg,
        "bin_12",
        curb_mass_kg <= mass_edge_13_kg,
        "bin_13",
        curb_mass_kg <= mass_edge_14_kg,
        "bin_14",
        curb_mass_kg <= mass_edge_15_kg,
        "bin_15",
        "bin_16",
    )


@dated("2016-01-01", known_from="2014-12-31", reference="GB 27999-2014")
def target(target_of_bin, three_row_addition_of_bin, has_three_rows):
    """The car's target by its bin of curb mass. GB 27999-2014."""
    return choose(has_three_rows, target_of_bin + three_row_addition_of_bin, target_of_bin)


@dated("2021-01-01", known_from="2019-12-31", reference="GB 27999-2019, clause 4")
def target(target_of_line, three_row_addition, has_three_rows):  # noqa: F811
    """The car's target by the line of curb mass. GB 27999-2019."""
    return choose(has_three_rows, target_of_line + three_row_addition, target_of_line)


def target_of_line(
    curb_mass_kg,
    target_line_low_kg,
    target_line_high_kg,
    target_lowest,
    target_highest,
    target_slope,
    target_line_mass_kg,
    target_line_middle,
    target_rounding,
):
    """The line of GB 27999-2019 between its lowest and highest target."""
    line = target_slope * (curb_mass_kg - target_line_mass_kg) + target_line_middle
    return choose(
        curb_mass_kg <= target_line_low_kg,
        target_lowest,
        curb_mass_kg <= target_line_high_kg,
        choose(target_rounding == "none", line, half_up(line, decimals=2)),
        target_highest,
    )


# -- the fuel consumption that counts


def is_electric(powertrain):
    """Battery-electric and fuel-cell cars, which burn no fuel."""
    return is_in(powertrain, "battery_electric", "fuel_cell")


def electric_with_fuel(is_electric, fuel_consumption_l_per_100km):
    """A battery-electric or fuel-cell car was given a fuel consumption above zero."""
    return is_electric & (fuel_consumption_l_per_100km > 0)


def fuel_cycle(test_cycle, standard_cycle):
    """The cycle of the fuel consumption: as given, otherwise the standard's of the year."""
    return choose(given(test_cycle), test_cycle, standard_cycle)


def fuel(is_electric, electric_fuel, fuel_consumption_l_per_100km, fuel_cycle, standard_cycle, cycle_factor):
    """Fuel consumption in the standard's cycle, electric cars with none; no rule converts another cycle."""
    return choose(
        is_electric,
        electric_fuel,
        fuel_cycle == standard_cycle,
        fuel_consumption_l_per_100km,
        half_up(fuel_consumption_l_per_100km * cycle_factor, decimals=2),
    )


def off_cycle_reduction(off_cycle_counts, off_cycle_l_per_100km, braking_reduction_claimed, braking_reduction):
    """What off-cycle technology takes off the fuel consumption; amounts add up. Notice 339."""
    claimed = choose(braking_reduction_claimed, off_cycle_l_per_100km + braking_reduction, off_cycle_l_per_100km)
    return choose(off_cycle_l_per_100km > 0, choose(off_cycle_counts, claimed, 0), braking_reduction_claimed,
                  choose(off_cycle_counts, claimed, 0), 0)  # fmt: skip


def counted_fuel_in_average(is_electric, fuel, off_cycle_reduction):
    """The fuel consumption that counts in the company's average."""
    return choose(is_electric, fuel, maximum(fuel - off_cycle_reduction, 0))


def multiplier_class(
    powertrain,
    phev_range_is_enough,
    approved_before_2021,
    accounting_day,
    phev_transition_ends_on,
    fuel,
    economical_limit,
):
    """Which multiplier (W) the car has in the denominator of the company's average. GB 27999-2019, clause 5."""
    kept = approved_before_2021 & (accounting_day <= phev_transition_ends_on)
    ordinary = choose(fuel <= economical_limit, "economical", "ordinary")
    return choose(
        is_in(powertrain, "battery_electric", "fuel_cell"),
        "nev",
        powertrain == "plug_in_hybrid",
        choose(kept, "nev", phev_range_is_enough, "nev", ordinary),
        ordinary,
    )


def multiplier(cafc_multiplier):
    """How often the car counts in the denominator of the company's average (W)."""
    return cafc_multiplier


def fuel_efficient_limit(target, year_ratio):
    """Fuel consumption up to which a conventional car is fuel-efficient: target x ratio of the year, to two decimals. Order 53."""
    return half_up(target * year_ratio, decimals=2)


@dated("2016-01-01", known_from="2017-09-27", reference="Order 44 knows no such class")
def is_fuel_efficient():
    """The class of fuel-efficient (low-fuel-consumption) cars exists since Order 53."""
    return False


@dated("2021-01-01", known_from="2020-06-15", reference="Order 53, definition of low-fuel-consumption passenger cars")
def is_fuel_efficient(is_conventional, fuel, fuel_efficient_limit):  # noqa: F811
    """Whether a conventional car's fuel consumption is no more than target x ratio of the year. Order 53."""
    return choose(is_conventional, fuel <= fuel_efficient_limit, False)


# -- what the company's table needs as it stands in the row


def accounted_year(year):
    """The accounting year, for the company's table."""
    return year


def accounted_volume(volume):
    """Cars of the variant, or of the whole company."""
    return volume


def authorised(importer_authorised):
    """Whether the overseas maker authorised the importer."""
    return importer_authorised


def independent(independent_maker):
    """Whether a domestic maker is independent."""
    return independent_maker


def average_before(previous_cafc_actual):
    """The company's actual average of the year before."""
    return previous_cafc_actual


def line_target(cafc_target):
    """Published required value."""
    return cafc_target


def line_actual(cafc_actual):
    """Published actual average."""
    return cafc_actual


def line_conventional(conventional_volume):
    """Published conventional cars."""
    return conventional_volume


def line_fuel_efficient(fuel_efficient_volume):
    """Published fuel-efficient cars."""
    return fuel_efficient_volume


def line_nev_actual(nev_actual):
    """Published NEV credits earned."""
    return nev_actual


def line_cafc_balance(published_cafc_balance):
    """Published CAFC balance."""
    return published_cafc_balance


def line_nev_balance(published_nev_balance):
    """Published NEV balance."""
    return published_nev_balance


# -- the bank: the kind of credit that bank.py reads its values by


def credit_kind(is_nev):
    """The kind of credits that a car is made for; the bank's values are kept by it, no formula of a car needs it."""
    return choose(is_nev, "nev", "cafc")


def _rounded(dividend, divisor, rounding):
    return choose(
        rounding == "truncate", truncate_div(dividend, divisor, decimals=2), half_up_div(dividend, divisor, decimals=2)
    )


def _held(credit, cap, cap_applies_to):
    return choose(cap_applies_to == "final", half_up(minimum(credit, cap), decimals=2), credit)
