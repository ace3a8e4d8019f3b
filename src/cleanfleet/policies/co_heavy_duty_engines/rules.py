"""The formulas of Colombia's heavy-duty engine limits; the numbers stand in ``values/*.yaml``.

Each row is one cycle of a test report; ``policy.yaml`` says how the rows of a report become its answer. Masses are in g per unit
of work, kWh or bhp-h as the standard has it; no result is ever converted. Notes a, b, c are those of the seed's Table 2.
"""

from cleanfleet.law.rules import choose, exactly, given, is_in, needs

# -- what must be met


def engine(fuel):
    """The kind of engine that the law distinguishes; natural gas (CNG, LNG) and LPG go together."""
    return choose(fuel == "diesel", "diesel", fuel == "gasoline", "gasoline", "gas")


def use(in_circulation):
    """Whether the vehicle is new (made, assembled or imported) or in circulation."""
    return choose(in_circulation, "in_circulation", "new")


def required_standard(standard_in_force):
    """The standard that an engine of this kind must meet on that day. Res. 910/2008, Res. 1111/2013, Law 1972/2019, Res. 0762/2022."""
    return standard_in_force


def accepted_standards(equivalents):
    """What the law accepts in place of the required standard."""
    return equivalents


# -- scope


def weight_scope(gvw_kg, scope_gvw_kg, weight_boundary):
    """Whether the vehicle is heavy: over 3,500 kg; at exactly 3,500 kg the seed says so, the European rule does not."""
    return choose(
        gvw_kg > scope_gvw_kg,
        "inside",
        gvw_kg < scope_gvw_kg,
        "outside",
        weight_boundary == "included",
        "inside",
        weight_boundary == "excluded",
        "outside",
        "doubtful",
    )


def ground(gvw_kg, weight_scope, required_standard, use):
    """Why the engine is outside the law on that day, or `none`."""
    too_early = choose(use == "in_circulation", "in_circulation_not_covered", "before_first_standard")
    return choose(
        ~given(gvw_kg),
        choose(required_standard == "none", too_early, needs(gvw_kg, "none")),
        weight_scope == "outside",
        "up_to_3500_kg",
        required_standard == "none",
        too_early,
        "none",
    )


# -- which standard is admitted


def needs_obd(admission, obd_required):
    """Whether the claimed standard is admitted only with OBD. Res. 1111/2013; Res. 0762/2022 art. 38."""
    return (admission == "with_obd") | obd_required


def admitted(admission, needs_obd, obd):
    """Whether the claimed standard is admitted: `yes`, `no_standard`, or `no_obd`."""
    return choose(admission == "no", "no_standard", needs_obd, choose(obd, "yes", "no_obd"), "yes")


# -- which limits apply


def limit_row(standard, engine, size_class):
    """The row of the limit tables: standard and engine, for US spark-ignition standards the size class."""
    diesel = (
        "Euro II", "Euro II diesel", "Euro III", "Euro III diesel", "Euro IV", "Euro IV diesel", "Euro V", "Euro V diesel",
        "Euro VI", "Euro VI diesel", "US 1996", "US 1996 diesel", "US 1998", "US 1998 diesel", "US 2004", "US 2004 diesel",
        "US 2010", "US 2010 diesel",
    )  # fmt: skip
    gas = ("Euro IV", "Euro IV gas", "Euro V", "Euro V gas", "Euro VI", "Euro VI gas")
    is_light = size_class == "LHDGE"
    return choose(
        engine == "diesel",
        _row(standard, diesel),
        (engine == "gas") & is_in(standard, "Euro IV", "Euro V", "Euro VI"),
        _row(standard, gas),
        standard == "US 1998",
        choose(is_light, "US 1998 LHDGE", "US 1998 HHDGE"),
        standard == "US 2005",
        choose(is_light, "US 2005 LHDGE", "US 2005 HHDGE"),
        standard == "US 2010",
        choose(is_light, "US 2010 LHDGE", "US 2010 HHDGE"),
        "none",
    )


def _row(standard, pairs):
    cases = [case for name, row in zip(pairs[::2], pairs[1::2], strict=True) for case in (standard == name, row)]
    return choose(*cases, "none")


def required_cycles(cycles, ground, admitted):
    """The cycles in which the claimed standard is tested; `none` where it is not admitted."""
    return choose((ground == "none") & (admitted == "yes"), cycles, "none")


def is_colombian_euro_iv(limit_row, required_standard):
    """Whether this is Euro IV as Res. 1111/2013 took it over for diesel, which the seed tells apart from the European one."""
    return (limit_row == "Euro IV diesel") & (required_standard == "Euro IV")


