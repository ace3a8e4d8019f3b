"""Units multiply, cancel and are told apart."""

from __future__ import annotations

import pytest

from cleanfleet.law.errors import LawError
from cleanfleet.law.units import PURE, unit, unit_of


@pytest.mark.parametrize(
    ("left", "right", "product"),
    [
        ("g/km/kg", "kg", "g/km"),
        ("NZD km/g", "g/km", "NZD"),
        ("kg", "kg", "kg^2"),
        ("1", "kg", "kg"),
        ("L/100 km", "g/L", "g/hkm"),
        ("g/km", "km/hkm", "g/hkm"),
        ("kg", "1/kg", ""),
    ],
)
def test_a_product_of_units_cancels(left: str, right: str, product: str) -> None:
    assert str(unit(left) * unit(right)) == product
    assert unit(left) * unit(right) == unit(right) * unit(left)


def test_a_quotient_of_units_undoes_the_product() -> None:
    assert unit("g/km") / unit("g/km") == PURE
    assert unit("g") / unit("km") == unit("g/km")
    assert (unit("NZD") / unit("g/km")) == unit("NZD km/g")


def test_the_order_of_factors_does_not_matter() -> None:
    assert unit("km NZD/g") == unit("NZD km/g")


def test_hundred_kilometres_are_a_unit_of_their_own() -> None:
    assert unit("L/100 km") == unit("L/hkm") != unit("L/km")


def test_units_of_one_dimension_are_still_different() -> None:
    assert unit("kg") != unit("mg")


def test_a_pure_number_has_no_name() -> None:
    assert unit("1") == unit("") == PURE
    assert str(PURE) == ""


@pytest.mark.parametrize("text", ["g*km", "2 kg", "g/km²", "kg-1", "g//%%!"])
def test_an_unreadable_unit_is_refused_by_name(text: str) -> None:
    with pytest.raises(LawError, match="is not a unit's name"):
        unit(text)


def test_an_entrys_unit_is_refused_with_its_place() -> None:
    with pytest.raises(LawError, match=r"^all\.yaml: rate: unit 'g\*km'"):
        unit_of({"unit": "g*km"}, "all.yaml: rate")
    assert unit_of({}, "anywhere") == PURE
