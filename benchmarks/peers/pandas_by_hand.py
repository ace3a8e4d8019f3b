"""Peer: a straight pandas program as an analyst would write it: merges, np.select, floats rounded at the end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from . import law


def assess(vehicles: pd.DataFrame) -> pd.DataFrame:
    """The vehicles with the answer columns."""
    v = vehicles
    targets = pd.DataFrame(
        [(y, t, float(a), float(s), m) for (y, t), (a, s, m) in law.TARGETS.items()],
        columns=["year", "vehicle_type", "annual", "slope", "mean"],
    )
    rates = pd.DataFrame([(y, c, float(r)) for (y, c), r in law.RATES.items()], columns=["year", "condition", "rate"])
    text = {name: v[name] for name in law.VOCABULARIES}  # dictionary-encoded in the file, so categories here
    vehicle_class, powertrain, cycle = text["vehicle_class"], text["powertrain"], text["co2_cycle"]
    co2, low, medium, high = (v[f"co2_{p}g_per_km"] for p in ("", "low_", "medium_", "high_"))
    tare, gross, seats = v["tare_kg"], v["gross_vehicle_mass_kg"], v["seats"]

    # what can't be read
    checks: list[tuple[str, pd.Series]] = []
    for name in law.ORDER:
        if name in law.VOCABULARIES:
            checks.append((f"unknown_value:{name}", text[name].notna() & ~text[name].isin(law.VOCABULARIES[name])))
            continue
        outside = v[name].notna() & ~v[name].between(*law.RANGES[name])
        checks.append((f"out_of_range:{name}", outside))
        if name == "co2_g_per_km":
            checks.append((f"too_many_decimals:{name}", ((co2 * 1e4).round() - co2 * 1e4).abs().gt(1e-6) & ~outside))
    checks.append(
        (
            "contradiction:gross_vehicle_mass_kg",
            (gross < tare) & tare.between(*law.RANGES["tare_kg"]) & gross.between(*law.RANGES["gross_vehicle_mass_kg"]),
        )
    )
    refused = np.logical_or.reduce([where.to_numpy() for _, where in checks])

    # scope and type
    of_class = vehicle_class.map(law.EXCLUDED)
    heavy = gross.fillna(tare) > 3500
    declared = text["exclusion"].notna() & (text["exclusion"] != "none")
    ground = pd.Series(
        np.select([declared, of_class.notna(), heavy], [text["exclusion"], of_class, "over_3500_kg"], ""), v.index
    )
    excluded = (ground != "") & ~refused
    shown = ~refused & ~excluded
    vehicle_type = vehicle_class.map(law.TYPES)

    # CO2
    electric = powertrain.isin(["battery_electric", "fuel_cell"])
    phases = low.notna() & medium.notna() & high.notna() & (powertrain != "plug_in_hybrid")
    basis = np.select(
        [
            electric,
            co2.notna() & (cycle == "3P-WLTP"),
            co2.notna() & (cycle == "JP-WLTC"),
            phases,
            co2.notna() & cycle.notna(),
        ],
        ["zero_tailpipe", "given_3p_wltp", "given_jp_wltc", "wltp_phases", "converted"],
        "",
    )
    basis = pd.Series(basis, v.index).where(shown)
    a, b, c = law.DISTANCES
    mean_of_phases = ((low * a + medium * b + high * c) / (a + b + c)).round(4)
    three_phase = np.select(
        [basis == "zero_tailpipe", basis.isin(["given_3p_wltp", "given_jp_wltc"]), basis == "wltp_phases"],
        [0.0, co2, mean_of_phases],
        np.nan,
    )

    # target and money
    keys = pd.DataFrame(
        {
            "year": v["accepted_on"].astype("datetime64[s]").dt.year,
            "vehicle_type": vehicle_type,
            "condition": text["condition"],
        }
    )
    found = keys.merge(targets, on=["year", "vehicle_type"], how="left").merge(rates, on=["year", "condition"], how="left")
    found.index = v.index
    target = (found["annual"] + found["slope"] * (tare - found["mean"])).where(shown & keys["condition"].notna()).round(4)
    difference = (target - three_phase).round(4)
    credit = np.floor(difference.clip(lower=0))
    charge = np.floor((-difference).clip(lower=0))

    # reasons and flags, only where there are any
    none = basis.isna() | (basis == "")
    tells_fuel = powertrain.isin(["petrol", "diesel"])
    lacks = [
        vehicle_class.isna(),
        keys["condition"].isna(),
        (basis == "converted") & ~tells_fuel,
        none & co2.isna(),
        none & co2.notna(),
        (basis == "converted") & tells_fuel,
        vehicle_class.notna() & vehicle_type.isna(),
    ]
    missing = np.logical_or.reduce([where.to_numpy() for where in lacks]) & shown
    reason = pd.Series(np.where(excluded, ground, ""), v.index, dtype="str")
    for name, where in [*checks, *((name, where & shown) for name, where in zip(law.MISSING, lacks, strict=True))]:
        if where.any():
            reason[where] = (reason[where] + "; " + name).str.removeprefix("; ")
    status = np.select([refused, excluded, missing], ["refused", "excluded", "not_determined"], "determined")
    conflict = (vehicle_class.isin(["MA", "MB", "MC"]) & (seats > 9)) | (vehicle_class.isin(["MD1", "MD2"]) & (seats <= 9))
    marks = [conflict, electric & (co2 > 0), basis == "wltp_phases", pd.Series(status == "determined", v.index)]
    code = sum((where & shown).astype("int8") * 2**i for i, where in enumerate(marks))
    sets = {k: "; ".join(n for i, n in enumerate(law.FLAGS) if k >> i & 1) or None for k in range(1 << len(law.FLAGS))}
    return v.assign(
        status=status,
        reason=reason.replace("", None),
        flags=code.map(sets),
        vehicle_type=vehicle_type.where(shown),
        co2_3p_wltp_g_per_km=three_phase,
        co2_basis=basis.replace("", None),
        target_g_per_km=target,
        difference_g_per_km=difference,
        credit_g=credit,
        charge_g=charge,
        charge_nzd=(charge * found["rate"]).round(2),
    )


def file_to_file(path: Path, out: Path) -> None:
    assess(pd.read_parquet(path)).to_parquet(out, compression="zstd")