def tests(tested, resolution_1111_tested, is_colombian_euro_iv, euro4_tests, unit):
    """The pollutants that the standard limits in this cycle; those in brackets are judged only where they are given."""
    listed = choose(is_colombian_euro_iv & (euro4_tests == "resolution_1111"), resolution_1111_tested, tested)
    return choose(listed == "none", "none", needs(unit, listed))


def judged(tests, ground, admitted):
    """The same; nothing is judged where the engine is outside the law or its standard is not admitted."""
    return choose((ground == "none") & (admitted == "yes"), tests, "none")


def wrong_unit(unit, standard_unit):
    """The row's unit is not that of the claimed standard."""
    return unit != standard_unit


def _verdict(judged, pollutant, have, below, result, least, most):
    """One result against its limit, or against the lower and the higher one of two readings.

    `below` means that the result lies under a quantification limit, so that it may be anything from 0 to `result`.
    """
    asked = is_in(judged, *(words for words in judged.words if pollutant in words.split()))
    listed = is_in(judged, *(words for words in judged.words if {pollutant, f"({pollutant})"} & set(words.split())))
    return choose(
        ~listed,
        "none",
        ~have,
        choose(asked, "missing", "none"),
        result <= least,
        "pass",
        below,
        "unquantified",
        result > most,
        "over",
        "between",
    )


# -- carbon monoxide


def co_allowed(co_limit):
    """Limit of CO."""
    return co_limit


def co_verdict(judged, co, co_below, co_allowed):
    """CO against its limit."""
    return _verdict(judged, "co", given(co), co_below, co, co_allowed, co_allowed)


def co_margin(co_allowed, co):
    """Limit of CO minus the result."""
    return co_allowed - co


# -- hydrocarbons


def total_hc(hc, thc):
    """Total hydrocarbons, given as hc or as thc."""
    return choose(given(hc), hc, thc)


def total_hc_below(hc, hc_below, thc_below):
    """Whether they lie under a quantification limit."""
    return choose(given(hc), hc_below, thc_below)


def thc_contradicts_hc(hc, thc):
    """hc and thc are both given and differ."""
    return hc != thc


def hc_allowed(hc_limit):
    """Limit of total hydrocarbons, in standards that call them HC."""
    return hc_limit


def hc_verdict(judged, hc, thc, total_hc_below, total_hc, hc_allowed):
    """HC against its limit."""
    return _verdict(judged, "hc", given(hc) | given(thc), total_hc_below, total_hc, hc_allowed, hc_allowed)


def hc_margin(hc_allowed, total_hc):
    """Limit of HC minus the result."""
    return hc_allowed - total_hc


def thc_allowed(thc_limit):
    """Limit of total hydrocarbons of a Euro VI diesel engine, which stands in place of one of NMHC. Note c."""
    return thc_limit


def thc_verdict(judged, hc, thc, total_hc_below, total_hc, thc_allowed):
    """THC against its limit."""
    return _verdict(judged, "thc", given(hc) | given(thc), total_hc_below, total_hc, thc_allowed, thc_allowed)


def thc_margin(thc_allowed, total_hc):
    """Limit of THC minus the result."""
    return thc_allowed - total_hc


def hc_in_place_of_nmhc(is_colombian_euro_iv, hc_may_replace_nmhc, judged, nmhc, hc, thc):
    """Whether total hydrocarbons are judged because NMHC was not measured. Note b."""
    allowed = is_colombian_euro_iv & hc_may_replace_nmhc & (judged != "none")
    return allowed & ~given(nmhc) & (given(hc) | given(thc))


def nmhc_counted(hc_in_place_of_nmhc, total_hc, nmhc):
    """The result that is held against the limit of NMHC."""
    return choose(hc_in_place_of_nmhc, total_hc, nmhc)


def nmhc_counted_below(hc_in_place_of_nmhc, total_hc_below, nmhc_below):
    """Whether it lies under a quantification limit."""
    return choose(hc_in_place_of_nmhc, total_hc_below, nmhc_below)


def nmhc_allowed(is_colombian_euro_iv, hc_in_place_of_nmhc, euro4_nmhc, nmhc_limit, euro4_nmhc_of_seed):
    """Limit of NMHC, by the stricter of the readings that count. Note b."""
    seed = is_colombian_euro_iv & (hc_in_place_of_nmhc | (euro4_nmhc != "eu"))
    return choose(seed, euro4_nmhc_of_seed, nmhc_limit)


