"""Peer: the same job written by hand for this one scheme in Polars: lazy, integers, joins on Enum keys, exact decimals out.

It knows what occurs in the made-up data and no more: no case folding, no text numbers, no other dates, no other schemes.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

import polars as pl

from . import law

TYPE = pl.Enum(["A", "B"])
CLASS, CONDITION = pl.Enum(law.CLASSES), pl.Enum(law.CONDITIONS)
REASONS = sorted(set(law.EXCLUDED.values()) | set(law.EXCLUSIONS))
NOISE = 1e-6


@lru_cache(maxsize=1)
def _class_table() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "_class": law.CLASSES,
            "vehicle_type": [law.TYPES.get(name) for name in law.CLASSES],
            "_class_reason": [law.EXCLUDED.get(name) for name in law.CLASSES],
        },
        schema={"_class": CLASS, "vehicle_type": TYPE, "_class_reason": pl.Enum(REASONS)},
    )


@lru_cache(maxsize=1)
def _law_table() -> pl.DataFrame:
    rows = [
        (
            kind,
            condition,
            year,
            int(Decimal(annual) * 10_000),
            int(Decimal(slope) * 10_000),
            mean,
            100 * law.RATES[year, condition],
        )
        for (year, kind), (annual, slope, mean) in law.TARGETS.items()
        for condition in law.CONDITIONS
    ]
    names = {"_annual": pl.Int64, "_slope": pl.Int64, "_mean": pl.Int64, "_rate": pl.Int64}
    keys = {"vehicle_type": TYPE, "_condition": CONDITION, "_year": pl.Int32}
    return pl.DataFrame(rows, schema={**keys, **names}, orient="row")


@lru_cache(maxsize=1)
def _reason_texts(refusals: tuple[str, ...]) -> pl.Series:
    """Every set of refusals, then every set of missing names, then every ground of exclusion."""
    sets = [None] + ["; ".join(n for i, n in enumerate(refusals) if k >> i & 1) for k in range(1, 1 << len(refusals))]
    sets += ["; ".join(n for i, n in enumerate(law.MISSING) if k >> i & 1) for k in range(1 << len(law.MISSING))]
    return pl.Series("reason", [*sets, *REASONS], dtype=pl.Categorical)


def _bits(conditions: list[pl.Expr], dtype: pl.DataType) -> pl.Expr:
    return pl.sum_horizontal(
        *(
            pl.when(condition).then(pl.lit(1 << i, dtype)).otherwise(pl.lit(0, dtype))
            for i, condition in enumerate(conditions)
        )
    )


def _exact(name: str, places: int) -> pl.Expr:
    unit = pl.lit(Decimal(1).scaleb(-places))
    return (pl.col(name).cast(pl.Decimal(18, 0)) * unit).cast(pl.Decimal(18, places))


def assess(lazy: pl.LazyFrame) -> pl.LazyFrame:
    """The answer columns added to the vehicles."""
    c = pl.col
    own = lazy.collect_schema().names()

    # in: words as Enums, numbers as integers of 0.0001; what isn't read is refused
    words = {name: pl.Enum(words) for name, words in law.VOCABULARIES.items()}
    tenths = [name for name in law.RANGES if name.startswith("co2_")]
    lazy = lazy.with_columns(
        *(
            c(name).cast(dtype, strict=False).alias(f"_{'class' if name == 'vehicle_class' else name}")
            for name, dtype in words.items()
        ),
        *((c(name) * 10_000).alias(f"_raw_{name}") for name in tenths),
        c("accepted_on").dt.year().alias("_year"),
    ).with_columns(*(c(f"_raw_{name}").round(0).cast(pl.Int64).alias(f"_{name}") for name in tenths))
    refusals: list[tuple[str, pl.Expr]] = []
    for name in law.ORDER:
        if name in words:
            mine = c("_class" if name == "vehicle_class" else f"_{name}")
            refusals.append((f"unknown_value:{name}", mine.is_null() & c(name).is_not_null()))
            continue
        least, most = law.RANGES[name]
        outside = ~c(name).is_between(least, most)
        refusals.append((f"out_of_range:{name}", outside))
        # made-up phases have no decimals; a combined value may have too many
        if name == "co2_g_per_km":
            uneven = (c(f"_raw_{name}") - c(f"_{name}")).abs() >= NOISE
            refusals.append((f"too_many_decimals:{name}", uneven & ~outside))
    sound = c("tare_kg").is_between(*law.RANGES["tare_kg"]) & c("gross_vehicle_mass_kg").is_between(
        *law.RANGES["gross_vehicle_mass_kg"]
    )
    refusals.append(("contradiction:gross_vehicle_mass_kg", (c("gross_vehicle_mass_kg") < c("tare_kg")) & sound))
    names = tuple(name for name, _ in refusals)
    lazy = lazy.with_columns(_refused=_bits([where for _, where in refusals], pl.UInt32()))

    # scope, type, CO2
    lazy = lazy.join(_class_table().lazy(), on="_class", how="left", maintain_order="left")
    lazy = lazy.join(
        _law_table().lazy(), on=["vehicle_type", "_condition", "_year"], how="left", maintain_order="left",
    )  # fmt: skip
    heavy = c("gross_vehicle_mass_kg").fill_null(c("tare_kg")) > 3500
    excluded = (
        pl.when(c("_exclusion") != "none")
        .then(c("_exclusion").to_physical().cast(pl.Int32) + 100)
        .when(c("_class_reason").is_not_null())
        .then(c("_class_reason").to_physical().cast(pl.Int32) + 1)
        .when(heavy)
        .then(pl.lit(REASONS.index("over_3500_kg") + 1, pl.Int32))
        .otherwise(pl.lit(0, pl.Int32))
    )
    zero = c("_powertrain").is_in(["battery_electric", "fuel_cell"]).fill_null(False)
    plug_in = (c("_powertrain") == "plug_in_hybrid").fill_null(False)
    given, cycle = c("_co2_g_per_km").is_not_null(), c("_co2_cycle")
    phases = (
        c("_co2_low_g_per_km").is_not_null()
        & c("_co2_medium_g_per_km").is_not_null()
        & c("_co2_high_g_per_km").is_not_null()
    )
    code = {name: pl.lit(i, pl.UInt8) for i, name in enumerate(law.BASES)}
    basis = (
        pl.when(zero)
        .then(code["zero_tailpipe"])
        .when(given & (cycle == "3P-WLTP"))
        .then(code["given_3p_wltp"])
        .when(given & (cycle == "JP-WLTC"))
        .then(code["given_jp_wltc"])
        .when(phases & ~plug_in)
        .then(code["wltp_phases"])
        .when(given & cycle.is_not_null())
        .then(code["converted"])
    )
    low, medium, high = law.DISTANCES
    total = low + medium + high
    driven = c("_co2_low_g_per_km") * low + c("_co2_medium_g_per_km") * medium + c("_co2_high_g_per_km") * high
    lazy = lazy.with_columns(_excluded=excluded, _basis=basis).with_columns(
        _shown=(c("_refused") == 0) & (c("_excluded") == 0),
        _co2=pl.when(c("_basis") == 0)
        .then(0)
        .when(c("_basis") <= 2)
        .then("_co2_g_per_km")
        .when(c("_basis") == 3)
        .then((2 * driven + total) // (2 * total)),
        _target=c("_annual") + c("_slope") * (c("tare_kg") - c("_mean")),
    )
    lazy = lazy.with_columns(_difference=c("_target") - c("_co2"))

    # what is missing
    converted = c("_basis") == law.BASES.index("converted")
    tells_fuel = c("_powertrain").is_in(["petrol", "diesel", "lpg", "cng", "ethanol"]).fill_null(False)
    missing = [
        c("_class").is_null(),
        c("_condition").is_null(),
        converted & ~tells_fuel,
        c("_basis").is_null() & ~given,
        c("_basis").is_null() & given,
        converted & tells_fuel,
        c("_class").is_not_null() & c("vehicle_type").is_null(),
    ]
    lazy = lazy.with_columns(_missing=pl.when("_shown").then(_bits(missing, pl.UInt32())).otherwise(pl.lit(0, pl.UInt32)))
    conflict = (c("_class").is_in(["MA", "MB", "MC"]) & (c("seats") > 9)) | (
        c("_class").is_in(["MD1", "MD2"]) & (c("seats") <= 9)
    )
    flags = [conflict, zero & (c("_co2_g_per_km") > 0), c("_basis") == 3, c("_missing") == 0]
    flag_texts = ["; ".join(n for i, n in enumerate(law.FLAGS) if k >> i & 1) or None for k in range(1 << len(law.FLAGS))]

    # out
    refused, open_, shown = c("_refused") > 0, c("_missing") > 0, c("_shown")
    texts = _reason_texts(names)
    sets, lacks = 1 << len(names), 1 << len(law.MISSING)
    ground = pl.lit(pl.Series(_grounds(sets + lacks), dtype=pl.UInt32))
    reason = pl.when(refused).then("_refused").when(open_).then(c("_missing") + sets).otherwise(pl.lit(0, pl.UInt32))
    reason = pl.when((c("_excluded") > 0) & ~refused).then(ground.gather(c("_excluded"))).otherwise(reason)
    status = pl.when(refused).then(0).when(c("_excluded") > 0).then(3).when(open_).then(1).otherwise(2)
    lazy = lazy.with_columns(
        status=status.cast(pl.UInt8).cat.to(pl.Enum(law.STATUSES)),
        reason=pl.lit(texts).gather(reason),
        flags=pl.lit(pl.Series(flag_texts, dtype=pl.Categorical)).gather(
            pl.when(shown).then(_bits(flags, pl.UInt32())).otherwise(pl.lit(0, pl.UInt32))
        ),
        vehicle_type=pl.when(shown).then("vehicle_type"),
        co2_basis=pl.when(shown).then("_basis").cat.to(pl.Enum(law.BASES)),
        _co2=pl.when(shown).then("_co2"),
        _target=pl.when(shown).then("_target"),
        _difference=pl.when(shown).then("_difference"),
    ).with_columns(
        credit_g=c("_difference").clip(lower_bound=0) // 10_000, charge_g=(-c("_difference")).clip(lower_bound=0) // 10_000
    )
    lazy = lazy.with_columns(_charge=c("charge_g") * c("_rate")).with_columns(
        co2_3p_wltp_g_per_km=_exact("_co2", 4),
        target_g_per_km=_exact("_target", 4),
        difference_g_per_km=_exact("_difference", 4),
        charge_nzd=_exact("_charge", 2),
    )
    return lazy.select(
        *own, "status", "reason", "flags", "vehicle_type", "co2_3p_wltp_g_per_km", "co2_basis", "target_g_per_km",
        "difference_g_per_km", "credit_g", "charge_g", "charge_nzd",
    )  # fmt: skip


def _grounds(first: int) -> list[int]:
    """The place in the list of reasons of each code of an exclusion: from 1 for a class or mass, from 100 as declared."""
    codes = [0] * (100 + len(law.EXCLUSIONS))
    for i in range(len(REASONS)):
        codes[1 + i] = first + i
    for i, word in enumerate(law.EXCLUSIONS):
        codes[100 + i] = first + REASONS.index(word)
    return codes
