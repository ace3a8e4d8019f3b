"""The audit tells where bank statements and the book part."""

from __future__ import annotations

from typing import Any

import pytest

from cleanfleet.registry import clock
from cleanfleet.registry.bankfiles import checks
from cleanfleet.registry.bankfiles.models import Entry
from cleanfleet.registry.payments.models import Payment
from registry.fleets.scenes import play

from .scenes import debited, one_day, owing, reference

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.usefixtures("flat")]


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"cents": 301}, {"statements", "suspense"}),
        ({"state": "not_ours"}, {"suspense"}),
        ({"outcome": "noted"}, {"statements"}),
        ({"state": "held", "outcome": "held"}, {"suspense", "unallocated"}),
    ],
)
def test_an_entry_that_was_changed_behind_the_register_s_back(changed: dict[str, Any], found: set[str]) -> None:
    one = owing(10)
    with clock.at("2027-02-04"):
        payment = debited(one)
        play(payment.public_id, "declined")
        one_day((7500, reference(payment)), (300, "x"), (-50, "fee"))
    assert checks.run() == []
    Entry.objects.filter(cents=300).update(account=one.used, **changed)
    assert {finding.check for finding in checks.run()} == found


def test_money_that_came_late_is_unallocated_until_it_is_refunded() -> None:
    one = owing(10)
    with clock.at("2027-02-04"):
        payment = debited(one)
        play(payment.public_id, "declined")
        play(payment.public_id, "succeeded")
    assert checks.run() == []
    Payment.objects.update(state="refund_due")
    (finding,) = checks.run()
    assert finding.found == "has 75.00; what is held for it comes to 0.00"
