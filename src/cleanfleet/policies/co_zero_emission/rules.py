"""The formulas of Colombia's Law 1964 of 2019 and of the duties beside it; its numbers stand in ``values/*.yaml``.

Arguments are input columns (``policy.yaml``), values, or other rules. Shares are held at 0.0001, money is whole pesos.
Sections are of Law 1964 unless another law is named. A row's ``kind`` decides which rules speak about it.
"""

from cleanfleet.law.rules import (
    add_years,
    choose,
    floor_div,
    given,
    half_up,
    is_in,
    maximum,
    needs,
    truncate,
    year_of,
)

# -- what a row is


def row_kind(kind):
    """What the row is."""
    return kind


def is_vehicle(kind):
    """Whether the row is a vehicle."""
    return kind == "vehicle"


def is_plan(kind):
    """Whether the row is a purchase plan."""
    return kind == "purchase_plan"


def is_charging(kind):
    """Whether the row is an inventory of charging stations."""
    return kind == "charging"


def is_parking(kind):
    """Whether the row is a car park."""
    return kind == "parking"


def has_duty(kind):
    """Whether the row is held against a duty or a target."""
    return kind != "vehicle"


def duty(kind, duty_of_entity):
    """The duty or target that the row is held against."""
    return choose(
        kind == "purchase_plan",
        duty_of_entity,
        kind == "charging",
        "charging_stations",
        kind == "parking",
        "preferential_parking",
        "national_target",
    )


def municipality_exempt(municipality):
    """Buenaventura and Tumaco are left out of arts. 8 and 9; an empty municipality is neither."""
    return choose(given(municipality), is_in(municipality, "buenaventura", "tumaco"), False)


# -- the day


def row_year(year, on):
    """The year of a plan: as given, otherwise that of its day."""
    return choose(given(year), year, given(on), year_of(on), year)


def year_end(year, year_end_day):
    """31 December of the plan's year."""
    return add_years(year_end_day, year - year_of(year_end_day))


def is_split_year(year, duty_of_entity, quota_starts_on, gas_duty_binds, gas_duty_from, gas_duty_until):
    """Whether one of the entity's duties begins or ends within the year, so that a year's total doesn't tell what is bound."""
    quota = (duty_of_entity == "public_quota") & (year == year_of(quota_starts_on))
    gas = gas_duty_binds & ((year == year_of(gas_duty_from)) | (year == year_of(gas_duty_until)))
    return quota | gas


def plan_day(on, year_end, is_split_year, split_year):
    """The day whose law a plan is held against: its own, otherwise the last of its year."""
    return choose(given(on), on, is_split_year, choose(split_year == "by_date", needs(on, year_end), year_end), year_end)


def law_date(is_plan, plan_day, on):
    """The day whose law applies."""
    return choose(is_plan, plan_day, on)


def tax_year(law_date):
    """The year of the tax."""
    return year_of(law_date)


def on_outside_year(kind, on, year):
    """A plan's day that does not lie in its year."""
    return (kind == "purchase_plan") & (year_of(on) != year)


# -- a vehicle: arts. 2 to 7


def is_electric(powertrain, plug_in_hybrids, electric_definition):
    """Whether the powertrain makes an electric vehicle. art. 2; the reading `seed` counts plug-in hybrids too."""
    return choose(
        powertrain == "plug_in_hybrid", choose(plug_in_hybrids == "seed", True, electric_definition), electric_definition
    )


def is_zero_emission(powertrain, plug_in_hybrids, zero_emission_definition):
    """Whether the powertrain shares the benefits of circulation and parking. arts. 6, 7; Decree 191 of 2021."""
    return choose(
        powertrain == "plug_in_hybrid",
        choose(plug_in_hybrids == "seed", True, zero_emission_definition),
        zero_emission_definition,
    )


def is_in_force(law_date, law_in_force_on):
    """Whether Law 1964 is in force."""
    return law_date >= law_in_force_on


