"""What becomes of the entries of a statement."""

from __future__ import annotations

from typing import Any

import pytest

from cleanfleet.registry import clock, daily, ids, replay
from cleanfleet.registry.bankfiles import checks
from cleanfleet.registry.bankfiles.models import Entry
from cleanfleet.registry.fleets.models import Settlement, Share
from cleanfleet.registry.ledger import audit, book
from cleanfleet.registry.payments.models import Payment, Receipt
from cleanfleet.registry.payments.operations import RefundPayment
from registry.fleets.scenes import Importer, play
from registry.people import do, officer

from . import scenes
from .scenes import batch, debited, entry, one_day, outcomes, owing, reference, statement, system_bucket, take

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.usefixtures("flat")]
OWED = ("owed", "charge:used:A:2026:fleet")
DUE, HELD = ("payable", "NZD"), ("unallocated", "NZD")


def books(one: Importer) -> dict[tuple[str, str], int]:
    return book.balances(one.used.pk)


def sound() -> bool:
    return audit.run() == checks.run() == replay.run() == []


def overdue() -> Importer:
    """75.00 dollars due in money since 1 April, whose direct debit failed."""
    one = owing(10)
    with clock.at(scenes.LATE):
        daily.run()
        play(Payment.objects.get().public_id, "declined")
    assert books(one) == {DUE: 7500}
    return one


def test_a_direct_debit_is_confirmed_as_by_the_provider_s_message() -> None:
    one = owing(10)
    with clock.at("2027-02-04"):
        payment = debited(one)
        told = one_day((7500, reference(payment)))
        assert outcomes(told) == [("confirmed", "")]
        assert told["outcomes"] == {"confirmed": {"entries": 1, "cents": 7500}}
        assert told["entries"][0]["payment"] == payment.public_id
    assert Share.objects.get().state == "settled"
    assert books(one) == {}
    assert (Receipt.objects.get().cents, system_bucket("revenue"), system_bucket("suspense")) == (7500, 7500, 0)
    assert sound()


def test_a_batch_s_transactions_are_matched_one_by_one() -> None:
    first, second = owing(10), owing(20)
    with clock.at("2027-02-04"):
        paid, other = debited(first), debited(second, 20)
        made = batch(22500, [(reference(paid).lower(), 7500), (other.public_id, 15000)])
        (told,) = take(statement(made, moved=22500))
    assert outcomes(told) == [("confirmed", ""), ("confirmed", "")]
    assert [one["cents"] for one in told["entries"]] == [7500, 15000]
    assert (books(first), books(second)) == ({}, {})
    assert len(set(Receipt.objects.values_list("number", flat=True))) == 2
    assert sound()


@pytest.mark.parametrize(
    "made", [lambda parts: batch(22500, parts[:1], counted=2), lambda parts: batch(22500, [*parts, ("X", 1)]), lambda _: batch(22500, [], counted=2)]
)  # fmt: skip
def test_a_batch_that_is_not_broken_down_waits_and_its_returns_come_off_it(made: Any) -> None:
    first, second = owing(10), owing(20)
    with clock.at("2027-02-04"):
        paid, other = debited(first), debited(second, 20)
        parts = [(reference(paid), 7500), (reference(other), 15000)]
        (told,) = take(statement(made(parts), entry(-15000, reference(other), reason="AC04"), moved=7500))
        assert outcomes(told) == [("queued", "batch"), ("failed", "AC04")]
        assert told["entries"][1]["return_reason"] == "AC04"
    assert Share.objects.get(account=second.used).state == "debit_failed"
    assert Share.objects.get(account=first.used).state == "paying"
    assert (system_bucket("suspense"), system_bucket("provider")) == (7500, -7500)
    assert sound()


def test_a_return_after_success_is_due_again_and_paid_once_more() -> None:
    one = owing(10)
    with clock.at("2027-02-04"):
        payment = debited(one)
        one_day((7500, reference(payment)))
        told = one_day((-7500, reference(payment)), name="S2", opening=7500, day="2027-02-04", reason="MS02", reversal=True)
        assert outcomes(told) == [("reversed", "MS02")]
        assert books(one) == {DUE: 7500}
        assert (Share.objects.get().state, Payment.objects.get().state) == ("overdue", "reversed")
        assert system_bucket("provider") == 0
        again = one_day((7500, reference(payment)), name="S3", day="2027-02-05")
        assert outcomes(again) == [("met", "paid_again")]
    assert books(one) == {}
    assert Share.objects.get().state == "settled"
    assert system_bucket("revenue") == 7500
    assert sound()


def test_the_order_of_lines_within_a_day_does_not_matter() -> None:
    one = owing(10)
    with clock.at("2027-02-04"):
        payment = debited(one)
        told = one_day((-7500, reference(payment)), (7500, reference(payment)))
    assert outcomes(told) == [("reversed", ""), ("confirmed", "")]
    assert books(one) == {DUE: 7500}


