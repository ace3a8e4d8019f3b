"""How fast the registry feeds, accepts, shows and transfers; beside it raw programs that write the same rows.

    python benchmarks/registry.py                       # 100,000 vehicles on SQLite and PostgreSQL, then transfers
    python benchmarks/registry.py --vehicles 5000 --only sqlite

PostgreSQL: an installed server, started in a temporary folder; for the transfers with fsync and synchronous_commit on. What is
measured, and results: benchmarks/registry.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from django.db import connection, transaction  # noqa: E402
from registry import databases  # noqa: E402 - it sets Django up
from registry.people import account, credited, do, person, ready_law  # noqa: E402

from cleanfleet.registry import clock, daily  # noqa: E402
from cleanfleet.registry.accounts.operations import SetAutoAccept  # noqa: E402
from cleanfleet.registry.accounts.permissions import system  # noqa: E402
from cleanfleet.registry.ledger import audit, book, rows  # noqa: E402
from cleanfleet.registry.ledger.models import Principal  # noqa: E402
from cleanfleet.registry.ledger.operations import perform  # noqa: E402
from cleanfleet.registry.refusals import Refusal  # noqa: E402
from cleanfleet.registry.statements.statement import statement  # noqa: E402
from cleanfleet.registry.transfers.operations import TransferOwn  # noqa: E402
from cleanfleet.registry.vehicles import queries  # noqa: E402
from cleanfleet.registry.vehicles.operations import MOST, FeedVehicles  # noqa: E402

DAY = "2026-03-31"
CLIENTS = 64
#: The tables that feeding and accepting write, in an order in which their rows can be added.
TABLES = (
    "ledger_lawsnapshot", "ledger_operation", "ledger_unit", "ledger_bucket", "vehicles_vehicle", "vehicles_identifier",
    "vehicles_version", "vehicles_claim", "vehicles_result", "acceptance_acceptance", "acceptance_line", "ledger_lot",
    "ledger_movement", "ledger_seal",
)  # fmt: skip


@contextlib.contextmanager
def timed(what: str, found: dict[str, float]) -> Iterator[None]:
    began = time.perf_counter()
    yield
    found[what] = time.perf_counter() - began


def vehicles(number: str, count: int) -> list[dict[str, Any]]:
    """Feed rows of cars below their targets."""
    return [
        {
            "account": number,
            "entry_channel": "used",
            "vin": f"7AT0CF{place:011d}",
            "attributes": {
                "vehicle_class": "MA",
                "tare_kg": 1200 + place % 700,
                "co2_g_per_km": str(40 + place % 50),
                "co2_cycle": "3P-WLTP",
            },
            "ready_on": "2026-03-01",
        }
        for place in range(count)
    ]


def dumped(before: dict[str, int]) -> dict[str, tuple[list[str], list[tuple[Any, ...]]]]:
    """The rows that were added to each table, with their columns."""
    found = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            key = {"ledger_lawsnapshot": "digest", "ledger_seal": "operation_id"}.get(table, "id")
            cursor.execute(f"SELECT * FROM {table} ORDER BY {key}")
            columns = [column[0] for column in cursor.description]
            found[table] = (columns, cursor.fetchall()[before[table] :])
    return found


def counts() -> dict[str, int]:
    with connection.cursor() as cursor:
        found = {}
        for table in TABLES:
            cursor.execute(f"SELECT count(*) FROM {table}")
            found[table] = int(cursor.fetchone()[0])
    return found


def feed_and_accept(vendor: str, count: int, folder: Path) -> dict[str, float]:
    """Seconds for ours (feeding, accepting) and for a raw program that writes the same rows in one transaction."""
    found: dict[str, float] = {}
    ours, raw = folder / "ours", folder / "raw"
    ours.mkdir()
    raw.mkdir()
    with databases.fresh(vendor, ours), clock.at(DAY):
        ready_law()
        owner = person()
        of = account(owner)
        do(SetAutoAccept(account=of.public_id, at_or_below_target=True), owner)
        before = counts()
        given = vehicles(of.number, count)
        with timed("feed", found):
            for number in range(0, count, MOST):
                action = FeedVehicles.read({"source": "certifier", "vehicles": given[number : number + MOST]})
                perform(action, by=system(), key=f"feed-{number}")
        with timed("accept", found):
            accepted = daily.auto_accept()
        assert accepted == count, accepted
        with timed("audit", found):
            assert audit.run() == []
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")  # as PostgreSQL's autovacuum does within a minute
        for name, page in pages(of).items():
            found[f"page: {name}"] = page
        written = dumped(before)
        rest = {"principals": list(Principal.objects.values_list()), "account": of}
    with databases.fresh(vendor, raw), clock.at(DAY):
        ready_law()
        again = person()
        other = account(again)
        do(SetAutoAccept(account=other.public_id, at_or_below_target=True), again)
        assert counts() == before, (counts(), before, len(rest))
        with timed("raw", found), transaction.atomic():
            for table in TABLES:
                columns, lines = written[table]
                if lines:
                    rows.insert(table, columns, lines)
        assert audit.rebuilt() == {(b, lot): n for b, lot, n in _balances()}
    return found


def _balances() -> list[tuple[int, int | None, int]]:
    from cleanfleet.registry.ledger.models import Balance

    return list(Balance.objects.values_list("bucket_id", "lot_id", "amount"))


def pages(of: Any) -> dict[str, float]:
    """Best of five, in seconds, of what an account's pages ask."""
    import datetime as dt

    last = next(iter(queries.page(of, size=1))).pk
    asked: dict[str, Callable[[], Any]] = {
        "dashboard": lambda: queries.dashboard(of),
        "first vehicles": lambda: list(queries.page(of)),
        "vehicles from the middle": lambda: list(queries.page(of, after=last + 50_000)),
        "ready vehicles": lambda: list(queries.page(of, state="ready")),
        "balances": lambda: book.balances(of.pk),
        "lots": lambda: book.lots(of.pk, "held", "credit:used"),
    }
    found = {}
    for name, ask in asked.items():
        best = min(_once(ask) for _ in range(5))
        found[name] = best
    found["the account's page: all but the statement"] = sum(
        found[name] for name in ("dashboard", "first vehicles", "balances", "lots")
    )
    found["statement of a day"] = min(
        _once(lambda: statement(of, dt.date(2026, 4, 1), dt.date(2026, 4, 1))) for _ in range(5)
    )
    return found