def nmhc_other_allowed(is_colombian_euro_iv, hc_in_place_of_nmhc, euro4_nmhc, nmhc_limit, euro4_nmhc_of_seed):
    """Limit of NMHC, by the more lenient of the readings that count."""
    seed = is_colombian_euro_iv & (hc_in_place_of_nmhc | (euro4_nmhc == "seed"))
    return choose(seed, euro4_nmhc_of_seed, nmhc_limit)


def nmhc_verdict(judged, nmhc, hc_in_place_of_nmhc, nmhc_counted_below, nmhc_counted, nmhc_allowed, nmhc_other_allowed):
    """NMHC against its limit."""
    have = given(nmhc) | hc_in_place_of_nmhc
    return _verdict(judged, "nmhc", have, nmhc_counted_below, nmhc_counted, nmhc_allowed, nmhc_other_allowed)


def nmhc_margin(nmhc_allowed, nmhc_counted):
    """Limit of NMHC, by the stricter reading, minus the result."""
    return nmhc_allowed - nmhc_counted


def nmhc_not_judged(limit_row, judged, nmhc):
    """NMHC was given for a Euro VI diesel engine, whose limit is for total hydrocarbons. Note c."""
    return (limit_row == "Euro VI diesel") & (judged != "none") & given(nmhc)


# -- methane


def ch4_allowed(ch4_limit):
    """Limit of methane."""
    return ch4_limit


def ch4_verdict(judged, ch4, ch4_below, ch4_allowed, fuel, lpg_methane):
    """Methane against its limit; for LPG the seed has the limit, the European rule limits methane of natural gas only."""
    plain = _verdict(judged, "ch4", given(ch4), ch4_below, ch4, ch4_allowed, ch4_allowed)
    return choose(
        (fuel != "lpg") | (lpg_methane == "seed"),
        plain,
        lpg_methane == "eu",
        "none",
        plain == "over",
        "between",
        plain,
    )


def ch4_margin(ch4_allowed, ch4):
    """Limit of methane minus the result."""
    return ch4_allowed - ch4


# -- nitrogen oxides


def nox_allowed(is_colombian_euro_iv, euro4_nox, nox_limit, euro4_nox_of_euro_ii):
    """Limit of NOx, by the stricter of the readings that count. Note a."""
    return choose(is_colombian_euro_iv & (euro4_nox == "euro_ii"), euro4_nox_of_euro_ii, nox_limit)


def nox_other_allowed(is_colombian_euro_iv, euro4_nox, nox_limit, euro4_nox_of_euro_ii):
    """Limit of NOx, by the more lenient of the readings that count."""
    return choose(is_colombian_euro_iv & (euro4_nox != "eu"), euro4_nox_of_euro_ii, nox_limit)


def nox_verdict(judged, nox, nox_below, nox_allowed, nox_other_allowed):
    """NOx against its limit."""
    return _verdict(judged, "nox", given(nox), nox_below, nox, nox_allowed, nox_other_allowed)


def nox_margin(nox_allowed, nox):
    """Limit of NOx, by the stricter reading, minus the result."""
    return nox_allowed - nox


# -- non-methane hydrocarbons and nitrogen oxides under one limit


def nmhc_nox(nmhc, nox):
    """NMHC and NOx together."""
    return nmhc + nox


def nmhc_nox_allowed(nmhc_nox_limit):
    """Limit of NMHC and NOx together."""
    return nmhc_nox_limit


def nmhc_nox_verdict(judged, nmhc, nox, nmhc_below, nox_below, nmhc_nox, nmhc_nox_allowed):
    """NMHC and NOx together against their limit; one alone that exceeds it is enough to fail."""
    nox_alone = choose(given(nox), ~nox_below & (nox > nmhc_nox_allowed), False)
    nmhc_alone = choose(given(nmhc), ~nmhc_below & (nmhc > nmhc_nox_allowed), False)
    plain = _verdict(
        judged, "nmhc_nox", given(nmhc) & given(nox), nmhc_below | nox_below, nmhc_nox, nmhc_nox_allowed, nmhc_nox_allowed
    )
    return choose(plain == "none", "none", nox_alone | nmhc_alone, "over", plain)


def nmhc_nox_margin(nmhc_nox_allowed, nmhc_nox):
    """Limit of NMHC and NOx together minus the result."""
    return nmhc_nox_allowed - nmhc_nox


# -- particles


def pm_allowed(limit_row, pm_limit, euro3_small_engine, euro3_pm_of_small_engines):
    """Limit of particulate mass, by the stricter of the readings that count."""
    is_small = (limit_row == "Euro III diesel") & (euro3_small_engine == "yes")
    return choose(is_small, euro3_pm_of_small_engines, pm_limit)


