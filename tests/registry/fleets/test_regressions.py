"""Bugs that real credit registers had, each by the id of the thread it was told in; numbers from the shared cases where they are at hand,
otherwise our own of the same kind.

Told elsewhere, because they aren't about settling: vm0#10299, policyengine-us#9171 and openfisca-japan#156.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cleanfleet.registry import clock
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.fleets.models import Determination, Share
from cleanfleet.registry.fleets.operations import CorrectFleetVehicle, SettleFleetYear, SubmitFleetYear
from cleanfleet.registry.ledger import audit, book
from cleanfleet.registry.ledger.models import Movement
from cleanfleet.registry.payments.models import Payment
from cleanfleet.registry.refusals import Short
from cleanfleet.registry.transfers.operations import AcceptTransfer, OfferTransfer
from registry.people import account, car, do, person, verify

from .scenes import Importer, accept, approved, determine, excess, give, play, share

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.usefixtures("flat")]
FILE = Path(__file__).resolve().parents[3].parent / "shared" / "cases" / "registry-regressions.json"
CASES = {case["id"]: case for case in json.loads(FILE.read_text())["cases"]} if FILE.exists() else {}
HELD, OWED = ("held", "credit:used"), ("owed", "charge:used:A:2026:fleet")


def numbers(id_: str, **own: int) -> dict[str, int]:
    """The case's given and expected numbers, or our own."""
    case = CASES.get(id_)
    found = {**case["given"], **case["expect"]} if case else own
    assert set(own) <= set(found), "the shared case has other names than this test knows"
    return found


def year_with(net: int, available: int = 0, rate: int | None = None, overlay: Any = None) -> tuple[Importer, list[str]]:
    """An importer whose used fleet of 2026 lies ``net`` grams under (below zero: over) its target, with credits of 2025."""
    one = approved()
    if rate is not None:
        dollars = f"{rate // 100}.{rate % 100:02d}"
        overlay(
            "  charge_rate:\n    - {scheme: fleet, condition: used, from: '2023-01-01', "
            f"value: '{dollars}', known_from: '2022-02-22'}}\n"
        )
    with clock.at("2026-06-01"):
        claims = excess(one, one.used, -net)
        give(one.used, available, 2025)
    return one, claims


def correct(one: Importer, change: int) -> dict[str, Any]:
    """The corrections of as many vehicles as it takes to move the fleet by so many grams; the last one's answer.

    The vehicles are moved within 0 to 1000 g/km, each by one correction.
    """
    from cleanfleet.registry.vehicles.models import Claim

    answer: dict[str, Any] = {}
    for claim in Claim.objects.filter(account=one.used, state="accepted").select_related("version").order_by("pk"):
        co2 = int(json.loads(claim.version.attributes)["co2_g_per_km"])
        step = max(-co2, min(-change, 1000 - co2))
        if step:
            given = {"co2_g_per_km": str(co2 + step)}
            answer = do(
                CorrectFleetVehicle(claim=claim.public_id, reason="wrong_data", grounds="x", attributes=given), one.case
            )
            change += step
        if not change:
            return answer
    raise AssertionError(f"{change} g are left to correct")


def settle(one: Importer, credits_g: int = 0, money_g: int = 0) -> dict[str, Any]:
    given = {"credits_g": credits_g, "money_g": money_g}
    return do(SettleFleetYear(account=one.used.public_id, year=2026, vehicle_type="A", **given), one.owner)


def test_tfrs_2508_the_penalty_is_on_what_the_credits_leave(overlay: Any) -> None:
    case = numbers("tfrs#2508", net=-5000, available=3000, rate=600, change=-3000, penalty=1_200_000, available_after=0)
    one, _ = year_with(case["net"], case["available"], case["rate"], overlay)
    with clock.at("2027-02-02"):
        determine(one)
        settle(one, case["available"], -case["net"] - case["available"])
        payment = Payment.objects.get()
        assert payment.cents == case["penalty"]
        play(payment.public_id, "succeeded")
    assert book.balance(one.used.pk, "held", "credit:used") == case["available_after"] == case["available"] + case["change"]
    assert Share.objects.get().state == "settled"