def _once(ask: Callable[[], Any]) -> float:
    began = time.perf_counter()
    ask()
    return time.perf_counter() - began


# -- transfers


def _client(which: int, url: str, owner: str, pairs: list[tuple[str, str]], go: Any, seconds: float, out: Any) -> None:
    """A client: moves one gram after another between its accounts, each in an operation of its own."""
    databases.use(url, Path())
    with clock.at("2026-04-02"):
        by = Principal.objects.get(public_id=owner)

        def move(number: int) -> bool:
            source, target = pairs[(which * 7 + number) % len(pairs)]
            with contextlib.suppress(Refusal):
                perform(TransferOwn(account=source, to_account=target, grams=1), by=by, key=f"{which}-{number}")
                return True
            return False

        out.put(_counted(move, go, seconds))
    connection.close()


def _raw_client(which: int, url: str, recorded: list[list[tuple[str, Any]]], go: Any, seconds: float, out: Any) -> None:
    """The same statements as our transfers between the same pairs send, by psycopg alone; ids and keys are fresh each time."""
    import psycopg

    with psycopg.connect(url, prepare_threshold=3) as there:

        def move(number: int) -> bool:
            try:
                _replay(there, recorded[(which * 7 + number) % len(recorded)], f"raw-{which}-{number}")
            except (psycopg.errors.OperationalError, psycopg.errors.CheckViolation):
                there.rollback()
                return False
            return True

        out.put(_counted(move, go, seconds))


def _counted(move: Callable[[int], bool], go: Any, seconds: float) -> int:
    """How often the move was done in that time, after some to begin with and a common start."""
    for number in range(5):
        move(number)
    go.wait()
    count, number = 0, 5
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        count += move(number)
        number += 1
    return count


def _replay(there: Any, statements: list[tuple[str, Any]], key: str) -> None:
    numbers: dict[str, int] = {}
    with there.cursor() as cursor:
        for sql, params in statements:
            if sql.startswith("COPY"):
                with cursor.copy(sql) as copy:
                    for row in params:
                        copy.write_row([numbers.get("op") if n == 0 else value for n, value in enumerate(row)])
                continue
            known = {"__op": numbers.get("op"), "__pos": numbers.get("pos"), "__key": key}
            given = [known.get(value, value) if isinstance(value, str) else value for value in params or ()]
            cursor.execute(sql, given or None)
            if "nextval" in sql:
                (value,) = cursor.fetchone()
                numbers["pos" if "op" in numbers else "op"] = value
    there.commit()


