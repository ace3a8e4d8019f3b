"""New Zealand's figures of 2026 to 2028, written down by hand for the peers: none of them reads the project's values."""

from __future__ import annotations

YEARS = (2026, 2027, 2028)
#: year, type -> annual target (g/km), slope (g/km/kg), mean tare (kg); new and used alike
TARGETS = {
    (2026, "A"): ("108", "0.0343", 1482),
    (2027, "A"): ("103", "0.0374", 1549),
    (2028, "A"): ("76", "0.0374", 1549),
    (2026, "B"): ("207", "0.0526", 2098),
    (2027, "B"): ("175", "0.0486", 2174),
    (2028, "B"): ("144", "0.0486", 2174),
}
#: year, condition -> NZ$ a gram, pay as you go
RATES = {
    (2026, "new"): 12,
    (2026, "used"): 6,
    (2027, "new"): 12,
    (2027, "used"): 6,
    (2028, "new"): 54,
    (2028, "used"): 27,
}
CLASSES = [
    "MA", "MB", "MC", "MD1", "MD2", "MD3", "MD4", "ME", "NA", "NB", "NC",
    "LA", "LB", "LC", "LD", "LE", "TA", "TB", "TC", "TD",
]  # fmt: skip
TYPES = {"MA": "A", "MB": "A", "MC": "A", "MD1": "B", "NA": "B"}
EXCLUDED = {
    **dict.fromkeys(["LC", "LD", "LE"], "motorcycle"),
    **dict.fromkeys(["LA", "LB"], "moped"),
    **dict.fromkeys(["TA", "TB", "TC", "TD"], "trailer"),
    **dict.fromkeys(["MD3", "MD4", "ME", "NB", "NC"], "over_3500_kg"),
}
CONDITIONS = ["new", "used"]
POWERTRAINS = [
    "petrol", "diesel", "hybrid", "plug_in_hybrid", "battery_electric", "fuel_cell", "lpg", "cng", "ethanol",
]  # fmt: skip
CYCLES = ["3P-WLTP", "JP-WLTC", "4P-WLTP", "NEDC", "JC08", "10-15", "US-combined"]
EXCLUSIONS = [
    "none", "motorcycle", "moped", "trailer", "temporary", "no_entry_certification", "motorsport", "scratch_built",
    "special_interest", "agricultural", "disability",
]  # fmt: skip
SCHEMES = ["payg", "fleet"]
BASES = ["zero_tailpipe", "given_3p_wltp", "given_jp_wltc", "wltp_phases", "converted", "converted_from_fuel", "none"]
STATUSES = ["refused", "not_determined", "determined", "excluded"]
#: column -> least and most that is read
RANGES = {
    "seats": (1, 100),
    "gross_vehicle_mass_kg": (100, 100_000),
    "tare_kg": (100, 50_000),
    "co2_g_per_km": (0, 1000),
    "co2_low_g_per_km": (0, 1000),
    "co2_medium_g_per_km": (0, 1000),
    "co2_high_g_per_km": (0, 1000),
}
VOCABULARIES = {
    "vehicle_class": CLASSES,
    "condition": CONDITIONS,
    "exclusion": EXCLUSIONS,
    "powertrain": POWERTRAINS,
    "co2_cycle": CYCLES,
    "scheme": SCHEMES,
}
#: The columns that are checked, in the order in which their refusals are told.
ORDER = [
    "vehicle_class", "seats", "gross_vehicle_mass_kg", "tare_kg", "condition", "exclusion", "powertrain", "co2_g_per_km",
    "co2_cycle", "co2_low_g_per_km", "co2_medium_g_per_km", "co2_high_g_per_km", "scheme",
]  # fmt: skip
#: Distances of the WLTP's low, medium and high phase for class 3b, in tenths of a metre.
DISTANCES = (30_945, 47_559, 71_617)
MISSING = [
    "missing:vehicle_class", "missing:condition", "missing:fuel", "missing:co2_g_per_km", "missing:co2_cycle",
    "missing:conversion_factor; missing:conversion_offset", "missing:vehicle_type_of_class",
]  # fmt: skip
FLAGS = ["class_seats_conflict", "electric_with_co2", "wltc_class_assumed_3b", "doubtful:per_vehicle_rounding"]
