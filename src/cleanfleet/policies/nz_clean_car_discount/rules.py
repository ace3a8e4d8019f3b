"""The formulas of New Zealand's Clean Car Discount; its numbers stand in ``values/*.yaml``.

Arguments are input columns (``policy.yaml``), values, or other rules; the CO2 on the three-phase WLTP is borrowed from the
Clean Vehicle Standard. Money is NZ$ without GST unless the name says otherwise, unrounded until the two rules that pay it;
grams are g CO2/km. Where the law of 1 April 2022 divides by 145, a rebate is held times its divisor, so that it stays exact.
"""

from cleanfleet.law.rules import add_years, choose, dated, given, half_up, half_up_div, is_in, minimum, needs, truncate

INTERIM = {"known_from": "2021-06-20", "reference": "direction of 20 June 2021; NZTA, Clean Car Discount overview"}
APRIL = {"known_from": "2022-02-28", "reference": "SL 2022/52; direction 2022-go743"}
JULY = {"known_from": "2023-05-22", "reference": "SL 2023/93; NZTA, summary of 1 July 2023 changes"}

# -- dates


def was_ordered_before(ordered_on, rates_changed_on):
    """Whether the vehicle was ordered before 1 July 2023; an empty order date says no."""
    return choose(given(ordered_on), ordered_on < rates_changed_on, False)


def deciding_date(
    registered_on, was_ordered_before, ordered_before_july_2023, rates_changed_on, old_law_last_day, scheme_last_day
):
    """The day whose law applies: first registration; by the reading `old_law` the old law's last day, if ordered under it."""
    return choose(
        was_ordered_before & (registered_on >= rates_changed_on) & (registered_on <= scheme_last_day),
        choose(ordered_before_july_2023 == "old_law", old_law_last_day, registered_on),
        registered_on,
    )


def period(scheme_period):
    """The period of the scheme in which the deciding date lies."""
    return scheme_period


def is_transitional(period, was_ordered_before, ordered_before_july_2023):
    """Ordered before the law of 1 July 2023 and registered under it, where no reading says which law applies."""
    return choose((period == "july_2023") & was_ordered_before, ordered_before_july_2023 == "not_determined", False)


def order_date_unknown(period, ordered_on):
    """Whether it isn't known that the vehicle was ordered under the law of 1 July 2023."""
    return (period == "july_2023") & ~given(ordered_on)


# -- scope


def is_over_age(manufactured_on, first_registered_on, deciding_date, age_in_question_years):
    """Whether the vehicle is over 40 years old, which excludes it from the standard; an unknown age is no obstacle."""
    return choose(
        given(manufactured_on),
        add_years(manufactured_on, age_in_question_years) < deciding_date,
        given(first_registered_on),
        add_years(first_registered_on, age_in_question_years) < deciding_date,
        False,
    )


def exclusion_reason(
    period, exclusion, exclusion_counts, exclusion_of_class, known_mass, light_mass_kg, is_over_age, over_age_is_excluded
):
    """Why the vehicle is outside the scheme, the first ground that applies, or `none`. SL 2022/52 regs 3, 5; direction cl 1."""
    return choose(
        period == "none",
        "before_scheme",
        period == "ended",
        "scheme_ended",
        exclusion_counts,
        exclusion,
        exclusion_of_class != "none",
        exclusion_of_class,
        known_mass > light_mass_kg,
        "over_3500_kg",
        choose(is_over_age, over_age_is_excluded, False),
        "over_40_years",
        "none",
    )


def verdict(exclusion_reason):
    """`excluded` where a ground of exclusion applies, otherwise `determined`."""
    return choose(exclusion_reason == "none", "determined", "excluded")


# -- what the vehicle counts as


def counted_co2(co2_3p_wltp, co2_grams):
    """The grams that count: as they stand, or whole by the reading `co2_grams`."""
    return choose(co2_grams == "as_given", co2_3p_wltp, co2_grams == "half_up", half_up(co2_3p_wltp), truncate(co2_3p_wltp))


