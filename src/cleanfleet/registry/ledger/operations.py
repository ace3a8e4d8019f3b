"""Every change of the registry is an operation: checked, written and sealed in one transaction, and done once for each key.

An operation is a class: its fields are its whole input, and ``run`` does it.

    class Rename(Action):
        '''Give an account another name.'''
        account: str
        name: str

        def run(self, work: Work) -> dict[str, Any]: ...

    perform(Rename(account="acc_...", name="Imports"), by=principal, key="7f3c...")

Grams owed, rates, totals and dates are never fields that a client may fill: unknown fields are refused.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import random
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Self, get_args, get_origin

import pydantic
from django.db import IntegrityError, OperationalError, connection, transaction

from cleanfleet import __version__
from cleanfleet.registry import clock, ids
from cleanfleet.registry.refusals import Busy, Conflict, Invalid

from . import rows
from .models import Bucket, LawSnapshot, Lot, Operation, Principal, PrivateText, Seal, Unit

#: How often an operation is begun anew after a deadlock or where another one with its key came first.
TRIES = 8
#: PostgreSQL's codes of a transaction that may be tried again: serialization failure, deadlock.
AGAIN = ("40001", "40P01")


#: A name, an address, free text: kept where it can be erased; the operation keeps its salted digest.
Private = Annotated[str, "private"]


class Action(pydantic.BaseModel):
    """The input of one kind of operation, and how it is done. ``name`` is the class's in snake case."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, str_max_length=2000)

    name: ClassVar[str]
    #: Raised when the meaning of the fields changes, so that old operations are still understood.
    schema_version: ClassVar[int] = 1
    kinds: ClassVar[dict[str, type[Action]]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        cls.name = "".join(f"_{c.lower()}" if c.isupper() else c for c in cls.__name__).lstrip("_")
        if cls.name in Action.kinds and Action.kinds[cls.name].__module__ != cls.__module__:
            raise TypeError(f"two operations are named {cls.name}")
        Action.kinds[cls.name] = cls

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """An action from what a client sent. Raises :class:`Invalid`, naming the field, its value and what is allowed."""
        try:
            return cls.model_validate(data)
        except pydantic.ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or cls.name
            shown = "" if first["type"] == "missing" else f" is {first.get('input')!r:.80}"
            raise Invalid("invalid_input", f"{where}{shown}: {first['msg'].lower()}", field=where) from None

    def private(self) -> dict[str, str]:
        """The fields that hold private text, where they hold any."""
        return {name: getattr(self, name) for name in self.private_fields() if getattr(self, name) is not None}

    @classmethod
    def private_fields(cls) -> list[str]:
        """The fields whose type is private text, or private text that may be left out (``Private | None``)."""
        return [name for name, info in cls.model_fields.items() if _is_private(info.metadata, info.annotation)]

    def written(self, salt: str) -> str:
        """The input as it is kept: canonical JSON, private text as a salted digest."""
        data = self.model_dump(mode="json", exclude=set(self.private()))
        data.update({name: {"private": digest(f"{salt}{name}:{text}")} for name, text in self.private().items()})
        return canonical(data)

    def run(self, work: Work) -> dict[str, Any]:
        """Check, lock, move; gives the answer (plain JSON). Raises a refusal to write nothing at all."""
        raise NotImplementedError


def _is_private(metadata: Sequence[Any], kind: Any) -> bool:
    """Whether an annotation is marked as private, itself or one of the types that it is a union of."""
    if "private" in metadata:
        return True
    return any(_is_private(getattr(one, "__metadata__", ()), one) for one in get_args(kind) if get_origin(one) is Annotated)


@dataclass(frozen=True)
class Done:
    """An operation that is done: its number, its answer, and whether it had been done before under the same key."""

    operation: int
    answer: dict[str, Any]
    repeated: bool = False


def canonical(data: Any) -> str:
    """The one way in which data are written where a digest is taken of them."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def is_digest(value: Any) -> bool:
    """Whether a value of an operation's kept input stands for a private text."""
    return isinstance(value, dict) and set(value) == {"private"}


@dataclass(frozen=True)
class Replay:
    """What a replay holds fixed: the operation's own number, random seed and instant, and the numbers of owners."""

    number: int
    nonce: str
    recorded_at: dt.datetime
    #: Public id -> number of the owners that the history made: a database gives out numbers with gaps.
    owners: Mapping[str, int]


_replay: ContextVar[Replay | None] = ContextVar("replay", default=None)


@contextlib.contextmanager
def replaying(replay: Replay) -> Iterator[None]:
    token = _replay.set(replay)
    try:
        with clock.at(replay.recorded_at):
            yield
    finally:
        _replay.reset(token)


_BUCKETS = """SELECT b.id, b.owner_id, b.kind, b.unit_id FROM ledger_bucket b JOIN ledger_unit u ON u.id = b.unit_id
WHERE u.code = %s AND (b.owner_id IS NULL OR b.owner_id IN ({owners}))"""


#: What stands for a text that was erased, where an operation is done again: every field of text takes it.
ERASED_IN_REPLAY = "erased@erased"


def is_replayed() -> bool:
    """Whether the running operation is done again by a replay, where texts that were erased are others than they were."""
    return _replay.get() is not None


@dataclass
class Work:
    """One operation while it runs: who does it, when; what it moves."""

    action: Action
    by: Principal
    number: int
    nonce: str
    now: dt.datetime
    effective_on: dt.date
    _ids: int = 0
    _line: int = 0
    _pending: list[tuple[Any, ...]] = field(default_factory=list)
    _hash: Any = field(default_factory=hashlib.sha256)
    _law: tuple[str, dt.date] | None = None
    _owners: set[int] = field(default_factory=set)
    _known: set[str] = field(default_factory=set)
    _units: dict[str, int] = field(default_factory=dict)
    _buckets: dict[tuple[int | None, str, str], int] = field(default_factory=dict)
    _lots: dict[tuple[Any, ...], int] = field(default_factory=dict)

    @property
    def today(self) -> dt.date:
        return clock.day_of(self.now)

    def id(self, prefix: str) -> str:
        """A new opaque id."""
        self._ids += 1
        return ids.opaque(prefix, bytes.fromhex(self.nonce), self._ids)

    def lock(self, *owners: int) -> None:
        """Hold the owners' books until the end: in ascending order, so that two operations never wait for each other."""
        self._owners.update(owners)
        if connection.vendor == "postgresql" and owners:
            rows.select(
                f"SELECT id FROM ledger_owner WHERE id IN ({rows.marks(owners)}) ORDER BY id FOR NO KEY UPDATE", owners
            )

    def owners(self, count: int = 1) -> list[tuple[int, str]]:
        """New owners of books, as (number, public id); in a replay with the numbers that they had."""
        made = [self.id("acc") for _ in range(count)]
        replay = _replay.get()
        given = {public_id: number for public_id in made if replay and (number := replay.owners.get(public_id))}
        fresh = iter(rows.numbers("ledger_owner", "id", count - len(given)) if count > len(given) else [])
        found = [(given.get(public_id) or next(fresh), public_id) for public_id in made]
        rows.insert("ledger_owner", ("id", "public_id", "touched"), [(*one, 0) for one in found])
        return found

    def unit(self, code: str) -> int:
        found = self._units.get(code)
        if found is None:
            found = self._units[code] = Unit.objects.get_or_create(code=code)[0].pk
        return found

    def bucket(self, owner: int | None, kind: str, unit: str) -> int:
        """The id of a bucket, made where it isn't there yet."""
        place = (owner, kind, unit)
        if unit not in self._known:
            self._known.add(unit)
            owners = sorted(self._owners)
            there = rows.select(_BUCKETS.format(owners=rows.marks(owners)), [unit, *owners])
            for pk, of, name, number in there:
                self._buckets[of, name, unit], self._units[unit] = pk, number
        found = self._buckets.get(place)
        if found is None:
            place_of: dict[str, Any] = {"owner_id": owner, "kind": kind, "unit_id": self.unit(unit)}
            found = Bucket.objects.get_or_create(**place_of)[0].pk
            self._buckets[place] = found
        return found

    def lot(self, unit: str, owner: int, vintage: int, earned_on: dt.date, origin: int | None = None) -> int:
        """The id of the lot that the owner earned on that day, or that came of ``origin`` by exchange."""
        place = (unit, origin) if origin is not None else (unit, owner, vintage, earned_on)
        if place not in self._lots:
            born: dict[str, Any] = {"owner_id": owner, "vintage": vintage, "earned_on": earned_on}
            if origin is not None:
                made = Lot.objects.get_or_create(unit_id=self.unit(unit), origin_id=origin, defaults=born)
            else:
                made = Lot.objects.get_or_create(unit_id=self.unit(unit), origin=None, **born)
            self._lots[place] = made[0].pk
        return self._lots[place]

    def move(
        self,
        unit: str,
        source: int,
        target: int,
        amount: int,
        *,
        lot: int | None = None,
        subject: int | None = None,
        about: str = "result",
    ) -> None:
        """Put a movement down; it is written with all others at the end, or at :meth:`post`.

        ``subject`` is the id of what it is about, ``about`` what that is: a vehicle's ``result``, an ``acceptance``, ...
        """
        if type(amount) is not int or amount <= 0:
            raise ValueError(f"a movement of {amount!r} {unit}: an amount is a whole number above 0")
        self._line += 1
        row = (
            self.number,
            self._line,
            self.unit(unit),
            lot,
            source,
            target,
            amount,
            subject,
            None if subject is None else about,
        )
        self._pending.append(row)
        self._hash.update(canonical([self._line, unit, *row[3:]]).encode() + b"\n")

    def post(self) -> None:
        """Write the movements put down so far, so that balances show them."""
        columns = ("operation_id", "line", "unit_id", "lot_id", "source_id", "target_id", "amount", "subject", "about")
        if self._pending:
            rows.insert("ledger_movement", columns, self._pending)
            self._pending = []

    def law(self, policy: Any) -> None:
        """Note the law that the operation applied, and keep its values once for each digest."""
        self._law = (policy.digest, policy.known)
        if not LawSnapshot.objects.filter(digest=policy.digest).exists():
            LawSnapshot.objects.get_or_create(
                digest=policy.digest, defaults={"policy": policy.id, "content": canonical(snapshot(policy))}
            )

    def _begin(self, key: str, text: str, parent: int | None) -> None:
        columns = ("id", "seal_id", "name", "schema", "principal_id", "key", "input", "input_digest", "nonce")
        done = (self.number, self.number, self.action.name, self.action.schema_version, self.by.pk, key, text, digest(text))
        when = (self.nonce, self.now, self.effective_on, parent)
        rows.insert("ledger_operation", (*columns, "recorded_at", "effective_on", "parent_id"), [(*done, *when)])

    def _seal(self, answer: str, input_digest: str) -> None:
        self.post()
        law, known = self._law or (None, None)
        # The hash tells what the operation was and did; of texts only their digests go in, so that they could be erased.
        told = (self.number, self.action.name, self.by.pk, input_digest, self.nonce, self.now.isoformat())
        did = (str(self.effective_on), digest(answer), self._line, law, str(known), __version__)
        self._hash.update(canonical([*told, *did]).encode())
        (position,) = rows.numbers("ledger_seal", "position")
        columns = ("operation_id", "position", "answer", "movements", "content_hash", "version", "law_id", "law_known")
        closed = (self.number, position, answer, self._line, self._hash.hexdigest(), __version__, law, known)
        rows.insert("ledger_seal", columns, [closed])


def snapshot(policy: Any) -> dict[str, Any]:
    """The values of the law that a policy's digest stands for: each record with its dates, references and grade."""
    return {
        name: [
            {
                "keys": dict(record.keys),
                "value": None if record.value is None else str(record.value),
                "applies_from": str(record.applies_from) if record.applies_from else None,
                "period": record.period,
                "known_from": str(record.known_from),
                "references": [str(reference) for reference in record.references],
                "confidence": record.confidence,
                "overlay": record.overlay,
            }
            for record in ref.records
            if record is not None
        ]
        for name, ref in sorted(policy.program.values.items())
    }


def perform(
    action: Action,
    *,
    by: Principal,
    key: str,
    effective_on: dt.date | None = None,
    parent: int | None = None,
) -> Done:
    """Do an operation, once: the same principal's same key gives the first answer again, another content is a :class:`Conflict`.

    ``effective_on`` is another day than today only for the agency's corrections; the actions check that. Raises
    the action's refusals, and :class:`Busy` where the database stays locked.
    """
    if not key or len(key) > 120:
        raise Invalid("invalid_key", f"idempotency key {key!r:.130}: allowed are 1 to 120 characters", field="key")
    for attempt in range(TRIES):
        try:
            with transaction.atomic():
                return _once(action, by, key, effective_on, parent)
        except IntegrityError as error:
            if not _same_key(error) or attempt == TRIES - 1:
                raise
        except OperationalError as error:
            busy = connection.vendor == "sqlite" and "locked" in str(error)
            if not busy and getattr(error.__cause__, "sqlstate", None) not in AGAIN:
                raise
            if busy or attempt == TRIES - 1:
                raise Busy("busy", "the register is busy; try again with the same key") from error
        time.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311 - spreads the tries, no secret
    raise AssertionError("unreachable")


def _same_key(error: IntegrityError) -> bool:
    """Whether somebody else wrote first: the same key, or the first row of a place that both made."""
    return "unique" in str(error).lower()


def _once(action: Action, by: Principal, key: str, effective_on: dt.date | None, parent: int | None) -> Done:
    earlier = rows.select(
        "SELECT id, name, input_digest FROM ledger_operation WHERE principal_id = %s AND key = %s", [by.pk, key]
    )
    if earlier:
        ((number, name, given),) = earlier
        if name != action.name or not _same_input(action, number, given):
            raise Conflict("key_used", f"key {key!r} was used for another operation ({name})", field="key")
        return Done(
            number, json.loads(Seal.objects.values_list("answer", flat=True).get(operation_id=number)), repeated=True
        )
    replay = _replay.get()
    now = clock.now()
    private = action.private()
    salt = secrets.token_hex(16) if private else ""
    text = action.written(salt)
    work = Work(
        action,
        by,
        replay.number if replay else rows.numbers("ledger_operation", "id")[0],
        replay.nonce if replay else secrets.token_hex(32),
        now,
        effective_on or clock.day_of(now),
    )
    work._begin(key, text, parent)
    PrivateText.objects.bulk_create(
        PrivateText(operation_id=work.number, field=name, salt=salt, text=value) for name, value in private.items()
    )
    answer = action.run(work)
    written = canonical(answer)
    work._seal(written, digest(text))
    return Done(work.number, json.loads(written))


def _same_input(action: Action, number: int, given: str) -> bool:
    """Whether an operation had this action's input; texts that were erased since can't be compared and are left out."""
    texts = list(PrivateText.objects.filter(operation_id=number).values_list("salt", "erased_id"))
    if all(erased is None for _, erased in texts):
        return digest(action.written(texts[0][0] if texts else "")) == given
    kept = json.loads(Operation.objects.values_list("input", flat=True).get(pk=number))
    now = json.loads(action.written(""))
    private = action.private()
    return {name: kept[name] for name in kept if name not in private} == {n: now[n] for n in now if n not in private}


def chunks(items: Sequence[Any], size: int = 5000) -> Iterator[tuple[int, Sequence[Any]]]:
    """Parts of a long selection, numbered, each small enough for one operation."""
    for number, start in enumerate(range(0, len(items), size)):
        yield number, items[start : start + size]
