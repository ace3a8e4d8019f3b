"""A history that is done again gives what it gave."""

from __future__ import annotations

import pytest
from django.db import transaction

from cleanfleet.registry import clock, replay
from cleanfleet.registry.ledger import rows
from registry.people import account, car, feed, person


def test_accounts_have_their_numbers_again_where_an_attempt_took_one(database: str) -> None:
    """A sequence keeps no promise of numbers without gaps: an operation that was rolled back has used some up."""
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        rows.numbers("ledger_owner", "id", 3)
        1 / 0
    with clock.at("2026-03-01"):
        found = account(person())
        feed(car(found))
    assert found.pk == (4 if database else 1)
    assert replay.run() == []