def test_a_return_on_an_earlier_statement_than_its_money() -> None:
    one = owing(10)
    with clock.at("2027-02-05"):
        payment = debited(one)
        assert outcomes(one_day((-7500, reference(payment)))) == [("failed", "")]
        assert outcomes(one_day((7500, reference(payment)), name="S2", opening=-7500, day="2027-02-04")) == [
            ("failed", "returned_before")
        ]
    assert (books(one), system_bucket("suspense"), system_bucket("provider")) == ({OWED: 10}, 0, 0)
    assert sound()


@pytest.mark.parametrize(
    ("webhooks", "lines", "expected", "left"),
    [
        (["succeeded"], [7500], [("confirmed", "told_before")], {}),
        (["succeeded", "reversed"], [7500, -7500], [("confirmed", "told_before"), ("reversed", "")], {DUE: 7500}),
        (["succeeded"], [7500, -7500], [("confirmed", "told_before"), ("reversed", "")], {DUE: 7500}),
        (["declined"], [7500], [("late", "")], {OWED: 10, HELD: 7500}),
        (["declined"], [7500, -7500], [("late", ""), ("reversed", "")], {OWED: 10}),
        (["declined", "succeeded"], [7500], [("late", "told_before")], {OWED: 10, HELD: 7500}),
        (["declined"], [-7500], [("failed", "")], {OWED: 10}),
    ],
)
def test_webhook_first_then_the_bank_s_statement(
    webhooks: list[str], lines: list[int], expected: list[tuple[str, str]], left: dict[tuple[str, str], int]
) -> None:
    one = owing(10)
    with clock.at("2027-02-04"):
        payment = debited(one)
        for told in webhooks:
            play(payment.public_id, told)
        assert outcomes(one_day(*((cents, reference(payment)) for cents in lines))) == expected
        assert books(one) == left
    assert sound()


@pytest.mark.parametrize(
    ("lines", "webhooks", "left"),
    [
        ([7500], ["succeeded"], {}),
        ([7500, -7500], ["succeeded", "reversed"], {DUE: 7500}),
        ([-7500], ["declined"], {OWED: 10}),
        ([7500, -7500], ["reversed", "succeeded"], {DUE: 7500}),
    ],
)
def test_the_bank_s_statement_first_then_webhooks(
    lines: list[int], webhooks: list[str], left: dict[tuple[str, str], int]
) -> None:
    one = owing(10)
    with clock.at("2027-02-04"):
        payment = debited(one)
        one_day(*((cents, reference(payment)) for cents in lines))
        for told in webhooks:
            assert play(payment.public_id, told)["repeated"]
        assert books(one) == left
    assert sound()


def test_money_of_one_debit_that_comes_twice_is_held_the_second_time() -> None:
    one = owing(10)
    with clock.at("2027-02-04"):
        payment = debited(one)
        told = one_day((7500, reference(payment)), (7500, reference(payment)))
        assert outcomes(told) == [("confirmed", ""), ("held", "paid_twice")]
        assert books(one) == {HELD: 7500}
        told = one_day((-7500, reference(payment)), (-7500, reference(payment)), name="S2", opening=15000, day="2027-02-05")
        assert outcomes(told) == [("reversed", ""), ("queued", "returned_twice")]
    assert books(one) == {HELD: 7500, DUE: 7500}
    assert sound()


@pytest.mark.parametrize("cents", [7499, 7501, -7499])
def test_another_amount_than_the_debit_s_waits_for_finance(cents: int) -> None:
    one = owing(10)
    with clock.at("2027-02-04"):
        assert outcomes(one_day((cents, reference(debited(one))))) == [("queued", "wrong_amount")]
    assert (Payment.objects.get().state, books(one), system_bucket("suspense")) == ("created", {OWED: 10}, cents)


def test_a_transfer_with_the_charge_s_reference_meets_what_is_due() -> None:
    one = overdue()
    with clock.at("2027-04-03"):
        made = entry(7500, creditor_reference=scenes.charge_reference(one.used), day="2027-04-02")
        (told,) = take(statement(made, moved=7500, day="2027-04-02"))
    assert outcomes(told) == [("met", "")]
    assert told["entries"][0]["account"] == one.used.number
    assert books(one) == {}
    assert (Share.objects.get().state, system_bucket("revenue")) == ("settled", 7500)
    assert Receipt.objects.get().payment.provider == "bank"
    assert sound()


def test_a_transfer_that_writes_account_and_charge_in_its_text() -> None:
    one = overdue()
    with clock.at("2027-04-03"):
        made = entry(7500, text=f"{one.used.number.lower()} Clean car 2026a", day="2027-04-02")
        assert outcomes(take(statement(made, moved=7500, day="2027-04-02"))[0]) == [("met", "")]
    assert books(one) == {}