def vehicle_ground(is_in_force, is_electric, is_zero_emission, powertrain):
    """Why the vehicle has none of the benefits, or `none`."""
    return choose(
        ~is_in_force,
        "before_law",
        is_electric | is_zero_emission,
        "none",
        powertrain == "plug_in_hybrid",
        "plug_in_hybrid_not_covered",
        powertrain == "hybrid",
        "hybrid_not_covered",
        "combustion_not_covered",
    )


def has_value(is_vehicle, value_cop):
    """Whether a vehicle's commercial value is given."""
    return is_vehicle & given(value_cop)


def is_capped(is_in_force, is_electric):
    """Whether the cap on the tax applies. art. 3."""
    return is_in_force & is_electric


def has_tax_rate(is_vehicle, is_capped, value_cop):
    """Whether the highest rate can be told: by the cap, or by the value."""
    return choose(is_vehicle, choose(given(value_cop), True, is_capped), False)


def tax_rate_ordinary(
    body,
    value_cop,
    tax_bracket_low_cop,
    tax_bracket_high_cop,
    tax_rate_low,
    tax_rate_middle,
    tax_rate_high,
    tax_rate_motorcycle,
):
    """The rate on the whole commercial value, by its bracket. Law 488 art. 145."""
    return choose(
        body == "motorcycle",
        tax_rate_motorcycle,
        value_cop <= tax_bracket_low_cop,
        tax_rate_low,
        value_cop <= tax_bracket_high_cop,
        tax_rate_middle,
        tax_rate_high,
    )


def tax_rate_max(is_capped, tax_cap, tax_rate_ordinary):
    """The highest rate that may be asked: 1 % for electric vehicles. art. 3."""
    return choose(is_capped, tax_cap, tax_rate_ordinary)


def tax_ordinary(value_cop, tax_rate_ordinary):
    """The tax without the cap, half up to the peso (our choice; the rule of rounding was not seen)."""
    return half_up(value_cop * tax_rate_ordinary)


def tax_max(value_cop, tax_rate_max):
    """The highest tax that may be asked, half up to the peso."""
    return half_up(value_cop * tax_rate_max)


def tax_saving(is_capped, tax_ordinary, tax_max):
    """What the cap saves in the year."""
    return choose(is_capped, maximum(tax_ordinary - tax_max, 0), 0)


def has_premium(is_vehicle, soat_premium_cop):
    """Whether a vehicle's insurance premium is given."""
    return is_vehicle & given(soat_premium_cop)


def insurance_discount_here(is_capped, insurance_discount):
    """The discount on the premium of the mandatory insurance. art. 4 par."""
    return choose(is_capped, insurance_discount, 0)


def insurance_saving(soat_premium_cop, insurance_discount_here):
    """The discount in pesos, half up."""
    return half_up(soat_premium_cop * insurance_discount_here)


def has_inspection_price(is_vehicle, inspection_price_cop):
    """Whether the price of the inspection is given."""
    return is_vehicle & given(inspection_price_cop)


def inspection_discount_here(is_capped, inspection_discount):
    """The discount on the technical-mechanical and emissions inspection. art. 4."""
    return choose(is_capped, inspection_discount, 0)


def inspection_saving(inspection_price_cop, inspection_discount_here):
    """The discount in pesos, half up."""
    return half_up(inspection_price_cop * inspection_discount_here)


def restriction_exempt(is_in_force, is_electric, is_zero_emission, restriction):
    """Exempt from any local traffic restriction but those for security. art. 6."""
    return is_in_force & (is_electric | is_zero_emission) & (restriction != "security")


def preferential_parking(is_in_force, is_electric, is_zero_emission):
    """Whether the vehicle may use the preferential spaces. art. 7."""
    return is_in_force & (is_electric | is_zero_emission)


def wants_local_tax(is_vehicle, local_incentives):
    """Whether the municipality's discount on the tax is asked for. art. 5."""
    return is_vehicle & is_in(local_incentives, "tax", "all")


def wants_local_registration(is_vehicle, local_incentives):
    """Whether the municipality's discount on registration is asked for. art. 5."""
    return is_vehicle & is_in(local_incentives, "registration", "all")


