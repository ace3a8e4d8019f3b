"""Many at once on one lot: no gram is spent twice, and whoever comes too late is told what there is."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.db import connection

from cleanfleet.registry import clock
from cleanfleet.registry.ledger import audit, book
from cleanfleet.registry.ledger.models import Operation
from cleanfleet.registry.ledger.operations import Work, perform
from cleanfleet.registry.refusals import Busy, Short
from cleanfleet.registry.transfers.operations import TransferOwn
from registry import databases
from registry.people import account, credited, person, ready_law

LOT = 100  # grams in the one lot; ten times as many in the slow run
TAKE = 7


def prepare(grams: int) -> tuple[str, str, str, int]:
    """(owner, account, other account's number, account's key) with one lot of so many grams."""
    ready_law()
    owner = person()
    source = credited(owner, min(grams, 100))
    if grams > 100:  # the same day's cars make one lot
        from cleanfleet.registry.acceptance.operations import AcceptVehicles
        from registry.people import car, do, feed

        with clock.at("2026-03-31"):
            more = feed(*(car(source, co2=12) for _ in range(grams // 100 - 1)))
            do(AcceptVehicles(account=source.public_id, vehicles=[row["claim"] for row in more]), owner)
    target = account(owner, "used", source.holder.public_id)
    return owner.public_id, source.public_id, target.number, source.pk


def spend(owner: str, source: str, target: str, name: str, tries: int) -> tuple[int, list[str]]:
    """Try so often to take 7 g; the number that succeeded, and what the refusals said."""
    from cleanfleet.registry.ledger.models import Principal

    by = Principal.objects.get(public_id=owner)
    done, told = 0, []
    for number in range(tries):
        key = f"{name}-{number}"
        for _ in range(50):
            try:
                perform(TransferOwn(account=source, to_account=target, grams=TAKE, vintages=[2026]), by=by, key=key)
                done += 1
            except Busy:
                continue
            except Short as refusal:
                told.append(refusal.message)
            break
    return done, told


def with_threads(
    owner: str, source: str, target: str, threads: int, tries: int
) -> tuple[int, list[str], list[BaseException]]:
    results: list[tuple[int, list[str]]] = []
    errors: list[BaseException] = []

    def run(name: str) -> None:
        try:
            results.append(spend(owner, source, target, name, tries))
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    running = [threading.Thread(target=run, args=(str(number),)) for number in range(threads)]
    with clock.at("2026-04-10"):
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
    return sum(done for done, _ in results), [text for _, told in results for text in told], errors


def check(grams: int, key: int, done: int, told: list[str], tries: int) -> None:
    assert done == grams // TAKE
    assert book.balance(key, "held", "credit:used") == grams % TAKE
    assert len(told) == tries - done
    left = grams % TAKE
    expected = f"pool used, vintage 2026: {TAKE} needed, {left} free, 0 reserved on 2026-04-10; {TAKE - left} short"
    assert all(expected in text for text in told)
    assert audit.run() == []


@pytest.mark.usefixtures("database")
def test_a_few_threads_on_one_lot() -> None:
    owner, source, target, key = prepare(LOT)
    done, told, errors = with_threads(owner, source, target, threads=8, tries=5)
    assert errors == []
    check(LOT, key, done, told, 40)


def on_postgresql(tmp_path: Path) -> None:
    if databases.server() is None:
        pytest.skip("no PostgreSQL server: set CLEANFLEET_TEST_PG or install one")


@pytest.mark.slow
def test_64_threads_with_100_tries_each_on_postgresql(tmp_path: Path) -> None:
    on_postgresql(tmp_path)
    with databases.fresh("postgresql", tmp_path):
        owner, source, target, key = prepare(1000)
        done, told, errors = with_threads(owner, source, target, threads=64, tries=100)
        assert errors == []
        assert done == 142
        check(1000, key, done, told, 6400)


def test_without_the_lock_the_same_test_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database's own guard still refuses a balance below nothing; but not everybody gets an orderly answer."""
    on_postgresql(tmp_path)
    with databases.fresh("postgresql", tmp_path):
        owner, source, target, key = prepare(LOT)
        monkeypatch.setattr(Work, "lock", lambda self, *owners: None)
        done, told, errors = with_threads(owner, source, target, threads=16, tries=5)
        assert errors
        assert len(told) + done < 80
        written = Operation.objects.filter(name="transfer_own").count()
        assert written <= LOT // TAKE
        assert book.balance(key, "held", "credit:used") == LOT - TAKE * written
        assert audit.run() == []


_CHILD = """
import sys
from cleanfleet.registry import boot
boot.start()
from cleanfleet.registry import clock
from registry.test_concurrency import spend
with clock.at("2026-04-10"):
    done, told = spend(*sys.argv[1:5], int(sys.argv[5]))
print(done)
print(*told, sep="\\n")
"""


@pytest.mark.parametrize(("grams", "processes", "tries"), [(LOT, 3, 6), pytest.param(1000, 6, 40, marks=pytest.mark.slow)])
def test_several_processes_on_sqlite(tmp_path: Path, grams: int, processes: int, tries: int) -> None:
    import os

    with databases.fresh("sqlite", tmp_path):
        owner, source, target, key = prepare(grams)
        connection.close()
        environment = {**os.environ, "CLEANFLEET_HOME": str(tmp_path), "DATABASE_URL": ""}
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        running = [
            subprocess.Popen(
                [sys.executable, "-c", _CHILD, owner, source, target, f"p{number}", str(tries)],
                env=environment,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(processes)
        ]
        done, told = 0, []
        for child in running:
            first, *more = child.communicate()[0].strip().splitlines()
            assert child.returncode == 0
            done += int(first)
            told += more
        check(grams, key, done, told, processes * tries)
