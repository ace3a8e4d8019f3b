"""A file with bad cells: each bad row is refused with the field, the value and what is allowed; the good ones are answered."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from cleanfleet import policies
from cleanfleet.law.errors import InputError
from cleanfleet.tables.assess_file import assess_file

HEADER = "vin,vehicle_class,condition,co2_g_per_km,co2_cycle,registered_on,price_incl_gst_nzd,safety_stars,public_authority,ordered_on"
#: A bad cell: its column, what stands there, the code, and what the message says is allowed.
BAD = [
    ("price_incl_gst_nzd", '"80,000"', "not_a_number", "mark of thousands or of decimals"),
    ("price_incl_gst_nzd", "-1", "out_of_range", "from 0 to 10000000 NZD"),
    ("price_incl_gst_nzd", "50000.555", "too_many_decimals", "a number with up to 2 decimals"),
    ("price_incl_gst_nzd", "cheap", "not_a_number", "a number with up to 2 decimals"),
    ("safety_stars", "4.5", "not_whole", "a whole number from 0 to 5"),
    ("safety_stars", "6", "out_of_range", "a whole number from 0 to 5"),
    ("registered_on", "01/07/2022", "not_a_date", "write it as 2026-03-31"),
    ("registered_on", "1899-12-31", "out_of_range", "a date from 1900-01-01"),
    ("ordered_on", "soon", "not_a_date", "write it as 2026-03-31"),
    ("public_authority", "perhaps", "not_a_boolean", "true or false"),
    ("condition", "demo", "unknown_value", "one of new, used"),
    ("vehicle_class", "ZZ", "unknown_value", "one of MA, MB, MC"),
    ("co2_g_per_km", "146 g", "not_a_number", "from 0 to 1000 g/km"),
]
GOOD = {
    "vehicle_class": "MA", "condition": "new", "co2_g_per_km": "146", "co2_cycle": "3P-WLTP", "registered_on": "2022-07-01",
    "price_incl_gst_nzd": "50000", "safety_stars": "5", "public_authority": "no", "ordered_on": "",
}  # fmt: skip


def test_each_bad_cell_is_refused_and_named(tmp_path: Path) -> None:
    rows = [GOOD, *({**GOOD, column: cell} for column, cell, *_ in BAD), GOOD]
    path, refused = tmp_path / "cars.csv", tmp_path / "refused.csv"
    lines = [",".join([f"VIN{i}", *(row[name] for name in HEADER.split(",")[1:])]) for i, row in enumerate(rows)]
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    found = assess_file(path, policies.load("nz-clean-car-discount", known="2026-11-22"), refused=refused)
    assert dict(found.statuses) == {"determined": 2, "refused": len(BAD)}
    told = pl.read_csv(refused, infer_schema=False).rows(named=True)
    for (column, cell, code, allowed), row in zip(BAD, told, strict=True):
        assert row["reason"] == f"{code}:{column}"
        assert column in row["message"]
        assert cell.strip('"') in row["message"]
        assert allowed in row["message"]


@pytest.mark.parametrize("column", ["vehicle_class", "condition", "registered_on"])
def test_a_file_without_a_required_column_is_one_message(tmp_path: Path, column: str) -> None:
    names = [name for name in GOOD if name != column]
    path, out = tmp_path / "cars.csv", tmp_path / "out.csv"
    path.write_text(f"{','.join(names)}\n{','.join(GOOD[name] for name in names)}\n")
    with pytest.raises(InputError, match=f"lacks the required column {column}"):
        assess_file(path, policies.load("nz-clean-car-discount"), out=out)
    assert not out.exists()