def test_tfrs_2516_a_supplemental_takes_only_the_difference() -> None:
    case = numbers(
        "tfrs#2516", assessed_net=400, available_after_first=1400, supplemental_net=300, change=-100, available_after=1300
    )
    one, _ = year_with(case["assessed_net"], case["available_after_first"] - case["assessed_net"])
    with clock.at("2027-02-02"):
        determine(one)
        assert one.books()["used"] == {HELD: case["available_after_first"]}
        correct(one, case["supplemental_net"] - case["assessed_net"])
        assert one.books()["used"] == {HELD: case["available_after"]}
    last = Determination.objects.order_by("-number").first()
    assert last is not None
    assert last.credit_used_g == case["supplemental_net"]
    assert case["available_after"] - case["available_after_first"] == case["change"]


def test_tfrs_2628_without_credits_nothing_changes_hands_and_all_is_owed() -> None:
    case = numbers("tfrs#2628", net=-1615, available=0, change=0, penalty_units=1615)
    one, _ = year_with(case["net"], case["available"])
    with clock.at("2027-02-02"):
        determine(one)
        assert book.balance(one.used.pk, "held", "credit:used") == case["change"]
        with pytest.raises(Short, match="1 needed, 0 free"):
            settle(one, 1)
        answer = settle(one, 0, case["penalty_units"])
        assert answer["outstanding_g"] == case["penalty_units"]
        assert play(answer["payment"], "succeeded")["met_by_money_g"] == case["penalty_units"]


def test_tfrs_2895_a_supplemental_to_a_year_that_is_not_determined_posts_nothing() -> None:
    case = numbers(
        "tfrs#2895",
        submitted_not_assessed_net=-5000,
        supplemental_delta=700,
        reserved_after=-4300,
        balance_change_before_assessment=0,
    )
    submitted, delta = -case["submitted_not_assessed_net"], case["supplemental_delta"]
    one, _ = year_with(-submitted, submitted)
    with clock.at("2027-02-02"):
        do(SubmitFleetYear(account=one.used.public_id, year=2026, vehicle_type="A"), one.owner)
        before = book.balance(one.used.pk, "held", "credit:used") + book.balance(one.used.pk, "reserved", "credit:used")
        correct(one, delta)
        assert book.balance(one.used.pk, "reserved", "credit:used") == -case["reserved_after"]
        after = book.balance(one.used.pk, "held", "credit:used") + book.balance(one.used.pk, "reserved", "credit:used")
        assert after - before == case["balance_change_before_assessment"]
        assert book.balance(one.used.pk, "owed", "charge:used:A:2026:fleet") == 0
        determine(one)  # the whole deficit is debited then, not the correction alone
        assert one.books()["used"] == {HELD: delta}


def test_tfrs_2953_a_supplemental_after_a_deficit_lowers_what_was_taken() -> None:
    case = numbers("tfrs#2953", original_net=-1015, opening=1015, supplemental_delta=316, available=316)
    one, _ = year_with(case["original_net"], case["opening"])
    with clock.at("2027-02-02"):
        determine(one)
        settle(one, case["opening"])
        assert one.books()["used"] == {}
        correct(one, case["supplemental_delta"])
        assert one.books()["used"] == {HELD: case["available"]}
    found = Share.objects.get()
    assert (found.charge_g, found.credits_g) == (case["opening"] - case["supplemental_delta"],) * 2
    assert audit.run() == []


def test_tfrs_2865_a_correction_is_not_offset_by_credits_that_never_were(overlay: Any) -> None:
    case = numbers("tfrs#2865", first_net=460, corrected_net=-878, rate=200, penalty_units=878)
    one, _ = year_with(case["first_net"], 0, case["rate"], overlay)
    with clock.at("2027-02-02"):
        determine(one)
        correct(one, case["corrected_net"] - case["first_net"])
        assert one.books()["used"] == {OWED: case["penalty_units"]}
        settle(one, 0, case["penalty_units"])
    assert Payment.objects.get().cents == case["penalty_units"] * case["rate"]


