"""A file through two schemes: one output with both sets of answers, each the same as alone; refusals told by policy; no half file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cleanfleet import policies
from cleanfleet.law.errors import InputError
from cleanfleet.tables.assess_file import assess_file
from cleanfleet.tables.layout import load_layout
from cleanfleet.tables.together import assess_file_together

HEADER = (
    "vin,policy,vehicle_class,condition,powertrain,tare_kg,co2_g_per_km,co2_cycle,accepted_on,registered_on,"
    "price_incl_gst_nzd,safety_stars,scheme"
)
ROWS = [
    "A1,x,MA,new,petrol,1482,146,3P-WLTP,2026-02-01,2022-07-01,50000,5,payg",  # charged 38 g; rebate
    "A2,x,MA,new,petrol,heavy,200,3P-WLTP,2026-02-01,2022-07-01,50000,5,payg",  # the tare is refused by both
    "A3,x,MA,new,petrol,1482,100,3P-WLTP,2026-02-01,2022-07-01,dear,5,payg",  # the price is refused by one
    "A4,x,LC,new,petrol,200,90,3P-WLTP,2026-02-01,2022-07-01,9000,5,payg",  # excluded from both
    "A5,x,MA,used,petrol,1482,147,3P-WLTP,2026-02-01,2025-07-01,9000,5,fleet",  # the discount is over
    "A1,x,MA,new,petrol,1482,146,3P-WLTP,2026-02-01,2022-07-01,50000,5,payg",  # a VIN that was there
]


@pytest.fixture(scope="module")
def pair() -> list[Any]:
    return [policies.load(id_, known="2026-11-22") for id_ in ("nz-clean-vehicle-standard", "nz-clean-car-discount")]


@pytest.fixture
def cars(tmp_path: Path) -> Path:
    path = tmp_path / "cars.csv"
    path.write_text("\n".join([HEADER, *ROWS]) + "\n")
    return path


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl", "xlsx"])
def test_each_policy_s_answers_are_those_it_gives_alone(pair: list[Any], cars: Path, engine: Any, suffix: str) -> None:
    if engine == "duckdb":
        pytest.importorskip("duckdb")
    out = cars.with_name(f"out.{suffix}")
    found = assess_file_together(cars, pair, out=out, engine=engine)
    assert found.written == [out]
    assert found.rows == len(ROWS)
    readers: dict[str, Any] = {
        "csv": pl.read_csv,
        "parquet": pl.read_parquet,
        "jsonl": pl.read_ndjson,
        "xlsx": pl.read_excel,
    }
    together = readers[suffix](out)
    assert together.height == len(ROWS)
    assert together["row"].to_list() == [1, 2, 3, 4, 5, 6]
    for policy, outcome in zip(pair, found.outcomes, strict=True):
        one = cars.with_name(f"{policy.id}.{suffix}")
        alone = assess_file(cars, policy, out=one)
        assert (outcome.statuses, outcome.reasons, outcome.totals) == (alone.statuses, alone.reasons, alone.totals)
        names = found.names[policy.id]
        expected = readers[suffix](one).select(list(names)).rename(names)
        assert together.select(list(names.values())).cast(pl.String).equals(expected.cast(pl.String))


def test_what_each_row_comes_to(pair: list[Any], cars: Path) -> None:
    preview = assess_file_together(cars, pair, preview_rows=10).preview
    assert preview is not None
    shown = preview.select(
        "nz_clean_vehicle_standard_status", "charge_g", "nz_clean_car_discount_status", "rebate_payable_nzd"
    ).cast(pl.String)
    assert shown.rows() == [
        ("determined", "38", "determined", "1098.45"),
        ("refused", None, "refused", None),
        ("determined", "0", "refused", None),
        ("excluded", None, "excluded", None),
        ("determined", "39", "excluded", None),
        ("refused", None, "refused", None),
    ]
    assert preview["policy"].to_list() == ["x"] * 6


def test_refused_rows_are_told_for_each_policy(pair: list[Any], cars: Path) -> None:
    refused = cars.with_name("refused.csv")
    found = assess_file_together(cars, pair, refused=refused)
    rows = pl.read_csv(refused)
    assert rows.columns[:4] == ["row", "policy", "reason", "message"]
    assert rows.select("row", "policy", "reason").rows() == [
        (2, "nz-clean-vehicle-standard", "not_a_number:tare_kg"),
        (2, "nz-clean-car-discount", "not_a_number:tare_kg"),
        (3, "nz-clean-car-discount", "not_a_number:price_incl_gst_nzd"),
        (6, "nz-clean-vehicle-standard", "duplicate:vin"),
        (6, "nz-clean-car-discount", "duplicate:vin"),
    ]
    assert rows["input_policy"].to_list() == ["x"] * 5  # the file's own column of that name
    assert found.refused_rows == 5
    book = cars.with_name("book.xlsx")
    assess_file_together(cars, pair, out=book)
    sheet = pl.read_excel(book, sheet_name="refused")
    assert sheet["policy"].to_list() == rows["policy"].to_list()


def test_the_summary_is_that_of_the_policy_that_has_one(pair: list[Any], cars: Path) -> None:
    fleets = cars.with_name("fleets.csv")
    found = assess_file_together(cars, pair, summary_out=fleets)
    assert [outcome.summary is not None for outcome in found.outcomes] == [True, False]
    assert pl.read_csv(fleets)["status"].to_list() == ["determined"]
    book = cars.with_name("book.xlsx")
    assess_file_together(cars, pair, out=book, summarise=True)
    name = found.outcomes[0].summary_name
    assert pl.read_excel(book, sheet_name=name).height == 1
    with pytest.raises(InputError, match="takes the summary of one policy; 0 of these have one"):
        others = [pair[1], policies.load("nz-clean-car-discount", known="2026-11-22")]
        others[1].definition = _renamed(others[1].definition)
        assess_file_together(cars, others, summary_out=cars.with_name("none.csv"))
    assert not cars.with_name("none.csv").exists()


def _renamed(definition: Any) -> Any:
    import dataclasses

    return dataclasses.replace(definition, id="another")


def test_options_go_to_the_policies_that_have_the_column(pair: list[Any], cars: Path, tmp_path: Path) -> None:
    narrow = tmp_path / "narrow.csv"
    narrow.write_text("vehicle_class,condition,tare_kg,grams,co2_cycle\nMA,new,1482,200,3P-WLTP\n")
    mapping = tmp_path / "map.yaml"
    mapping.write_text("columns: {co2_g_per_km: grams}\nconstants: {accepted_on: '2026-02-01'}\n")
    columns = [column for policy in pair for column in policy.inputs]
    found = assess_file_together(
        narrow, pair, layout=load_layout(None, mapping, columns), constants={"registered_on": "2022-07-01"}, preview_rows=1
    )
    assert found.preview is not None
    row = found.preview.row(0, named=True)
    assert (str(row["charge_g"]), str(row["charge_incl_gst_nzd"])) == ("92", "805.00")
    for bad in ({"registred_on": "2022-07-01"}, {"seat": "5"}):
        with pytest.raises(InputError, match="no policy here has a column"):
            assess_file_together(cars, pair, constants=bad)
    with pytest.raises(InputError, match="no policy here has a column 'vim'; did you mean vin"):
        assess_file_together(cars, pair, unique=["vim"])


def test_notes_tell_what_no_policy_uses(pair: list[Any], cars: Path) -> None:
    for outcome in assess_file_together(cars, pair).outcomes:
        assert [note for note in outcome.notes if note.startswith("columns not used")] == ["columns not used: policy"]


def test_nothing_is_written_where_one_policy_cannot_use_the_file(pair: list[Any], tmp_path: Path) -> None:
    only = tmp_path / "only.csv"
    only.write_text(
        "vehicle_class,condition,tare_kg,co2_g_per_km,co2_cycle,accepted_on\nMA,new,1482,200,3P-WLTP,2026-02-01\n"
    )
    out = tmp_path / "out.csv"
    with pytest.raises(InputError, match="lacks the required column registered_on"):
        assess_file_together(only, pair, out=out)
    assert not out.exists()
    with pytest.raises(InputError, match="must be different files"):
        assess_file_together(only, pair, out=only)
    with pytest.raises(InputError, match="it takes two policies or more"):
        assess_file_together(only, pair[:1], out=out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["only.csv"]


def test_a_long_file_keeps_its_rows(pair: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import cleanfleet.tables.table as module

    monkeypatch.setattr(module.read, "__kwdefaults__", {**module.read.__kwdefaults__, "batch_rows": 700})
    path, out = tmp_path / "long.csv", tmp_path / "out.parquet"
    lines = [f"V{i},x,MA,new,petrol,1482,{i % 350},3P-WLTP,2026-02-01,2022-07-01,50000,5,payg" for i in range(5_000)]
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    found = assess_file_together(path, pair, out=out)
    together = pl.read_parquet(out)
    assert found.rows == together.height == 5_000
    assert together["vin"].to_list() == [f"V{i}" for i in range(5_000)]
    # 146 g is over the target of 108 g by 38 g, and has a rebate
    edge = together.filter(pl.col("co2_g_per_km") == "146").select("charge_g", "rebate_payable_nzd").cast(pl.String)
    assert set(edge.rows()) == {("38", "1098.45")}