def wants_local_parking(is_vehicle, local_incentives):
    """Whether the municipality's discount on parking is asked for. art. 5."""
    return is_vehicle & is_in(local_incentives, "parking", "all")


def wants_tax_after_local(wants_local_tax, value_cop):
    """Whether the tax less the municipality's discount can be told."""
    return wants_local_tax & given(value_cop)


def local_tax_discount_here(local_tax_discount):
    """The municipality's discount on the tax."""
    return local_tax_discount


def local_registration_discount_here(local_registration_discount):
    """The municipality's discount on the registration fee."""
    return local_registration_discount


def local_parking_discount_here(local_parking_discount):
    """The municipality's discount on the parking tariff."""
    return local_parking_discount


def tax_after_local(tax_max, local_tax_discount):
    """The highest tax less the municipality's discount, half up to the peso."""
    return half_up(tax_max - tax_max * local_tax_discount)


# -- acquisitions: art. 8


def plan_scope(
    duty_of_entity,
    law_date,
    bus_schedule_starts_on,
    quota_starts_on,
    entity_kind,
    municipality_exempt,
    quota_binds_category,
    vehicles_acquired,
):
    """Why the duty of art. 8 doesn't bind these acquisitions, or `none`."""
    starts_on = choose(duty_of_entity == "bus_schedule", bus_schedule_starts_on, quota_starts_on)
    return choose(
        law_date < starts_on,
        "before_duty",
        (entity_kind == "government") & municipality_exempt,
        "excepted_municipality",
        choose(entity_kind == "government", ~quota_binds_category, False),
        "municipality_not_bound",
        vehicles_acquired == 0,
        "no_acquisitions",
        "none",
    )


def plan_bound(is_plan, plan_scope):
    """Whether a duty of art. 8 binds the plan."""
    return choose(is_plan, plan_scope == "none", False)


def share_of_duty(duty_of_entity, bus_share, public_quota_share):
    """The share of zero-emission vehicles that the duty asks for. art. 8."""
    return choose(duty_of_entity == "bus_schedule", bus_share, public_quota_share)


def plan_required(share_of_duty, vehicles_acquired):
    """The smallest whole number of zero-emission vehicles that reaches the share."""
    return _up(share_of_duty * vehicles_acquired)


def plan_shortfall(plan_required, zero_emission_acquired):
    """How many more of the vehicles acquired had to be zero-emission."""
    return maximum(plan_required - zero_emission_acquired, 0)


def can_add(plan_bound, plan_shortfall, share_of_duty):
    """Whether buying more zero-emission vehicles on top can reach the share: not where all must be zero-emission."""
    return choose(plan_bound, (plan_shortfall == 0) | (share_of_duty < 1), False)


def extra_vehicles(plan_shortfall, share_of_duty, vehicles_acquired, zero_emission_acquired):
    """Zero-emission vehicles k on top of the plan: the smallest with zero emission + k >= share x (acquired + k)."""
    share = truncate(share_of_duty * 10000)  # in ten-thousandths, whole
    lacking = maximum(share * vehicles_acquired - zero_emission_acquired * 10000, 0)
    rest = maximum(10000 - share, 1)
    return choose(plan_shortfall == 0, 0, 0 - floor_div(0 - lacking, rest))


def too_many_zero_emission(zero_emission_acquired, vehicles_acquired):
    """More zero-emission vehicles than vehicles acquired."""
    return zero_emission_acquired > vehicles_acquired


# -- the other duties on the same fleet: Law 1972, Law 2128


def law1972_here(is_plan, law1972_binds, law_date, law1972_made_on):
    """Whether Law 1972's share concerns the plan."""
    return choose(is_plan, law1972_binds & (law_date >= law1972_made_on), False)


def law1972_due(law_date, law1972_due_on):
    """Whether Law 1972's share must have been reached."""
    return law_date >= law1972_due_on


def law1972_share_here(law1972_share):
    """Law 1972's share."""
    return law1972_share


def law1972_acquired_shortfall(law1972_share, vehicles_acquired, zero_emission_acquired):
    """Vehicles short of the share, counted among the vehicles acquired."""
    return maximum(_up(law1972_share * vehicles_acquired) - zero_emission_acquired, 0)