def test_what_is_not_exactly_what_is_due_is_the_holder_s_unallocated() -> None:
    one = overdue()
    with clock.at("2027-04-03"):
        kea = scenes.charge_reference(one.used)
        made = [entry(7400, creditor_reference=kea), entry(7500, text=f"{one.used.number} 2025A")]
        assert outcomes(take(statement(*made, moved=14900))[0]) == [("held", "wrong_amount"), ("held", "no_charge")]
        assert books(one) == {DUE: 7500, HELD: 14900}
    assert sound()


def test_a_transfer_while_a_direct_debit_runs_or_nothing_is_due_is_held() -> None:
    one = owing(10)
    with clock.at("2027-02-04"):
        kea = scenes.charge_reference(one.used)
        assert outcomes(take(statement(entry(7500, creditor_reference=kea), moved=7500))[0]) == [("held", "not_due")]
        debited(one)
        made = entry(7500, creditor_reference=kea, day="2027-02-04")
        told = take(statement(made, moved=7500, opening=7500, name="S2", day="2027-02-04"))[0]
        assert outcomes(told) == [("held", "debit_under_way")]
    assert books(one) == {OWED: 10, HELD: 15000}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("thank you", "no_reference"),
        ("{number}", "no_charge_named"),
        ("CO2-00000016 2026A", "no_reference"),
        ("{other} 2026A", "unknown_account"),
        ("{number} {other} 2026A", "ambiguous"),
        ("PAY0123456789ABCDEFGHJKMNPQRS", "unknown_reference"),
    ],
)
def test_what_can_not_be_placed_waits_with_the_reason(text: str, why: str) -> None:
    one = overdue()
    with clock.at("2027-04-03"):
        made = entry(7500, text=text.format(number=one.used.number, other=ids.account_number(9999)))
        assert outcomes(take(statement(made, moved=7500))[0]) == [("queued", why)]
    assert (books(one), system_bucket("suspense")) == ({DUE: 7500}, 7500)


def test_bank_fees_and_what_is_not_booked() -> None:
    with clock.at("2027-02-04"):
        made = [entry(-250, text="account fee"), entry(5000, status="PDNG"), entry(0), entry(7500, status="INFO")]
        told = take(statement(*made, moved=-250))[0]
    assert outcomes(told) == [
        ("queued", "no_reference"),
        ("noted", "not_booked"),
        ("noted", "no_money"),
        ("noted", "not_booked"),
    ]
    assert told["outcomes"] == {"queued": {"entries": 1, "cents": -250}, "noted": {"entries": 3, "cents": 0}}
    assert Entry.objects.filter(state="noted").count() == 3
    assert system_bucket("suspense") == -250
    assert sound()


def test_the_refund_of_a_late_payment_is_confirmed_by_the_statement() -> None:
    one = owing(10)
    with clock.at("2027-02-04"):
        payment = debited(one)
        play(payment.public_id, "declined")
        one_day((7500, reference(payment)))
        do(RefundPayment(payment=payment.public_id), officer("finance"))
        told = one_day((-7500, reference(payment)), name="S2", opening=7500, day="2027-02-05")
        assert outcomes(told) == [("refunded", "")]
        assert play(payment.public_id, "refunded")["repeated"]
        third = one_day((-7500, reference(payment)), name="S3", day="2027-02-06")
        assert outcomes(third) == [("queued", "being_refunded")]
    assert books(one) == {OWED: 10}
    assert system_bucket("refunded") == 7500
    assert sound()


def test_money_of_a_debit_of_several_years_collects_each_settlement() -> None:
    """Two sums due of one fleet year are met by one transfer of both, or of one of them."""
    one = owing(30)
    with clock.at("2027-02-04"):
        first = debited(one, 10)
        play(first.public_id, "succeeded")
        second = debited(one, 20)
        play(second.public_id, "succeeded")
        play(first.public_id, "reversed")
        play(second.public_id, "reversed")
        assert books(one) == {DUE: 22500}
        kea = scenes.charge_reference(one.used)
        assert outcomes(take(statement(entry(15000, creditor_reference=kea), moved=15000))[0]) == [("met", "")]
        assert books(one) == {DUE: 7500}
        assert sorted(Settlement.objects.values_list("state", flat=True)) == ["done", "due"]
        play(Payment.objects.get(provider="bank").public_id, "reversed")
        assert books(one) == {DUE: 22500}
        made = entry(22500, creditor_reference=kea, day="2027-02-05")
        assert outcomes(take(statement(made, moved=22500, opening=15000, name="S2", day="2027-02-05"))[0]) == [("met", "")]
    assert books(one) == {}
    assert len(set(Receipt.objects.values_list("number", flat=True))) == Receipt.objects.count() == 5
    assert sound()
