"""Is the book what it should be? Every check gives findings; none means that all is well.

* guards: every trigger is there, in the form expected, and switched on;
* seals: each operation has one, its count and its hash fit what is stored;
* private: each private text is what its operation's digest says, or was erased whole, by an operation; none is gone;
* balances: rebuilt from the movements they are the same, lot by lot, and none is below nothing;
* units: what went into a lot's buckets came out of them: nothing was created or lost on the way;
* chain: each block's hash follows from the one before and its seals; the unsealed tail is told.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.db import connection, transaction

from cleanfleet.registry import clock

from . import guards, rows
from .models import Balance, Block, Bucket, Movement, Operation, PrivateText, Seal, Unit
from .operations import canonical, digest, is_digest


class Finding(NamedTuple):
    """Something that isn't as it should be: which check, about what, and what was found."""

    check: str
    about: str
    found: str


def run() -> list[Finding]:
    """All findings; reads only."""
    return [*_guards(), *_seals(), *_private(), *_balances(), *_chain()]


def _guards() -> Iterator[Finding]:
    for name in guards.missing():
        yield Finding("guards", name, "the trigger is missing, changed or switched off")


def _seals() -> Iterator[Finding]:
    units = dict(Unit.objects.values_list("pk", "code"))
    columns = ("line", "unit_id", "lot_id", "source_id", "target_id", "amount", "subject", "about")
    movements = Movement.objects.order_by("seal_id", "line").values_list("seal_id", *columns).iterator(10_000)
    told: Any = next(movements, None)
    operations = Operation.objects.order_by("pk").values_list(
        "pk", "name", "principal_id", "input", "input_digest", "nonce", "recorded_at", "effective_on"
    )
    seals = Seal.objects.order_by("pk").values_list(
        "pk", "answer", "movements", "content_hash", "version", "law_id", "law_known"
    )
    waiting = seals.iterator(10_000)
    seal = next(waiting, None)
    for number, name, by, text, given, nonce, recorded_at, effective_on in operations.iterator(10_000):
        content, lines = hashlib.sha256(), 0
        while told is not None and told[0] == number:
            line, unit, *rest = told[1:]
            content.update(canonical([line, units[unit], *rest]).encode() + b"\n")
            lines += 1
            told = next(movements, None)
        about = f"operation {number} ({name})"
        if seal is None or seal[0] != number:
            yield Finding("seals", about, "has no seal")
            continue
        _, answer, counted, content_hash, version, law, known = seal
        seal = next(waiting, None)
        if digest(text) != given:
            yield Finding("seals", about, "its input isn't what its digest says")
        if counted != lines:
            yield Finding("seals", about, f"its seal counts {counted} movements, there are {lines}")
        said = (number, name, by, given, nonce, recorded_at.isoformat())
        did = (str(effective_on), digest(answer), lines, law, str(known), version)
        content.update(canonical([*said, *did]).encode())
        if content.hexdigest() != content_hash:
            yield Finding("seals", about, "its content isn't what its hash says")
    if told is not None:
        yield Finding("seals", f"operation {told[0]}", "there are movements without the operation")


def _private() -> Iterator[Finding]:
    texts = PrivateText.objects.select_related("operation").order_by("operation_id", "field")
    there: dict[int, set[str]] = defaultdict(set)
    for one in texts.iterator(1000):
        there[one.operation_id].add(one.field)
        about = f"operation {one.operation_id} ({one.operation.name})"
        if one.erased_id is not None:
            if one.text or one.salt:
                yield Finding("private", about, f"{one.field} was erased, but something of it is left")
        elif digest(f"{one.salt}{one.field}:{one.text}") not in one.operation.input:
            yield Finding("private", about, f"{one.field} isn't what its digest says")
    named = Operation.objects.filter(input__contains='{"private":"').order_by("pk")
    for number, name, text in named.values_list("pk", "name", "input").iterator(1000):
        lost = sorted(field for field, value in json.loads(text).items() if is_digest(value) and field not in there[number])
        if lost:
            yield Finding(
                "private", f"operation {number} ({name})", f"{', '.join(lost)} is gone and was erased by no operation"
            )


