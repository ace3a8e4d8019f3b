"""What a file may hold and what is refused: names, units, numbers; the two languages; volumes over the limit; the example file."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cleanfleet import policies
from cleanfleet.cli import main
from cleanfleet.law.policy import Policy
from cleanfleet.law.records import Record

ROOT = Path(__file__).resolve().parents[3]
POLICY = "pe-fuel-quality"
EXAMPLE = ROOT / "examples" / "fuel-batches.csv"
BATCH = {
    "product": "Diesel B5 S-50 UV",
    "department": "Lima",
    "sampled_on": "2026-03-02",
    "sulfur_mg_per_kg": "30",
    "stage": "retail",
}


def law(**how: Any) -> Policy:
    return policies.load(POLICY, known="2026-11-22", **how)


def product(spelt: str) -> str:
    policy = law()
    read = Record(policy.program, {**BATCH, "product": spelt})
    assert not read.refused, [refused.message for refused in read.refused]
    return read.word(policy.program.inputs["product"])


#: Strings of data sets of Osinergmin and Petroperú (facts A.3), and what they are.
SEEN = {
    "GASOHOL 84 PLUS": "gasohol_84", "GASOHOL 90 PLUS": "gasohol_90", "GASOHOL 95 PLUS": "gasohol_95",
    "GASOHOL 97 PLUS": "gasohol_97", "GASOHOL 98 PLUS": "gasohol_98", "GASOHOL REGULAR": "gasohol_regular",
    "GASOHOL PREMIUM": "gasohol_premium", "GASOLINA REGULAR": "gasolina_regular", "GASOLINA PREMIUM": "gasolina_premium",
    "GASOLINA 84": "gasolina_84", "GASOLINA 84 SP": "gasolina_84", "GASOLINA 90": "gasolina_90",
    "GASOLINA SUPER 90 SP": "gasolina_90", "GASOLINA 95": "gasolina_95", "GASOLINA SUPER 95 SP": "gasolina_95",
    "GASOLINA 97": "gasolina_97", "GASOLINA SUPER EXTRA 97 SP": "gasolina_97", "Diesel B5 S-50": "diesel_b5_s50",
    "Diesel B5 S-50 UV": "diesel_b5_s50_uv", "DIESEL B5 UV S-50": "diesel_b5_s50_uv", "DB5 S-50": "diesel_b5_s50",
    "DIESEL B5 UV": "diesel_b5_uv", "DIESEL B5 GE": "diesel_b5_ge", "Diesel B5 S-50 GE": "diesel_b5_s50_ge",
    "Diesel 2 S-50": "diesel_2_s50", "Diesel 2 S-50 UV": "diesel_2_s50_uv", "DIESEL 2 UV": "diesel_2_uv",
    "DIESEL B5": "diesel_b5",
}  # fmt: skip


@pytest.mark.parametrize("spelt", SEEN)
@pytest.mark.parametrize(
    "way", [str, str.lower, str.upper, lambda text: f"  {text.replace(' ', '   ')} ", lambda text: text.replace(" ", "")]
)
def test_products_as_they_are_written(spelt: str, way: Callable[[str], str]) -> None:
    assert product(way(spelt)) == SEEN[spelt]


@pytest.mark.parametrize(
    ("spelt", "code"), [("Diésel B5 S50", "diesel_b5_s50"), ("gasohol-regular", "gasohol_regular"), ("DIESEL_2", "diesel_2")]
)
def test_accents_and_hyphens_in_products(spelt: str, code: str) -> None:
    assert product(spelt) == code


@pytest.mark.parametrize(
    ("column", "cell", "reason", "said"),
    [
        ("department", "Limma", "unknown_value:department", "did you mean lima"),
        ("department", "San Martin de Porres", "unknown_value:department", "san_martin"),
        ("department", "Bogotá", "unknown_value:department", "allowed is one of amazonas"),
        ("product", "GASOHOL 99 PLUS", "unknown_value:product", "did you mean gasohol_9"),
        ("product", "Diesel B5 S-10", "unknown_value:product", "did you mean diesel_b5_s50"),
        ("product", "Turbo A1", "unknown_value:product", "allowed is one of gasolina_84"),
        ("sulfur_mg_per_kg", "-0.1", "out_of_range:sulfur_mg_per_kg", "'-0.1' is outside the allowed range"),
        ("sulfur_mg_per_kg", "low", "not_a_number:sulfur_mg_per_kg", "'low' is not a number"),
        ("sulfur_mg_per_kg", "30 ppm", "not_a_number:sulfur_mg_per_kg", "'30 ppm' is not a number"),
        ("sulfur_mg_per_kg", "0.003 %", "not_a_number:sulfur_mg_per_kg", "mg/kg"),
        ("sulfur_mg_per_kg", "30,5", "not_a_number:sulfur_mg_per_kg", "'30,5'"),
        ("sulfur_mg_per_kg", "30.1234", "too_many_decimals:sulfur_mg_per_kg", "up to 3 decimals"),
        ("sulfur_mg_per_kg", "ND", "not_a_number:sulfur_mg_per_kg", "'ND'"),
        ("sulfur_unit", "%", "unknown_value:sulfur_unit", "allowed is one of mg/kg"),
        ("sulfur_unit", "mg/L", "unknown_value:sulfur_unit", "did you mean mg/kg"),
        ("ron", "9.5", "out_of_range:ron", "from 50 to 130"),
        ("sampled_on", "02/03/2026", "not_a_date:sampled_on", "write it as 2026-03-31"),
        ("method", "ASTM D5454", "unknown_value:method", "did you mean D5453"),
        ("stage", "middle", "unknown_value:stage", "allowed is one of wholesale, retail"),
    ],
)
def test_what_is_refused_and_how_it_is_said(column: str, cell: str, reason: str, said: str) -> None:
    found = law().explain({**BATCH, column: cell})
    assert (found.answer["status"], found.answer["reason"]) == ("refused", reason)
    assert len(found.refusals) == 1
    assert found.refusals[0].startswith(f"{column}: {cell!r} ")
    assert said in found.refusals[0]


@pytest.mark.parametrize(
    ("cells", "status"),
    [
        ({"department": "LIMA"}, "compliant"), ({"department": "áncash"}, "compliant"), ({"department": "Ancash"}, "compliant"),
        ({"department": "SAN MARTI\u0301N"}, "compliant"), ({"department": "la libertad"}, "compliant"),
        ({"department": "07"}, "compliant"), ({"department": "25", "sulfur_mg_per_kg": "900"}, "exempt"),
        ({"sulfur_unit": "PPM"}, "compliant"), ({"sulfur_mg_per_kg": "<1"}, "compliant"), ({"sulfur_mg_per_kg": "3e1"}, "compliant"),
        ({"sulfur_mg_per_kg": ""}, "not_determined"), ({"department": ""}, "not_determined"),
    ],
)  # fmt: skip
def test_what_is_understood(cells: dict[str, str], status: str) -> None:
    assert law().one({**BATCH, **cells})["status"] == status


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLEANFLEET_LANG", raising=False)

    def go(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cleanfleet", *words])
        with pytest.raises(SystemExit) as ended:
            main.run()
            raise SystemExit(0)
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return go


ASSESS = ("assess", str(EXAMPLE), "-p", POLICY, "--known", "2026-11-22")


def test_the_example_file(run: Run, tmp_path: Path) -> None:
    code, out, _ = run(*ASSESS, "--json", "--summary-out", "volumes.csv", "--refused", "refused.csv")
    found = json.loads(out, parse_float=Decimal)
    assert code == 0
    assert found["statuses"] == {"compliant": 5, "non_compliant": 5, "exempt": 2, "not_determined": 3, "refused": 3}
    by_batch = {row["batch"]: (row["status"], row["reason"]) for row in found["results"]}
    assert by_batch["PE-002"] == ("compliant", None)
    assert by_batch["PE-003"] == ("non_compliant", "sulfur_above_limit")
    assert by_batch["PE-004"] == ("exempt", "exempt_department")
    assert by_batch["PE-005"] == ("not_determined", "missing:temporary_exception")
    assert by_batch["PE-007"] == ("non_compliant", "ron_below_minimum")
    assert by_batch["PE-008"] == ("non_compliant", "product_not_admitted")
    assert by_batch["PE-011"] == ("not_determined", "outside_vehicle_scope")
    assert by_batch["PE-017"] == ("refused", "too_many_decimals:sulfur_mg_per_kg; unknown_value:sulfur_unit")
    assert found["totals"] == {}  # sums of limits and margins mean nothing
    rows = list(csv.DictReader((tmp_path / "volumes.csv").open(encoding="utf-8")))
    # 24.75 m3 of diesel over the limit in Ancash, 20 in Junin, 3.1 of gasoline in Ucayali; in Lima 23 fail otherwise
    over = {(row["distributor"], row["department"]): row["volume_over_limit_m3"] for row in rows if row["over_limit"] != "0"}
    assert {key: Decimal(volume) for key, volume in over.items()} == {
        ("Distribuidora Dos", "ancash"): Decimal("24.75"),
        ("Distribuidora Uno", "junin"): Decimal(20),
        ("Distribuidora Tres", "ucayali"): Decimal("3.1"),
    }
    lima = next(row for row in rows if row["department"] == "lima" and row["fuel"] == "gasohol")
    assert (lima["batches"], lima["other_failures"], Decimal(lima["volume_failing_m3"])) == ("2", "2", Decimal(23))
    assert sum(int(row["batches"]) for row in rows) == 18
    assert rows[0]["department"] == "ancash"  # most volume over the limit first
    refused = next(row for row in rows if row["refused"] != "0")
    assert (refused["department"], refused["refused"], refused["without_volume"]) == ("", "3", "3")


def test_a_workbook_of_results_refusals_and_volumes_in_spanish(run: Run, tmp_path: Path) -> None:
    code, _, _ = run(*ASSESS, "--out", "out.xlsx", "--summary-out", "v.csv", "--lang", "es")
    assert code == 0
    results = pl.read_excel(tmp_path / "out.xlsx", sheet_name="results")
    refused = pl.read_excel(tmp_path / "out.xlsx", sheet_name="refused")
    volumes = pl.read_excel(tmp_path / "out.xlsx", sheet_name="over_limit")
    assert (results.height, refused.height, volumes["batches"].sum()) == (18, 3, 18)
    assert results["status"].to_list().count("non_compliant") == 5  # codes stay the same
    assert "no es uno de los valores admitidos (¿quiso decir lambayeque?)" in refused["message"][0]


def test_assess_says_what_codes_mean_in_the_language(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _, english, _ = run(*ASSESS)
    _, spanish, _ = run(*ASSESS, "--lang", "es")
    assert "the sulfur content is above the limit" in english
    assert "el contenido de azufre supera el límite" in spanish
    assert "el lote cumple el límite" in spanish
    assert "sulfur_above_limit" in spanish
    monkeypatch.setenv("CLEANFLEET_LANG", "es")
    assert run(*ASSESS)[1] == spanish
    assert run(*ASSESS, "--lang", "en")[1] == english
    meanings = json.loads(run(*ASSESS, "--json")[1])["meanings"]
    assert meanings["exempt_department"] == "el departamento está exceptuado del límite de azufre para este grado"


def test_the_environment_does_not_stop_a_policy_without_the_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEANFLEET_LANG", "es")
    assert law().texts.language == "es"
    assert law(language="en").texts.language == "en"
    assert policies.load("nz-clean-vehicle-standard").texts.language == "en"


def test_explain_policies_and_values_in_spanish(run: Run) -> None:
    record = [f"{name}={cell}" for name, cell in {**BATCH, "product": "Gasohol Premium"}.items()]
    code, out, _ = run("explain", POLICY, *record, "--known", "2026-11-22", "--lang", "es")
    assert code == 0
    assert "El límite con seguridad en vigor: no mayor que este." in out
    assert (
        "falta ron: número de octano research (ASTM D2699); solo gasolina y gasohol; se da un número con hasta 1 decimales"
        in out
    )
    _, out, _ = run("policies", POLICY, "--lang", "es")
    assert "Ministerio de Energía y Minas" in out
    assert "Columnas de entrada" in out
    assert "gasohol de 95 octanos" in out
    assert json.loads(run("policies", POLICY, "--lang", "es", "--json")[1])["reasons"]["ron_below_minimum"].startswith(
        "el octanaje"
    )
    listed = run("policies", "--lang", "es")[1]
    assert "Calidad de combustibles" in listed
    assert "Clean Vehicle Standard" in listed
    values = json.loads(run("values", POLICY, "limit_of_provision", "--lang", "es", "--json")[1])
    assert values[0]["description"] == "mayor contenido de azufre que admite una norma"


def test_an_unknown_language_ends_with_one_line(run: Run) -> None:
    code, out, err = run(*ASSESS, "--lang", "qu")
    assert (code, out) == (2, "")
    assert err == "cleanfleet: pe-fuel-quality has no language 'qu'; known are en, es\n"


def test_min_grade_leaves_recalled_departments_undetermined() -> None:
    batch = {**BATCH, "department": "Ica", "sampled_on": "2019-01-01"}
    assert law().one(batch)["flags"] == "doubtful:sulfur_provision"
    assert law(min_grade="M").one(batch)["reason"] == "missing:sulfur_provision"


def test_a_summary_without_distributors_or_rows() -> None:
    policy = law()
    summary = policy.summary()
    assert summary.frame().height == 0
    frame = pl.DataFrame([{**BATCH, "sulfur_mg_per_kg": 60}, {**BATCH, "sulfur_mg_per_kg": 40}])
    summary.add(policy.assess(frame, also=summary.needs).frame)
    row = summary.frame().row(0, named=True)
    assert (row["distributor"], row["batches"], row["over_limit"], row["volume_m3"], row["without_volume"]) == (
        None,
        2,
        1,
        0,
        2,
    )
