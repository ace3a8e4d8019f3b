"""What the scheme says in Spanish: its own words, with the codes and figures of the English answer."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cleanfleet import policies
from cleanfleet.cli import main

EXAMPLES = Path(__file__).parents[3] / "examples"
POLICY = "co-zero-emission"
Run = Callable[..., str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run ``cleanfleet`` in an empty folder; it must end with 0 and say nothing on the error output."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLEANFLEET_LANG", raising=False)

    def go(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["cleanfleet", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main.run()
            raise SystemExit(0)
        shown = capsys.readouterr()
        assert (ended.value.code or 0, shown.err) == (0, "")
        return shown.out

    return go


def exact(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def test_the_title_columns_and_reasons_in_spanish(run: Run) -> None:
    told = exact(run("policies", POLICY, "--lang", "es", "--json"))
    assert told["title"] == "Vehículos eléctricos y de cero emisiones (Ley 1964 de 2019), Colombia"
    assert told["reasons"]["plug_in_hybrid_not_covered"] == "los híbridos enchufables no tienen ninguno de los beneficios"
    shown = run("policies", POLICY, "--lang", "es")
    for said in (
        "Vehículos eléctricos y de cero emisiones (Ley 1964 de 2019), Colombia",
        "vehículo: precio de la revisión técnico-mecánica y de emisiones contaminantes",
        "vehículo: prima del SOAT, sin las contribuciones que se le suman",
        "cualquiera que no sea por seguridad: pico y placa, día sin carro, materia ambiental",
        "vehículo: mayor impuesto del año, en pesos",
        "sistema de transporte masivo (SITM)",
    ):
        assert said in shown
    assert "vehicle: highest tax of the year, pesos" in run("policies", POLICY)


@pytest.mark.parametrize(
    ("file", "meanings"),
    [
        (
            "co-purchase-plans.csv",
            {
                "before_duty": "antes del día desde el que rige la obligación",
                "municipality_not_bound": "la obligación no alcanza a los municipios de esta categoría",
            },
        ),
        (
            "co-electric-vehicles.csv",
            {
                "plug_in_hybrid_not_covered": "los híbridos enchufables no tienen ninguno de los beneficios",
                "combustion_not_covered": "los vehículos con motor de combustión no tienen ninguno de los beneficios",
            },
        ),
        ("co-charging-stations.csv", {"not_working": "las estaciones no están en condiciones funcionales"}),
    ],
)
def test_answers_have_the_same_codes_and_figures(run: Run, file: str, meanings: dict[str, str]) -> None:
    words = ("assess", EXAMPLES / file, "-p", POLICY, "--known", "2026-11-22")
    english, spanish = (exact(run(*words, "--json", "--lang", language)) for language in ("en", "es"))
    for same in ("results", "statuses", "reasons", "totals", "values_digest"):
        assert spanish[same] == english[same]
    assert set(spanish["meanings"]) == set(english["meanings"])
    for code, meaning in meanings.items():
        assert spanish["meanings"][code] == meaning
        assert english["meanings"][code] != meaning
    shown = run(*words, "--lang", "es")
    assert "Vehículos eléctricos y de cero emisiones" in shown
    for code, meaning in meanings.items():
        assert code in shown
        assert meaning in shown


def test_a_figure_of_the_spanish_answer() -> None:
    """A battery-electric car worth 120 million pesos: the tax is capped at 1 % of that."""
    car = {"kind": "vehículo", "on": "2026-01-01", "powertrain": "eléctrico", "value_cop": 120_000_000}
    answer = policies.load(POLICY, language="es", known="2026-11-22").one(car)
    assert (answer["status"], answer["tax_max_cop"]) == ("eligible", 1_200_000)


def test_explain_in_spanish(run: Run) -> None:
    out = run(
        "explain", POLICY, "kind=purchase_plan", "entity_kind=mass_transit", "year=2031", "vehicles_acquired=30",
        "zero_emission_acquired=17", "--known", "2026-11-22", "--lang", "es",
    )  # fmt: skip
    for said in (
        "El menor número entero de vehículos de cero emisiones que alcanza la proporción.",
        "grado K",
        "shortfall_vehicles",
    ):
        assert said in out