def law1972_acquired_status(law1972_acquired_shortfall, law1972_due):
    """Whether the share is reached among the vehicles acquired."""
    return choose(law1972_acquired_shortfall == 0, "met", law1972_due, "not_met", "not_due")


def law1972_fleet_here(law1972_here, fleet_vehicles):
    """Whether the share can be held against the whole fleet."""
    return law1972_here & given(fleet_vehicles)


def law1972_fleet_shortfall(law1972_share, fleet_vehicles, fleet_zero_emission):
    """Vehicles short of the share, counted in the whole fleet."""
    return maximum(_up(law1972_share * fleet_vehicles) - fleet_zero_emission, 0)


def law1972_fleet_status(law1972_fleet_shortfall, law1972_due):
    """Whether the share is reached in the whole fleet."""
    return choose(law1972_fleet_shortfall == 0, "met", law1972_due, "not_met", "not_due")


def other_base_disagrees(law1972_fleet_here, law1972_acquired_shortfall, law1972_fleet_shortfall):
    """The two bases of Law 1972 give different answers."""
    return law1972_fleet_here & ((law1972_acquired_shortfall == 0) != (law1972_fleet_shortfall == 0))


def too_many_in_fleet(fleet_zero_emission, fleet_vehicles):
    """More zero-emission vehicles than the fleet has."""
    return fleet_zero_emission > fleet_vehicles


def gas_in_force(is_plan, gas_duty_binds, law_date, gas_duty_from, gas_duty_until):
    """Whether Law 2128's share binds the plan. Law 2128 art. 13."""
    return choose(is_plan, gas_duty_binds & (law_date >= gas_duty_from) & (law_date < gas_duty_until), False)


def gas_share_here(gas_share):
    """Law 2128's share."""
    return gas_share


def gas_required_vehicles(gas_share, vehicles_acquired):
    """The smallest whole number of gas vehicles that reaches the share."""
    return _up(gas_share * vehicles_acquired)


def gas_told(gas_in_force, dedicated_gas_acquired):
    """Whether the share binds and the gas vehicles are given."""
    return gas_in_force & given(dedicated_gas_acquired)


def gas_shortfall_vehicles(gas_required_vehicles, dedicated_gas_acquired):
    """How many more of the vehicles acquired had to run on gas."""
    return maximum(gas_required_vehicles - dedicated_gas_acquired, 0)


def gas_status(gas_shortfall_vehicles):
    """Whether the share of gas vehicles is reached."""
    return choose(gas_shortfall_vehicles == 0, "met", "not_met")


def too_many_gas(zero_emission_acquired, dedicated_gas_acquired, vehicles_acquired):
    """More zero-emission and gas vehicles than vehicles acquired."""
    return zero_emission_acquired + dedicated_gas_acquired > vehicles_acquired


def transit_plan(is_plan, law1972_binds):
    """Whether the plan is one of public-transport systems, which more than one law binds."""
    return choose(is_plan, law1972_binds, False)


def zero_emission_needed(
    plan_scope,
    plan_required,
    law1972_due,
    law1972_share,
    vehicles_acquired,
    fleet_vehicles,
    zero_emission_acquired,
    law1972_fleet_shortfall,
):
    """Zero-emission vehicles that the plan needs for all duties in force.

    The larger of art. 8 and, once it is due, Law 1972 (by the vehicles acquired, and by the fleet where it is given).
    """
    art8 = choose(plan_scope == "none", plan_required, 0)
    lacking = choose(given(fleet_vehicles), law1972_fleet_shortfall, 0)
    by_fleet = choose(lacking > 0, zero_emission_acquired + lacking, 0)
    law1972 = choose(law1972_due, maximum(_up(law1972_share * vehicles_acquired), by_fleet), 0)
    return maximum(art8, law1972)


def gas_needed(gas_in_force, gas_required_vehicles):
    """Gas vehicles that the plan needs."""
    return choose(gas_in_force, gas_required_vehicles, 0)