def _recorded(owner: Principal, source: str, target: str) -> list[tuple[str, Any]]:
    """The statements of one transfer, with its numbers and its key marked."""
    found: list[tuple[str, Any]] = []

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        found.append((sql, list(params) if params is not None else None))
        return execute(sql, params, many, context)

    insert = rows.insert

    def watched(table: str, columns: Any, lines: Any) -> None:
        lines = [list(line) for line in lines]
        names = ", ".join(f'"{name}"' for name in columns)
        if len(lines) > 1:  # a single row is an INSERT, which the watch sees
            found.append((f'COPY "{table}" ({names}) FROM STDIN', lines))
        insert(table, columns, lines)

    rows.insert = watched
    try:
        with clock.at("2026-04-02"), connection.execute_wrapper(watch):
            done = perform(TransferOwn(account=source, to_account=target, grams=1), by=owner, key=f"recorded-{source}")
    finally:
        rows.insert = insert
    marked: dict[Any, str] = {done.operation: "__op", f"recorded-{source}": "__key"}

    def mark(sql: str, params: list[Any] | None) -> list[Any]:
        given = [marked.get(value, value) if isinstance(value, (int, str)) else value for value in params or []]
        if 'INTO "ledger_seal"' in sql:
            given[1] = "__pos"
        return given if 'INTO "ledger_' in sql or "key = " in sql else params or []

    kept = [(sql, params) for sql, params in found if "SAVEPOINT" not in sql]
    return [(sql, params if sql.startswith("COPY") else mark(sql, params)) for sql, params in kept]


def transfers(seconds: float) -> dict[str, float]:
    """Transfers a second by 64 clients between 100 accounts, fsync on; psycopg with the same statements; pgbench."""
    found: dict[str, float] = {}
    folder = Path(tempfile.mkdtemp(prefix="cleanfleet-bench-"))
    with databases.own_server(folder) as (server, _, _):
        databases.admin_at(server, "CREATE DATABASE bench")
        url = f"{server}/bench"
        databases.use(url, folder)
        databases.migrate()
        ready_law()
        owner = person()
        first = credited(owner, 100)
        accounts = [first] + [credited(owner, 100, of=first.holder.public_id) for _ in range(99)]
        pairs = [(a.public_id, accounts[(n + 1) % 100].number) for n, a in enumerate(accounts)]
        recorded = [_recorded(owner, *pair) for pair in pairs]
        connection.close()
        # A process for each client: sixteen Python threads in one would wait for each other, and hold locks meanwhile.
        context = multiprocessing.get_context("fork")
        jobs: dict[str, tuple[Callable[..., None], tuple[Any, ...]]] = {
            "ours": (_client, (owner.public_id, pairs)),
            "psycopg": (_raw_client, (recorded,)),
        }
        for name, (target, given) in jobs.items():
            out, go = context.Queue(), context.Barrier(CLIENTS)
            running = [context.Process(target=target, args=(n, url, *given, go, seconds, out)) for n in range(CLIENTS)]
            for process in running:
                process.start()
            total = sum(out.get(timeout=seconds * 20 + 120) for _ in running)
            for process in running:
                process.join()
            found[f"transfers/s, {name}"] = total / seconds
        found["ours / psycopg"] = found["transfers/s, ours"] / found["transfers/s, psycopg"]
        databases.use(url, folder)
        script = folder / "two.sql"
        script.write_text(
            "\\set a random(1, 50)\n\\set b random(51, 100)\nBEGIN;\nUPDATE ledger_owner SET touched = touched WHERE id = :a;\n"
            "UPDATE ledger_owner SET touched = touched WHERE id = :b;\nCOMMIT;\n"
        )
        connection.close()
        pgbench = (databases.binaries() or Path("/usr/bin")) / "pgbench"
        if pgbench.exists():
            where = ["-h", "127.0.0.1", "-p", server.rpartition(":")[2], "-U", "postgres", "bench"]
            command = [pgbench, "-n", "-c", str(CLIENTS), "-j", "2", "-T", str(int(seconds)), "-f", script, *where]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            rate = [line for line in done.stdout.splitlines() if line.startswith("tps")]
            found["transactions/s, pgbench, two rows updated"] = float(rate[-1].split()[2]) if rate else 0.0
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vehicles", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--only", choices=["sqlite", "postgresql", "transfers"])
    given = parser.parse_args()
    told: dict[str, Any] = {"load before": os.getloadavg()[0], "vehicles": given.vehicles}
    for vendor in ("sqlite", "postgresql"):
        if given.only in (None, vendor):
            with tempfile.TemporaryDirectory() as folder:
                found = feed_and_accept(vendor, given.vehicles, Path(folder))
            found["raw / ours"] = found["raw"] / (found["feed"] + found["accept"])
            told[vendor] = {name: round(value, 4) for name, value in found.items()}
    if given.only in (None, "transfers"):
        told["transfers"] = {name: round(value, 2) for name, value in transfers(given.seconds).items()}
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