def pm_other_allowed(limit_row, pm_limit, euro3_small_engine, euro3_pm_of_small_engines):
    """Limit of particulate mass, by the more lenient of the readings that count: Euro III has another one for small engines."""
    may_be_small = (limit_row == "Euro III diesel") & (euro3_small_engine != "no")
    return choose(may_be_small, euro3_pm_of_small_engines, pm_limit)


def pm_verdict(judged, pm, pm_below, pm_allowed, pm_other_allowed):
    """Particulate mass against its limit."""
    return _verdict(judged, "pm", given(pm), pm_below, pm, pm_allowed, pm_other_allowed)


def pm_margin(pm_allowed, pm):
    """Limit of particulate mass minus the result."""
    return pm_allowed - pm


def pn_allowed(pn_limit):
    """Limit of the number of particles."""
    return pn_limit


def pn_verdict(judged, pn_per_kwh, pn_below, pn_allowed):
    """Number of particles against its limit."""
    return _verdict(judged, "pn", given(pn_per_kwh), pn_below, pn_per_kwh, pn_allowed, pn_allowed)


def pn_margin(pn_allowed, pn_per_kwh):
    """Limit of the number of particles minus the result."""
    return pn_allowed - pn_per_kwh


# -- ammonia


def nh3_allowed(nh3_limit):
    """Limit of ammonia, as mean concentration."""
    return nh3_limit


def nh3_verdict(judged, nh3_ppm, nh3_below, nh3_allowed):
    """Ammonia against its limit."""
    return _verdict(judged, "nh3", given(nh3_ppm), nh3_below, nh3_ppm, nh3_allowed, nh3_allowed)


def nh3_margin(nh3_allowed, nh3_ppm):
    """Limit of ammonia minus the result."""
    return nh3_allowed - nh3_ppm


# -- the row's answer


def fails(
    co_verdict, hc_verdict, thc_verdict, nmhc_verdict, ch4_verdict, nox_verdict, nmhc_nox_verdict, pm_verdict, pn_verdict,
    nh3_verdict,
):  # fmt: skip
    """Whether a result lies over its limit."""
    return (
        (co_verdict == "over") | (hc_verdict == "over") | (thc_verdict == "over") | (nmhc_verdict == "over")
        | (ch4_verdict == "over") | (nox_verdict == "over") | (nmhc_nox_verdict == "over") | (pm_verdict == "over")
        | (pn_verdict == "over") | (nh3_verdict == "over")
    )  # fmt: skip


def is_open(
    co_verdict, hc_verdict, thc_verdict, nmhc_verdict, ch4_verdict, nox_verdict, nmhc_nox_verdict, pm_verdict, pn_verdict,
    nh3_verdict,
):  # fmt: skip
    """Whether a result is missing, lies between two readings of its limit, or below a quantification limit over the limit."""
    found = False
    for verdict in (
        co_verdict, hc_verdict, thc_verdict, nmhc_verdict, ch4_verdict, nox_verdict, nmhc_nox_verdict, pm_verdict, pn_verdict,
        nh3_verdict,
    ):  # fmt: skip
        found = is_in(verdict, *(word for word in ("missing", "between", "unquantified") if word in verdict.words)) | found
    return found


def verdict(ground, weight_scope, admitted, fails, is_open):
    """The row's answer: outside the law, not admitted, over a limit, not decided, or within all limits."""
    return choose(
        ground != "none",
        "excluded",
        weight_scope == "doubtful",
        "incomplete",
        admitted != "yes",
        "not_admitted",
        fails,
        "fail",
        is_open,
        "incomplete",
        "pass",
    )


def reason(ground, weight_scope, admitted):
    """Why the row has this answer, where that lies in no single result."""
    return choose(
        ground != "none",
        ground,
        weight_scope == "doubtful",
        "between:gvw_kg",
        admitted == "no_standard",
        "not_admitted:standard",
        admitted == "no_obd",
        "not_admitted:obd",
        "none",
    )


# -- what else is told


def cycle_not_of_standard(limit_row, tested, ground, admitted):
    """The claimed standard has limits, but none in the row's cycle."""
    return (ground == "none") & (admitted == "yes") & (limit_row != "none") & (tested == "none")


def size_class_conflict(size_class, gvw_kg, light_heavy_gvw_lb):
    """The size class contradicts the gross vehicle weight. A pound is 0.45359237 kg."""
    over = gvw_kg * exactly(100_000_000, "1") > light_heavy_gvw_lb * exactly(45_359_237, "kg/lb")
    return choose(size_class == "LHDGE", over, ~over)