def duties_together(zero_emission_needed, gas_needed, vehicles_acquired):
    """Whether both fit into the vehicles acquired, in whole vehicles; none is zero-emission and a gas vehicle."""
    return choose(zero_emission_needed + gas_needed <= vehicles_acquired, "possible", "impossible")


def all_duties(zero_emission_acquired, zero_emission_needed, gas_in_force, dedicated_gas_acquired, gas_required_vehicles):
    """Whether the plan meets all duties in force."""
    gas = choose(
        ~gas_in_force,
        "met",
        given(dedicated_gas_acquired),
        choose(dedicated_gas_acquired >= gas_required_vehicles, "met", "not_met"),
        gas_required_vehicles == 0,
        "met",
        "gas_not_told",
    )
    return choose(zero_emission_acquired < zero_emission_needed, "not_met", gas)


# -- charging stations: art. 9


def charging_binds(municipality, municipality_exempt, municipality_category, charging_municipalities):
    """Why the municipality needs no charging stations, or `none`."""
    return choose(
        municipality == "bogota",
        "none",
        municipality_exempt,
        "excepted_municipality",
        municipality_category == "special",
        "none",
        municipality_category == "first",
        choose(charging_municipalities == "special_and_first", "none", "municipality_not_bound"),
        "municipality_not_bound",
    )


def charging_scope(charging_binds, law_date, charging_due_on):
    """Why the stations aren't due, or `none`."""
    return choose(charging_binds != "none", charging_binds, law_date < charging_due_on, "before_duty", "none")


def charging_bound(is_charging, charging_binds, law_date, law_in_force_on):
    """Whether the municipality must have stations, now or from the due day on."""
    return choose(is_charging, (charging_binds == "none") & (law_date >= law_in_force_on), False)


def required_stations(municipality, stations_bogota, stations_per_municipality):
    """Stations that the municipality must have."""
    return choose(municipality == "bogota", stations_bogota, stations_per_municipality)


def station_ground(stations, working, publicly_accessible, municipality, bogota_stations, fast):
    """Why the row's stations don't count, or `none`; who runs them doesn't matter."""
    slow = choose(fast, "none", "not_fast")
    return choose(
        stations == 0,
        "no_station",
        ~working,
        "not_working",
        ~publicly_accessible,
        "not_public",
        municipality == "bogota",
        choose(bogota_stations == "any", "none", slow),
        slow,
    )


def counted_stations(station_ground, stations):
    """Stations of the row that count."""
    return choose(station_ground == "none", stations, 0)


# -- preferential parking: art. 7


def parking_scope(law_date, law_in_force_on, parking_rule_from, parking_before_decree, parking_binds_category):
    """Why the car park needs no preferential spaces, or `none`."""
    begun = choose(law_date >= parking_rule_from, True, law_date < law_in_force_on, False, parking_before_decree == "yes")
    return choose(~begun, "before_duty", parking_binds_category, "none", "municipality_not_bound")


def parking_bound(is_parking, parking_scope):
    """Whether the car park must have preferential spaces."""
    return choose(is_parking, parking_scope == "none", False)


def required_spaces(parking_share, parking_spaces, parking_rounding):
    """Spaces for the preferential use of electric vehicles."""
    exact = parking_share * parking_spaces
    up = _up(exact)
    return choose(up == truncate(exact), up, parking_rounding == "up", up, half_up(exact))


def shortfall_spaces(required_spaces, electric_parking_spaces):
    """Spaces short of it."""
    return maximum(required_spaces - electric_parking_spaces, 0)


def too_many_spaces(electric_parking_spaces, parking_spaces):
    """More spaces for electric vehicles than spaces."""
    return electric_parking_spaces > parking_spaces


# -- the national target: policy, not law


def national_shortfall(national_target, registered_electric):
    """Vehicles up to the target."""
    return maximum(national_target - registered_electric, 0)


# -- what several kinds share


def has_required_vehicles(kind, plan_bound):
    """Whether a number of vehicles is asked for."""
    return choose(kind == "national", True, plan_bound)


def has_share(kind, plan_bound):
    """Whether a share is reached."""
    return choose(kind == "national", True, plan_bound)


