"""The whole history done again in an empty book, and compared: the operations alone must give the same movements.

Every operation is performed anew, in the order in which they were sealed, with the clock held at its instant and its own random seed, in a
scratch database in memory. What each moved is compared by account, bucket, unit, lot and amount, and so is its answer.

A text that was erased is another one in the replay (``erased@erased``, which every field of text takes): no operation may decide
by a private text, and none may answer with one, so movements and answers are the same. The texts themselves can't be shown again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.core.management import call_command
from django.db import connections

from . import kinds
from .intake.models import Origin
from .ledger.audit import Finding
from .ledger.models import Movement, Operation, Owner, Principal, PrivateText, Seal
from .ledger.operations import ERASED_IN_REPLAY, Action, Replay, is_digest, perform, replaying

SCRATCH = "replay"


def _movements(operation: int) -> list[tuple[Any, ...]]:
    found = Movement.objects.filter(seal_id=operation).order_by("line")
    return list(
        found.values_list(
            "line",
            "unit__code",
            "source__owner__public_id",
            "source__kind",
            "target__owner__public_id",
            "target__kind",
            "lot__owner__public_id",
            "lot__vintage",
            "lot__earned_on",
            "amount",
        )
    )


def _history() -> Iterator[dict[str, Any]]:
    """Each operation as it was done, with its seal's answer, its movements and its private texts."""
    order = Seal.objects.order_by("position").values_list("operation_id", "answer")
    for number, answer in order.iterator(2000):
        operation = Operation.objects.select_related("principal").get(pk=number)
        kept = PrivateText.objects.filter(operation_id=number, erased=None)
        private = dict(kept.values_list("field", "text"))
        given = json.loads(operation.input)
        for name, value in given.items():
            if is_digest(value):
                given[name] = private.get(name, ERASED_IN_REPLAY)
        yield {
            "operation": operation,
            "input": given,
            "answer": answer,
            "moved": _movements(number),
        }


def run() -> list[Finding]:
    """Findings where the history, done again, gives anything else than the book has."""
    kinds.all_kinds()
    history = list(_history())
    principals = list(Principal.objects.order_by("pk").values("pk", "public_id", "kind"))
    owners = dict(Owner.objects.values_list("public_id", "pk"))
    made = {json.loads(one["answer"]).get("person") for one in history if one["operation"].name == "register_person"}
    made |= set(Origin.objects.filter(kind="person").values_list("public_id", flat=True))
    findings: list[Finding] = []
    with _scratch():
        # those that no operation made: the system, which is there from the start
        given = [p for p in principals if p["public_id"] not in made]
        Principal.objects.bulk_create(Principal(id=p["pk"], public_id=p["public_id"], kind=p["kind"]) for p in given)
        for one in history:
            findings += _again(one, owners)
            if len(findings) >= 100:
                break
    return findings


def _again(one: dict[str, Any], owners: dict[str, int]) -> Iterator[Finding]:
    operation: Operation = one["operation"]
    about = f"operation {operation.pk} ({operation.name})"
    kind = Action.kinds.get(operation.name)
    if kind is None or kind.schema_version != operation.schema:
        yield Finding("replay", about, f"this version knows no {operation.name} of schema {operation.schema}")
        return
    by = Principal.objects.filter(public_id=operation.principal.public_id).first()
    if by is None:
        yield Finding("replay", about, f"its principal {operation.principal.public_id} was made by no operation before")
        return
    try:
        with replaying(Replay(operation.pk, operation.nonce, operation.recorded_at, owners)):
            done = perform(kind.model_validate(one["input"]), by=by, key=operation.key, effective_on=operation.effective_on)
    except Exception as error:
        yield Finding("replay", about, f"can't be done again: {type(error).__name__}: {error}")
        return
    if done.answer != json.loads(one["answer"]):
        yield Finding("replay", about, f"answers {done.answer} now, it answered {one['answer']}")
    moved = _movements(operation.pk)
    if moved != one["moved"]:
        yield Finding("replay", about, f"moves {moved} now, it moved {one['moved']}")


class _scratch:
    """Django's default connection is an empty, migrated database in memory, for as long as this lasts."""

    def __enter__(self) -> None:
        connections["default"].close()
        self.before = connections.databases["default"]
        options = {"transaction_mode": "IMMEDIATE"}
        settings = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "OPTIONS": options}
        connections.databases["default"] = dict(connections.configure_settings({"default": settings})["default"])
        del connections["default"]
        call_command("migrate", verbosity=0, interactive=False)

    def __exit__(self, *_: object) -> None:
        connections["default"].connection.close()
        connections.databases["default"] = self.before
        del connections["default"]
