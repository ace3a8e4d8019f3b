"""Taking in bank statements: each once, whole or not at all."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Self

import pydantic
from django.db import connection, transaction
from django.db.models import F, Q

from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.ledger import rows
from cleanfleet.registry.ledger.models import Principal
from cleanfleet.registry.ledger.operations import Action, Work, canonical, digest, perform
from cleanfleet.registry.refusals import Conflict, Invalid

from . import camt, queries
from .content import MOST, MOST_STATEMENTS, Content
from .matching import Matcher
from .models import CollectionAccount, Entry, Statement
from .states import ENTRY

_TEXT = re.compile(r"(?:text|payer|bank_account):\d{1,4}:\d{1,4}")


class TakeInBankStatement(Action):
    """Take in statements of the agency's collection accounts, and match each of their entries. By the agency's finance.

    All of them or none. A statement that was taken in before answers as it did then; its id with other content is a conflict. ``texts`` are
    private: payer, bank account and what was written, by ``kind:statement:entry``.
    """

    statements: Annotated[list[Content], pydantic.Field(min_length=1, max_length=MOST_STATEMENTS)]
    texts: dict[str, Annotated[str, pydantic.Field(max_length=camt.TEXT)]] = pydantic.Field(default_factory=dict)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _gather(cls, data: Any) -> Any:
        """Texts as an operation keeps them stand each by itself."""
        if not isinstance(data, dict):
            return data
        kept = {name: text for name, text in data.items() if _TEXT.fullmatch(name)}
        return {**{name: value for name, value in data.items() if name not in kept}, **({"texts": kept} if kept else {})}

    @pydantic.model_validator(mode="after")
    def _bounds(self) -> Self:
        if sum(len(one.items) for one in self.statements) > MOST:
            raise Invalid("too_big", f"statements have over {MOST} entries; allowed are {MOST}", field="statements")
        wrong = next((name for name in self.texts if not _TEXT.fullmatch(name)), None)
        if wrong is not None:
            raise Invalid(
                "texts", f"texts names {wrong!r}; allowed are text:1:1, payer:1:1, bank_account:1:1, ...", field="texts"
            )
        return self

    @classmethod
    def of(cls, content: bytes) -> TakeInBankStatement:
        """From a camt.053 file. Raises what :func:`.camt.read` raises."""
        return cls(**camt.read(content)._asdict())

    def private(self) -> dict[str, str]:
        return self.texts

    def written(self, salt: str) -> str:
        told = {name: {"private": digest(f"{salt}{name}:{text}")} for name, text in self.texts.items()}
        return canonical({**self.model_dump(mode="json", exclude={"texts"}), **told})

    def run(self, work: Work) -> dict[str, Any]:
        permissions.require_role(work.by, "finance")
        accounts = _collection_accounts(content.account for content in self.statements)
        stored = [_stored(accounts[content.account], content) for content in self.statements]
        fresh = [
            (place, content)
            for place, (content, there) in enumerate(zip(self.statements, stored, strict=True))
            if there is None and content.digest not in {one.digest for one in self.statements[:place]}
        ]
        matcher = Matcher(work, [item for _, content in fresh for item in content.items])
        count = sum(len(content.items) for _, content in fresh)
        numbers = iter(rows.numbers("bankfiles_entry", "id", count) if count else [])
        taken: dict[str, Statement] = {}
        entries: list[Entry] = []
        for place, content in sorted(fresh, key=lambda one: (one[1].last_on, one[1].sequence or 0, one[0])):
            taken[content.digest] = statement = _keep(work, accounts[content.account], content, place + 1)
            entries += _place(work, matcher, statement, content, numbers)
        matcher.nobody_s_own(entries)
        return {
            "statements": [
                queries.told(there or taken[content.digest], repeated=there is not None)
                for content, there in zip(self.statements, stored, strict=True)
            ]
        }


def _collection_accounts(numbers: Iterable[str]) -> dict[str, CollectionAccount]:
    """The accounts by number, locked on PostgreSQL: statements of one account are taken in one after the other."""
    wanted = set(numbers)
    found = CollectionAccount.objects.filter(number__in=wanted).order_by("pk")
    if connection.vendor == "postgresql":
        found = found.select_for_update(no_key=True)
    by_number = {account.number: account for account in found}
    strange = sorted(wanted - by_number.keys())
    if strange:
        raise Invalid(
            "unknown_bank_account",
            f"the file is of bank account {strange[0]}, which is no collection account; open_collection_account names them",
            field="statements",
        )
    return by_number


def _stored(account: CollectionAccount, content: Content) -> Statement | None:
    """The statement if it was taken in before, under this id or another; :class:`Conflict` for this id with other content."""
    year = content.last_on.year
    same = Statement.objects.filter(
        Q(identification=content.identification, year=year) | Q(digest=content.digest), account=account
    )
    found = {one.digest: one for one in same}
    if found and content.digest not in found:
        raise Conflict(
            "other_content",
            f"statement {content.identification} of {year} was taken in with other content, as {next(iter(found.values())).public_id}",
            field="statements",
        )
    return found.get(content.digest)


def _keep(work: Work, account: CollectionAccount, content: Content, place: int) -> Statement:
    """Put the statement down, with how it joins the one before it. Raises :class:`Conflict` where it overlaps another."""
    earlier = Statement.objects.filter(account=account)
    sooner = Q(last_on__lt=content.last_on) | Q(last_on=content.last_on, sequence=None)
    if content.sequence is None:
        sooner |= Q(last_on=content.last_on)
    else:
        sooner |= Q(last_on=content.last_on, sequence__lt=content.sequence)
    before = earlier.filter(sooner).order_by("-last_on", F("sequence").desc(nulls_last=True), "-pk").first()
    _not_overlapping(earlier, content)
    joins = before is not None and before.closing_cents == content.opening_cents
    counted = before is None or None in (before.sequence, content.sequence) or _follows(before, content)
    return Statement.objects.create(
        public_id=work.id("bst"),
        account=account,
        identification=content.identification,
        year=content.last_on.year,
        sequence=content.sequence,
        first_on=content.first_on,
        last_on=content.last_on,
        opening_cents=content.opening_cents,
        closing_cents=content.closing_cents,
        digest=content.digest,
        continuity="first" if before is None else "follows" if joins and counted else "gap",
        before=before,
        operation_id=work.number,
        place=place,
    )


def _follows(before: Statement, content: Content) -> bool:
    """Whether the bank's count goes on; it may begin anew with the year."""
    assert before.sequence is not None
    return content.sequence == before.sequence + 1 or (
        content.sequence in (0, 1) and content.last_on.year > before.last_on.year
    )