def required_vehicles(kind, national_target, plan_required):
    """The smallest whole number that satisfies."""
    return choose(kind == "national", national_target, plan_required)


def shortfall_vehicles(kind, national_shortfall, plan_shortfall):
    """Vehicles short of it."""
    return choose(kind == "national", national_shortfall, plan_shortfall)


def achieved_share(kind, registered_electric, national_target, zero_emission_acquired, vehicles_acquired):
    """The share reached, cut at six places: zero-emission of the vehicles acquired, registered of the target."""
    return choose(
        kind == "national",
        floor_div(registered_electric, maximum(national_target, 1), 6),
        floor_div(zero_emission_acquired, maximum(vehicles_acquired, 1), 6),
    )


def has_due_date(kind, plan_bound, charging_bound):
    """Whether a day is known by which the duty or target must be met."""
    return choose(kind == "national", True, kind == "purchase_plan", plan_bound, kind == "charging", charging_bound, False)


def due_on(kind, national_target_due_on, charging_due_on, duty_of_entity, bus_schedule_starts_on, quota_starts_on):
    """The day by which, or from which, the duty or target must be met."""
    return choose(
        kind == "national",
        national_target_due_on,
        kind == "charging",
        charging_due_on,
        duty_of_entity == "bus_schedule",
        bus_schedule_starts_on,
        quota_starts_on,
    )


def verdict(
    kind,
    vehicle_ground,
    plan_scope,
    plan_shortfall,
    charging_scope,
    station_ground,
    parking_scope,
    shortfall_spaces,
    national_shortfall,
):
    """The status: benefits or none; the duty met or not; a station that counts or not; or a duty that doesn't apply."""
    vehicle = choose(vehicle_ground == "none", "eligible", "not_eligible")
    plan = choose(plan_scope != "none", "not_applicable", plan_shortfall == 0, "met", "not_met")
    charging = choose(charging_scope != "none", "not_applicable", station_ground == "none", "counts", "does_not_count")
    parking = choose(parking_scope != "none", "not_applicable", shortfall_spaces == 0, "met", "not_met")
    national = choose(national_shortfall == 0, "met", "not_met")
    return choose(
        kind == "vehicle",
        vehicle,
        kind == "purchase_plan",
        plan,
        kind == "charging",
        charging,
        kind == "parking",
        parking,
        national,
    )


def ground(
    kind,
    vehicle_ground,
    plan_scope,
    charging_scope,
    station_ground,
    parking_scope,
    national_shortfall,
    law_date,
    national_target_due_on,
):
    """Why: no benefit, no duty, a station that doesn't count, or a target that isn't due yet; otherwise `none`."""
    national = choose((national_shortfall > 0) & (law_date <= national_target_due_on), "not_due_yet", "none")
    return choose(
        kind == "vehicle",
        vehicle_ground,
        kind == "purchase_plan",
        plan_scope,
        kind == "charging",
        choose(charging_scope != "none", charging_scope, station_ground),
        kind == "parking",
        parking_scope,
        national,
    )


# -- what the summary needs of a row


def row_municipality(municipality):
    """The municipality."""
    return municipality


def row_category(municipality_category):
    """The municipality's category."""
    return municipality_category


def row_entity_kind(entity_kind):
    """Who acquires."""
    return entity_kind


def row_acquired(vehicles_acquired):
    """Vehicles acquired."""
    return vehicles_acquired


def row_zero_emission(zero_emission_acquired):
    """Zero-emission vehicles among them."""
    return zero_emission_acquired


def row_gas(dedicated_gas_acquired):
    """Gas vehicles among them."""
    return dedicated_gas_acquired


def row_fleet(fleet_vehicles):
    """The fleet."""
    return fleet_vehicles


def row_fleet_zero_emission(fleet_zero_emission):
    """Zero-emission vehicles of the fleet."""
    return fleet_zero_emission


def row_stations(stations):
    """Stations that the row stands for."""
    return stations


def _up(number):
    """The next whole number, or the number itself where it is whole."""
    return 0 - floor_div(0 - number, 1)