def fraction_of_gram(period, co2_3p_wltp):
    """Whether the CO2 is no whole number of grams, where grams count."""
    return (period != "interim") & (co2_3p_wltp != truncate(co2_3p_wltp))


@dated("2021-07-01", **INTERIM)
def band_by_emissions(powertrain):
    """The interim scheme knows battery-electric vehicles and plug-in hybrids, whatever their CO2."""
    return choose(
        powertrain == "battery_electric",
        "battery_electric",
        powertrain == "plug_in_hybrid",
        "plug_in_hybrid",
        "neutral",
    )


@dated("2022-04-01", **APRIL)
def band_by_emissions(counted_co2, rebate_limit_g, rebate_limit_reading, charge_from_g):  # noqa: F811
    """Zero, low (below 146 g; by the agency's reading 146 g too), neutral, or charged (from 192 g)."""
    return choose(
        counted_co2 == 0,
        "zero_emission",
        (counted_co2 < rebate_limit_g) | ((counted_co2 == rebate_limit_g) & (rebate_limit_reading == "agency")),
        "low_emission",
        counted_co2 < charge_from_g,
        "neutral",
        "charged",
    )


@dated("2023-07-01", **JULY)
def band_by_emissions(counted_co2, rebate_limit_g, charge_from_g):  # noqa: F811
    """Zero, low (up to 100 g), neutral, or charged (from 150 g)."""
    return choose(
        counted_co2 == 0,
        "zero_emission",
        counted_co2 <= rebate_limit_g,
        "low_emission",
        counted_co2 < charge_from_g,
        "neutral",
        "charged",
    )


def band(exclusion, disability_vehicles, band_by_emissions, is_transitional, transitional_clause):
    """What the vehicle counts as, before the conditions on rebates; a disability vehicle may count apart."""
    counts = choose(
        exclusion == "disability",
        choose(disability_vehicles == "special_rebate", "disability", band_by_emissions),
        band_by_emissions,
    )
    return choose(is_transitional, needs(transitional_clause, counts), counts)


# -- rebate


def low_rebate_table(counted_co2, lowest_listed_g, rebate_below_lowest, low_emission_rebate):
    """The rebate of a low-emission vehicle before the slope; the tables list none between 0 and 1 g."""
    return choose(counted_co2 < lowest_listed_g, rebate_below_lowest, low_emission_rebate)


@dated("2021-07-01", **INTERIM)
def rebate_divisor():
    """The interim rebates are whole dollars."""
    return 1


@dated("2022-04-01", **APRIL)
def rebate_divisor(slope_divisor):  # noqa: F811
    """The slope of the rebate is a fraction of 145."""
    return slope_divisor


@dated("2023-07-01", **JULY)
def rebate_divisor():  # noqa: F811
    """A fixed sum for each gram: nothing to divide by."""
    return 1


@dated("2021-07-01", **INTERIM)
def rebate_times_divisor(band, interim_electric_rebate, interim_plug_in_rebate):
    """Fixed sums for battery-electric vehicles and for plug-in hybrids."""
    return choose(band == "battery_electric", interim_electric_rebate, band == "plug_in_hybrid", interim_plug_in_rebate, 0)


@dated("2022-04-01", **APRIL)
def rebate_times_divisor(  # noqa: F811
    band,
    counted_co2,
    zero_emission_rebate,
    low_rebate_table,
    slope_from_g,
    slope_start,
    slope_per_gram,
    slope_numerator,
    slope_divisor,
):
    """Zero emissions: a fixed sum; below 57 g another; from 57 g 7,500 (used 3,000) - e x 50 (20) x 130/145. Times 145."""
    return choose(
        band == "zero_emission",
        zero_emission_rebate * slope_divisor,
        band == "low_emission",
        choose(
            counted_co2 < slope_from_g,
            low_rebate_table * slope_divisor,
            slope_start * slope_divisor - counted_co2 * slope_per_gram * slope_numerator,
        ),
        0,
    )