def rebuilt() -> dict[tuple[int, int | None], int]:
    """(bucket, lot) -> amount, for the owners' buckets, from the movements alone."""
    found: dict[tuple[int, int | None], int] = defaultdict(int)
    owned = set(Bucket.objects.filter(owner__isnull=False).values_list("pk", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT source_id, target_id, lot_id, sum(amount) FROM ledger_movement GROUP BY source_id, target_id, lot_id"
        )
        for source, target, lot, amount in cursor.fetchall():
            for bucket, change in ((source, -int(amount)), (target, int(amount))):
                if bucket in owned:
                    found[bucket, lot] += change
    return found


def _balances() -> Iterator[Finding]:
    truth = rebuilt()
    stored: dict[tuple[int, int | None], int] = {
        (bucket, lot): amount for bucket, lot, amount in Balance.objects.values_list("bucket_id", "lot_id", "amount")
    }
    for place in sorted(truth.keys() | stored.keys(), key=lambda p: (p[0], p[1] or 0)):
        should, stands = truth.get(place, 0), stored.get(place, 0)
        if should != stands:
            yield Finding(
                "balances", f"bucket {place[0]}, lot {place[1]}", f"stands at {stands}, the movements come to {should}"
            )
        if should < 0:
            yield Finding("balances", f"bucket {place[0]}, lot {place[1]}", f"the movements come to {should}")


def link(previous: Block | None, hashes: list[str]) -> str:
    """The hash of a block: over the one before and the hashes of its seals in their order."""
    return digest("\n".join([previous.hash if previous else "", *hashes]))


def seal_blocks() -> Block | None:
    """Chain what was sealed since the last block; one sealer at a time. Gives the new block, None where there was nothing.

    A hash of the last block, kept outside, shows later whether the end of the book was cut off.
    """
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(732001)")
        previous = Block.objects.order_by("-last").first()
        # A seal's position is given before it is committed: one may appear later with a lower position than a seal that is there.
        # So a block takes in what has no block yet, whatever its position, and positions below the last are taken in too.
        done = previous.last if previous else 0
        found = list(Seal.objects.filter(position__gt=done).order_by("position").values_list("position", "content_hash"))
        if connection.vendor == "postgresql":
            found = _settled(found)
        if not found:
            return None
        (number,) = rows.numbers("ledger_block", "id")
        return Block.objects.create(
            id=number,
            first=found[0][0],
            last=found[-1][0],
            count=len(found),
            previous=previous,
            hash=link(previous, [content_hash for _, content_hash in found]),
            made_at=clock.now(),
        )


def _settled(found: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Leave out seals behind which one with a lower position may still be on its way to be committed.

    A running transaction that has taken a position holds at least the ledger's tables; where none runs besides this one, all
    positions are settled.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE c.relname = 'ledger_seal' "
            "AND l.mode = 'RowExclusiveLock' AND l.pid <> pg_backend_pid()"
        )
        (writing,) = cursor.fetchone()
    return found if not writing else []


def _chain() -> Iterator[Finding]:
    previous: Block | None = None
    taken = 0
    for block in Block.objects.order_by("last"):
        hashes = list(
            Seal.objects.filter(position__gte=block.first, position__lte=block.last)
            .order_by("position")
            .values_list("content_hash", flat=True)
        )
        about = f"block {block.pk}"
        if block.previous_id != (previous.pk if previous else None):
            yield Finding("chain", about, f"follows block {block.previous_id}, not {previous.pk if previous else None}")
        if len(hashes) != block.count or link(previous, hashes) != block.hash:
            yield Finding("chain", about, f"its {block.count} seals aren't the {len(hashes)} that are there")
        previous, taken = block, taken + block.count
    last = previous.last if previous else 0
    before = Seal.objects.filter(position__lte=last).count()
    if before != taken:
        yield Finding("chain", "blocks", f"take in {taken} seals of {before}")


def tail() -> int:
    """How many seals no block has taken in yet."""
    last = Block.objects.order_by("-last").values_list("last", flat=True).first() or 0
    return Seal.objects.filter(position__gt=last).count()