def test_tfrs_2562_a_deficit_is_reserved_at_once_also_by_a_supplemental() -> None:
    one, _ = year_with(-1000, 1200)
    other = account(person("Ben"))
    verify(one.used, other)
    with clock.at("2027-02-02"):
        do(SubmitFleetYear(account=one.used.public_id, year=2026, vehicle_type="A"), one.owner)
        assert one.books()["used"] == {HELD: 200, ("reserved", "credit:used"): 1000}
        correct(one, -150)
        assert one.books()["used"] == {HELD: 50, ("reserved", "credit:used"): 1150}
        with pytest.raises(Short, match="51 needed, 50 free, 1150 reserved"):
            do(OfferTransfer(account=one.used.public_id, to_account=other.number, grams=51), one.owner)


def test_tfrs_2867_credits_acquired_after_the_deadline_are_not_for_the_earlier_year() -> None:
    one, _ = year_with(-1000, 100)
    ben = person("Ben")
    theirs = account(ben)
    verify(one.used, theirs)
    for day, grams in (("2027-03-31", 40), ("2027-04-01", 500)):
        with clock.at(day):
            _transfer(ben, theirs, one, grams)
    with clock.at("2027-04-02"):
        determine(one)  # late: it may be settled until 22 April, with what was there on 31 March
        assert str(Share.objects.get().settle_by) == "2027-04-22"
        with pytest.raises(Short, match="141 needed, 140 free"):
            settle(one, 141)
        settle(one, 140)
    assert one.books()["used"] == {HELD: 500, OWED: 860}


def _transfer(ben: Any, theirs: Account, one: Importer, grams: int) -> None:
    give(theirs, grams, 2025)
    made = do(OfferTransfer(account=theirs.public_id, to_account=one.used.number, grams=grams), ben)["offer"]
    do(AcceptTransfer(offer=made), one.owner)


def test_tfrs_2888_lines_and_total_are_equal_because_grams_are_cut_once() -> None:
    """Seven cars with fractions of a gram each: cut one by one they'd come to 3 g less than the fleet's own cut."""
    one = approved()
    with clock.at("2026-06-01"):
        accept(one, one.new, *(car(one.new, co2="120.4999") for _ in range(3)))
        accept(one, one.used, *(car(one.used, co2="119.9") for _ in range(4)))
    with clock.at("2027-02-02"):
        answer = determine(one)
    # 3 x 12.4999 + 4 x 11.9 = 85.0997: three sevenths 36.47, four sevenths 48.63.
    told = answer["types"]["A"]
    assert told["charge_g"] == {"new": 36, "used": 48}
    shares = {c: share(answer, c)["charge_g"] for c in ("new", "used")}
    posted = dict(Movement.objects.filter(source__kind="assessed").values_list("target__unit__code", "amount"))
    assert (
        shares == told["charge_g"] == {"new": posted["charge:new:A:2026:fleet"], "used": posted["charge:used:A:2026:fleet"]}
    )
    assert told["charge_cents"] == 36 * 1500 + 48 * 750
    made = Determination.objects.get()
    assert (made.charge_new_g, made.charge_used_g, made.charge_cents) == (36, 48, told["charge_cents"])


def test_tfrs_2041_what_is_settled_already_counts() -> None:
    case = numbers("tfrs#2041", obligation=8310, already_settled=4502, outstanding=3808)
    one, _ = year_with(-case["obligation"], case["already_settled"])
    with clock.at("2027-02-02"):
        determine(one)
        assert settle(one, case["already_settled"])["outstanding_g"] == case["outstanding"]
    assert one.books()["used"] == {OWED: case["outstanding"]}
    found = Share.objects.get()
    assert found.outstanding_g == case["outstanding"]


SETTLING = (2041, 2508, 2516, 2562, 2628, 2865, 2867, 2888, 2895, 2953)


def test_every_case_about_settling_has_its_test_here() -> None:
    here = {name.split("_")[2] for name in globals() if name.startswith("test_tfrs_")}
    assert here == {str(number) for number in SETTLING}
    if CASES:
        assert {id_ for id_ in CASES if id_.startswith("tfrs#")} == {f"tfrs#{number}" for number in SETTLING}