@dated("2023-07-01", **JULY)
def rebate_times_divisor(  # noqa: F811
    band,
    counted_co2,
    zero_emission_rebate,
    low_rebate_table,
    rebate_at_limit,
    rebate_per_gram,
    rebate_limit_g,
    disability_rebate,
):
    """Zero emissions and disability vehicles: fixed sums; up to 100 g 1,500 (used 750) and 50 (25) for each gram below, to a cap."""
    return choose(
        band == "zero_emission",
        zero_emission_rebate,
        band == "low_emission",
        minimum(rebate_at_limit + (rebate_limit_g - counted_co2) * rebate_per_gram, low_rebate_table),
        band == "disability",
        disability_rebate,
        0,
    )


@dated("2021-07-01", **INTERIM)
def has_rebate(band):
    """Whether the vehicle's band has a rebate."""
    return band != "neutral"


@dated("2022-04-01", **APRIL)
def has_rebate(band):  # noqa: F811
    """Whether the vehicle's band has a rebate."""
    return ~is_in(band, "neutral", "charged")


def rebate_refusal(has_rebate, price_incl_gst_nzd, price_cap, safety_stars, least_stars):
    """Why a vehicle that could have a rebate gets none: its price, then its safety rating; both must be known. Direction cl 1."""
    return choose(
        ~has_rebate,
        "none",
        choose(given(price_incl_gst_nzd), price_incl_gst_nzd >= price_cap, False),
        "price_cap",
        choose(given(safety_stars), safety_stars < least_stars, False),
        "safety_rating",
        needs(price_incl_gst_nzd, needs(safety_stars, "none")),
    )


def why(exclusion_reason, period, has_rebate, rebate_refusal):
    """Why the vehicle is outside the scheme or, inside it, gets no rebate that it might expect; otherwise `none`."""
    return choose(
        exclusion_reason != "none",
        exclusion_reason,
        (period == "interim") & ~has_rebate,
        "not_plug_in",
        rebate_refusal,
    )


def rebate_excl_gst(rebate_refusal, rebate_times_divisor, rebate_divisor):
    """The rebate without GST, half up to the cent."""
    return choose(rebate_refusal != "none", 0, half_up_div(rebate_times_divisor, rebate_divisor, decimals=2))


def rebate_payable(rebate_refusal, rebate_times_divisor, rebate_divisor, rebate_excl_gst, public_authority, gst_rate):
    """The rebate as paid: with GST, rounded once, half up to the cent; to a public authority without."""
    return choose(
        rebate_refusal != "none",
        0,
        public_authority,
        rebate_excl_gst,
        half_up_div(rebate_times_divisor + rebate_times_divisor * gst_rate, rebate_divisor, decimals=2),
    )


# -- charge


@dated("2021-07-01", **INTERIM)
def charge(band, no_charge):
    """The interim scheme has no charges."""
    return needs(band, no_charge)


@dated("2022-04-01", **APRIL)
def charge(band, counted_co2, charge_counts_from_g, charge_per_gram, charge_cap):  # noqa: F811
    """(e - 186) x 50 (used 37.50), capped. SL 2022/52 reg 7."""
    return choose(band == "charged", minimum((counted_co2 - charge_counts_from_g) * charge_per_gram, charge_cap), 0)


@dated("2023-07-01", **JULY)
def charge(  # noqa: F811
    band, counted_co2, charge_from_g, charge_at_start, charge_per_gram, charge_cap, disability_rebate, no_charge
):
    """500 + (e - 150) x 50 (used 250 + (e - 150) x 25), capped. SL 2022/52 reg 7 as amended by SL 2023/93."""
    return choose(
        band == "charged",
        minimum(charge_at_start + (counted_co2 - charge_from_g) * charge_per_gram, charge_cap),
        band == "disability",
        needs(disability_rebate, no_charge),
        0,
    )


def charge_excl_gst(charge):
    """The charge without GST, half up to the cent."""
    return half_up(charge, decimals=2)


def charge_incl_gst(charge, gst_rate):
    """The charge with GST, rounded once, half up to the cent."""
    return half_up(charge + charge * gst_rate, decimals=2)