def _not_overlapping(earlier: Any, content: Content) -> None:
    """Money that stands on two statements is one money: what overlaps would be booked twice."""
    days = list(earlier.filter(first_on__lte=content.last_on, last_on__gte=content.first_on))
    joined = [
        one for one in days if one.closing_cents == content.opening_cents or one.opening_cents == content.closing_cents
    ]
    # Of one day a bank may give several, which it counts.
    apart = [
        one
        for one in days
        if one.first_on == one.last_on == content.first_on == content.last_on
        and None not in (one.sequence, content.sequence)
        and one.sequence != content.sequence
    ]
    if days and not joined and len(apart) < len(days):
        raise Conflict(
            "overlaps",
            f"statement {content.identification} is of {content.first_on} to {content.last_on}, and so in part is statement "
            f"{days[0].identification}, which it doesn't join; its entries may have been taken in already",
            field="statements",
        )
    marked = {
        (item.bank_reference, item.booked_on, item.cents) for item in content.items if item.booked and item.bank_reference
    }
    references = sorted({reference for reference, _, _ in marked})
    there: set[tuple[Any, ...]] = set()
    for start in range(0, len(references), 500):
        known = Entry.objects.filter(
            statement__in=earlier, bank_reference__in=references[start : start + 500], state__in=set(ENTRY.shown) - {"noted"}
        )
        there |= set(known.values_list("bank_reference", "booked_on", "cents"))
    if twice := sorted(marked & there):
        raise Conflict(
            "overlaps",
            f"entry {twice[0][0]} of {twice[0][1]} on statement {content.identification} was taken in with another statement",
            field="statements",
        )


def _place(work: Work, matcher: Matcher, statement: Statement, content: Content, numbers: Iterator[int]) -> list[Entry]:
    """The statement's entries with their outcomes; each day's money in before its money out, so that a return finds what it returns."""
    entries = [
        Entry(
            id=next(numbers),
            public_id=work.id("bke"),
            statement=statement,
            number=place,
            booked_on=item.booked_on,
            value_on=item.value_on,
            cents=item.cents,
            bank_reference=item.bank_reference,
            bank_code=item.bank_code,
            returned=item.returned,
            return_reason=item.return_reason,
            names=" ".join(item.names),
            digest=item.digest,
        )
        for place, item in enumerate(content.items, 1)
    ]
    for entry, item in sorted(
        zip(entries, content.items, strict=True), key=lambda one: (one[0].booked_on, one[0].cents < 0)
    ):
        matcher.place(entry, item)
    return Entry.objects.bulk_create(entries, batch_size=500)


def rehearse(action: TakeInBankStatement, by: Principal) -> dict[str, Any]:
    """What taking in would answer, without ids; nothing of it stays. Raises what taking in raises."""
    with transaction.atomic():
        answer = perform(action, by=by, key=f"rehearsal-{uuid.uuid4()}").answer
        transaction.set_rollback(True)
    for one in answer["statements"]:
        entries = [{name: value for name, value in entry.items() if name != "entry"} for entry in one["entries"]]
        one.update(statement=one["statement"] if one["repeated"] else None, entries=entries)
    return answer
