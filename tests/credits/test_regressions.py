"""What real registers of credits got wrong, by the id of its public thread; the numbers lie beside the clone."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from cleanfleet.credits import Bank, BankRules, Shortage, always

FILE = Path(__file__).resolve().parents[3] / "shared" / "cases" / "registry-regressions.json"
CASES = {case["id"]: case for case in json.loads(FILE.read_text())["cases"]} if FILE.exists() else {}

pytestmark = pytest.mark.skipif(not CASES, reason=f"{FILE} is not there: the shared cases lie beside the clone, never in it")

YEAR, DAY = 2024, dt.date(2024, 12, 31)
AT: dict[str, Any] = {"on": DAY, "known": DAY}
BANK = Bank(BankRules(pools=("a",), life_years=always(3), vintages_allowed=always("up_to_year")))


def numbers(id_: str) -> tuple[dict[str, int], dict[str, int]]:
    return CASES[id_]["given"], CASES[id_]["expect"]


def earned(bank: Bank, amount: int) -> Bank:
    return bank.issue("X", "a", YEAR, DAY, amount)


def test_a_deficit_takes_what_there_is_and_the_rest_stays_owed() -> None:
    given, expect = numbers("tfrs#2508")
    bank = earned(BANK, given["available"]).owe("X", "a", YEAR, -given["net"], on=DAY).settle("X", **AT)
    assert -sum(e.amount for e in bank.latest if e.target == "used") == expect["change"]
    assert bank.free("X", "a") == expect["available_after"]
    assert bank.owed("X") * given["rate"] == expect["penalty"]


def test_a_supplement_posts_only_the_difference() -> None:
    given, expect = numbers("tfrs#2516")
    before = given["available_after_first"] - given["assessed_net"]
    bank = BANK.issue("X", "a", YEAR - 1, dt.date(YEAR - 1, 12, 31), before)
    bank = earned(bank, given["assessed_net"])
    lot = max(bank.lots)
    bank = bank.reverse(lot, given["assessed_net"] - given["supplemental_net"], on=DAY)
    assert [-e.amount for e in bank.latest] == [expect["change"]]
    assert bank.free("X", "a") == expect["available_after"]


def test_a_deficit_without_credits_is_owed_whole() -> None:
    given, expect = numbers("tfrs#2628")
    bank = BANK.owe("X", "a", YEAR, -given["net"], on=DAY).settle("X", **AT)
    assert (len(bank.latest), bank.owed("X")) == (expect["change"], expect["penalty_units"])


def test_a_supplement_to_what_was_not_assessed_changes_the_reservation_only() -> None:
    given, expect = numbers("tfrs#2895")
    deficit = -given["submitted_not_assessed_net"]
    bank = earned(BANK, deficit).reserve("X", "a", deficit, **AT)
    bank = bank.void(min(bank.holds), on=DAY).reserve("X", "a", deficit - given["supplemental_delta"], **AT)
    assert [-lot.reserved for lot in bank.of("X")] == [expect["reserved_after"]]
    assert sum(lot.amount for lot in bank.of("X")) - deficit == expect["balance_change_before_assessment"]


def test_a_smaller_deficit_frees_what_was_reserved_for_it() -> None:
    given, expect = numbers("tfrs#2953")
    bank = earned(BANK, given["opening"]).reserve("X", "a", -given["original_net"], **AT)
    bank = bank.void(min(bank.holds), on=DAY).reserve("X", "a", -given["original_net"] - given["supplemental_delta"], **AT)
    assert bank.free("X", "a") == expect["available"]


def test_credits_that_never_were_dont_offset_the_correction() -> None:
    given, expect = numbers("tfrs#2865")
    bank = earned(BANK, given["first_net"]).reverse(1, given["first_net"], on=DAY)
    bank = bank.owe("X", "a", YEAR, -given["corrected_net"], on=DAY).settle("X", **AT)
    assert bank.owed("X") == expect["penalty_units"]


def test_what_is_reserved_cant_be_used_twice() -> None:
    assert "tfrs#2562" in CASES
    bank = earned(BANK, 100).reserve("X", "a", 60, **AT)
    with pytest.raises(Shortage, match="41 needed, 40 free, 60 reserved"):
        bank.spend("X", "a", 41, **AT)


def test_what_was_acquired_after_the_deadline_doesnt_serve_the_earlier_period() -> None:
    assert "tfrs#2867" in CASES
    late = dt.date(2025, 4, 1)
    bank = (
        BANK.issue("Y", "a", YEAR, DAY, 50).owe("X", "a", YEAR, 50, on=DAY).transfer("Y", "X", "a", 50, on=late, known=late)
    )
    with pytest.raises(Shortage):
        bank.offset(2, on=late, known=late, acquired_by=dt.date(2025, 3, 31))
    next_year = BANK.issue("X", "a", YEAR + 1, late, 50).owe("X", "a", YEAR, 50, on=late)
    with pytest.raises(Shortage):
        next_year.offset(2, on=late, known=late)


def test_what_is_settled_already_is_not_owed_again() -> None:
    given, expect = numbers("tfrs#2041")
    bank = BANK.owe("X", "a", YEAR, given["obligation"], on=DAY).pay(1, given["already_settled"], on=DAY)
    assert bank.owed("X") == expect["outstanding"]


def test_life_is_enforced_when_spending_whether_expiry_was_recorded_or_not() -> None:
    assert "vm0#10299" in CASES
    after = dt.date(2028, 1, 1)
    with pytest.raises(Shortage, match="500 needed, 0 free"):
        earned(BANK, 1000).spend("X", "a", 500, on=after, known=after)


def test_lines_and_total_are_the_same_numbers() -> None:
    assert "tfrs#2888" in CASES
    bank = BANK
    for day in range(1, 31):
        bank = bank.issue("X", "a", YEAR, dt.date(YEAR, 6, day), 6223 + day)
    bank = bank.spend("X", "a", 186_709, **AT)
    assert sum(e.amount for e in bank.latest) == 186_709 == {b.unit: b for b in bank.balances()}["credit:a"].places["used"]


def test_large_neighbours_differ() -> None:
    assert "openfisca-japan#156" in CASES
    assert earned(BANK, 20_000_001).spend("X", "a", 20_000_000, **AT).free("X", "a") == 1
