"""The life of seven years: figures that no program wrote, against the registry; then audit, replay, statements and a stranger's check."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from beancount import loader
from beancount.core.data import Transaction

from cleanfleet.registry import replay
from cleanfleet.registry.config.options import SettingError
from cleanfleet.registry.ledger import audit
from cleanfleet.registry.ledger.models import Operation
from cleanfleet.registry.rulings import law
from cleanfleet.registry.statements import journal

from .play import Play

#: On SQLite in the fast tests, on PostgreSQL in the slow ones.
DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]
RUNS = [("seven_years.yaml", "then"), ("seven_years.yaml", "now"), ("revived.yaml", "daily")]


@pytest.fixture
def played(request: pytest.FixtureRequest, database: str, monkeypatch: pytest.MonkeyPatch) -> Play:
    from django.conf import settings

    play = Play(*request.param)
    for name, value in play.options().items():
        monkeypatch.setitem(settings.OPTIONS, name, value)
    play.run()
    return play


@pytest.mark.parametrize("database", DATABASES, indirect=True)
@pytest.mark.parametrize("played", RUNS, ids=lambda run: f"{run[0].removesuffix('.yaml')}-{run[1]}", indirect=True)
def test_the_register_says_and_holds_what_was_worked_out_by_hand(played: Play, tmp_path: Path) -> None:
    played.check_statements()
    assert audit.run() == []
    assert audit.seal_blocks() is not None
    assert audit.run() == []
    _journal_holds(played, tmp_path / "book.beancount")
    assert Operation.objects.count() > played.steps_done
    assert replay.run() == []


def _journal_holds(played: Play, file: Path) -> None:
    """bean-check finds nothing, and what beancount adds up for each account is what was expected."""
    file.write_text("\n".join(journal.lines()) + "\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "beancount.scripts.check", str(file)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    entries, errors, _ = loader.load_file(str(file))
    assert errors == []
    sums: dict[tuple[str, str], Decimal] = {}
    for entry in entries:
        for posting in entry.postings if isinstance(entry, Transaction) else ():
            place = (posting.account, posting.units.currency)
            sums[place] = sums.get(place, Decimal(0)) + posting.units.number
    found = {place: amount for place, amount in sums.items() if place[0].startswith("Assets:") and amount}
    expected = {
        (f"Assets:{number}:{bucket.replace('_', '-').capitalize()}", journal.commodity(unit)): Decimal(
            journal.amount(amount, unit)
        )
        for number, bucket, unit, amount in played.closing()
    }
    assert found == expected


def test_only_a_demo_may_read_the_invented_law(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.conf import settings

    for name, value in Play("seven_years.yaml", "now").options().items():
        monkeypatch.setitem(settings.OPTIONS, name, value)
    monkeypatch.setitem(settings.OPTIONS, "CLEANFLEET_DEMO", False)
    with pytest.raises(SettingError, match="only a demo"):
        law.policy(dt.date(2023, 1, 1))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_wrong_figure_fails(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison itself: one gram more in the file, and the step that it stands in is named."""
    from django.conf import settings

    play = Play("seven_years.yaml", "now")
    for name, value in play.options().items():
        monkeypatch.setitem(settings.OPTIONS, name, value)
    step = next(step for step in play.data["steps"] if step["when"] == "2023-03-20")
    step["books"]["Tui"]["held"] += 1
    with pytest.raises(AssertionError) as failed:
        play.run()
    assert "2023-03-20 Carla accept_vehicles" in failed.value.__notes__[0]
