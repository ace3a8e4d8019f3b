"""The civil day of New Zealand, over daylight saving and year's end; ids."""

from __future__ import annotations

import datetime as dt
import doctest

import pytest

from cleanfleet.registry import clock, ids
from cleanfleet.registry.config.options import OPTIONS, SettingError, read
from cleanfleet.registry.statements import journal
from cleanfleet.registry.vehicles import identify


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2025-12-31T10:59:59+00:00", "2025-12-31"),  # 31 December 23:59:59 in New Zealand
        ("2025-12-31T11:00:00+00:00", "2026-01-01"),
        ("2026-04-04T13:59:59+00:00", "2026-04-05"),  # the night in which daylight saving ends
        ("2026-04-05T11:59:59+00:00", "2026-04-05"),
        ("2026-04-05T12:00:00+00:00", "2026-04-06"),
        ("2024-02-28T11:00:00+00:00", "2024-02-29"),
    ],
)
def test_the_day_is_new_zealand_s(instant: str, day: str) -> None:
    with clock.at(instant):
        assert clock.today() == dt.date.fromisoformat(day)
    with pytest.raises(ValueError, match="no offset"):
        clock.day_of(dt.datetime(2026, 1, 1))


def test_an_account_number_has_a_check_digit_that_finds_any_wrong_digit() -> None:
    number = ids.account_number(1234567)
    assert ids.is_account_number(f" {number.lower()} ")
    for place in range(4, 12):
        for digit in "0123456789":
            wrong = number[:place] + digit + number[place + 1 :]
            assert ids.is_account_number(wrong) == (wrong == number)
    for serial in (0, 10_000_000):
        with pytest.raises(ValueError, match="not between"):
            ids.account_number(serial)


def test_opaque_ids_differ_and_come_again_from_the_same_seed() -> None:
    found = {ids.opaque("acc", seed, number) for seed in (b"a" * 32, b"b" * 32) for number in range(1000)}
    assert len(found) == 2000
    assert ids.opaque("acc", b"a" * 32, 7) in found
    assert all(len(one) == 30 and set(one[4:]) <= set(ids.ALPHABET) for one in found)


@pytest.mark.parametrize("module", [ids, journal, identify])
def test_examples_in_docstrings(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


def test_settings_are_read_and_refused_by_name() -> None:
    assert read({})["CLEANFLEET_QUOTE_MINUTES"] == 30
    with pytest.raises(SettingError, match="CLEANFLEET_QUOTE_MINUTES is '0'; allowed is a whole number from 1"):
        read({"CLEANFLEET_QUOTE_MINUTES": "0"})
    with pytest.raises(SettingError, match="CLEANFLEET_DEMO is 'maybe'; allowed are true and false"):
        read({"CLEANFLEET_DEMO": "maybe"})
    with pytest.raises(SettingError, match="CLEANFLEET_KNOWN is 'x'; allowed is a date"):
        read({"CLEANFLEET_KNOWN": "x"})
    assert all(option.meaning for option in OPTIONS)
