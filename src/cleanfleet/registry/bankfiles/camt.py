"""Bank statements in ISO 20022 camt.053 (versions 001.02 to 001.13), read into :class:`.content.Content`.

What the versions have in common is read by its names; where they differ, both forms are: a status as text (until 001.07) or as a code in
an element of its own, a party with or without ``Pty``, a transaction's amount in ``Amt`` or in ``AmtDtls/TxAmt``. The sign of an entry is
its CdtDbtInd alone: the reversal indicator says only that the entry undoes an earlier one of the other side.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element

from stdnum.nz import bankaccount

from cleanfleet.registry import clock
from cleanfleet.registry.refusals import Invalid

from . import document, references
from .content import MOST, MOST_STATEMENTS, Content, Item, dollars

CURRENCY = "NZD"
_NAMESPACE = re.compile(r"urn:iso:std:iso:20022:tech:xsd:camt\.053\.001\.(?:0[2-9]|1[0-3])")
_AMOUNT = re.compile(r"(?=\.?[0-9])0*([0-9]{0,14})(?:\.([0-9]{0,5}))?")
#: Sub-families of bank transaction codes that undo a direct debit: unpaid, reversed for return or cancellation.
_UNDOING = ("UPDD", "PRDD", "RPCR", "RRTN")
_SILENT = ("", "NOTPROVIDED", "NONREF", "NOTAVAILABLE")
#: The most characters of an entry's texts that are kept.
TEXT = 1000


class Read(NamedTuple):
    """A file: its statements, and by ``kind:statement:entry`` the private texts (payer, its bank account, what it wrote)."""

    statements: list[Content]
    texts: dict[str, str]


def read(content: bytes) -> Read:
    """All statements of a file; :class:`Invalid` refuses the whole file, naming what is wrong and where."""
    root = document.read(content)
    found = [node for node in root.iter() if node.tag.rpartition("}")[2] == "Document"]
    names = [node.tag.rpartition("}")[0].lstrip("{") for node in found]
    if len(found) != 1 or not _NAMESPACE.fullmatch(names[0]):
        raise Invalid(
            "not_camt053",
            f"the file holds {', '.join(names) or root.tag}; allowed is one Document of urn:iso:std:iso:20022:tech:xsd:camt.053.001.02 to .13",
            field="file",
        )
    message = _Node(found[0], names[0]).one("BkToCstmrStmt")
    if message is None or not (nodes := message.all("Stmt")):
        raise Invalid("no_statement", "the file holds no statement (BkToCstmrStmt/Stmt)", field="file")
    header = message.one("GrpHdr")
    if header is not None:
        _whole(header.one("MsgPgntn"), "the message")
    statements, texts = [], {}
    for number, node in enumerate(nodes, 1):
        statement, said = _statement(node)
        statements.append(statement)
        texts.update({f"{kind}:{number}:{item}": text for item, kind, text in said})
    if len(statements) > MOST_STATEMENTS or sum(len(one.items) for one in statements) > MOST:
        raise Invalid("too_big", f"the file has over {MOST} entries or {MOST_STATEMENTS} statements", field="file")
    return Read(statements, texts)


class _Node:
    """An element, asked by names without their namespace."""

    def __init__(self, element: Element, namespace: str) -> None:
        self.element, self.namespace = element, namespace

    def _path(self, path: str) -> str:
        return "/".join(f"{{{self.namespace}}}{name}" for name in path.split("/"))

    def all(self, path: str) -> list[_Node]:
        return [_Node(one, self.namespace) for one in self.element.findall(self._path(path))]

    def one(self, path: str) -> _Node | None:
        found = self.element.find(self._path(path))
        return None if found is None else _Node(found, self.namespace)

    def texts(self, path: str) -> list[str]:
        return [text for one in self.element.findall(self._path(path)) if (text := " ".join((one.text or "").split()))]

    def text(self, *paths: str) -> str:
        """The first that is there and not empty."""
        return next((found[0] for path in paths if (found := self.texts(path))), "")


def _bad(code: str, where: str, what: str) -> Invalid:
    return Invalid(code, f"{where}: {what}", field="file")


def _whole(pages: _Node | None, where: str) -> None:
    if pages is not None and (pages.text("PgNb").lstrip("0") not in ("", "1") or pages.text("LastPgInd") in ("false", "0")):
        raise _bad(
            "paged", where, f"page {pages.text('PgNb')} of several; ask the bank for statements that come in one message"
        )


def _statement(node: _Node) -> tuple[Content, list[tuple[int, str, str]]]:
    name = node.text("Id")
    where = f"statement {name or '(without an id)'}"
    _whole(node.one("StmtPgntn"), where)
    if not name:
        raise _bad("no_id", where, "Id is missing")
    currency = node.text("Acct/Ccy")
    if currency not in ("", CURRENCY):
        raise _bad("currency", where, f"the account is kept in {currency}; allowed is {CURRENCY}")
    opening, _ = _balance(node, where, "OPBD", "PRCD")
    closing, last_on = _balance(node, where, "CLBD")
    items: list[Item] = []
    if len(node.all("Ntry")) > MOST:
        raise _bad("too_big", where, f"it has over {MOST} entries")
    texts, entries = [], []
    for place, entry in enumerate(node.all("Ntry"), 1):
        parts = list(_entry(entry, f"{where}, entry {place}", last_on))
        entries.append((sum(item.cents for item, _ in parts), parts[0][0].booked))
        for item, said in parts:
            items.append(item)
            texts += [(len(items), kind, text) for kind, text in said.items()]
    _summary(node, where, entries)
    sequence = node.text("ElctrncSeqNb", "LglSeqNb").split(".")[0]
    began = _day(node.text("FrToDt/FrDtTm", "FrToDt/FrDt"), where) or min(
        [last_on, *(item.booked_on for item in items if item.booked)]
    )
    account = node.text("Acct/Id/Othr/Id", "Acct/Id/IBAN")
    if not account or len(account) > 40 or len(name) > 70:
        raise _bad("no_id", where, "the account's number is missing, or a number is longer than ISO 20022 allows")
    content = Content(
        account=account_number(account),
        identification=name,
        sequence=int(sequence) if sequence.isascii() and sequence.isdigit() and len(sequence) <= 18 else None,
        first_on=began,
        last_on=last_on,
        opening_cents=opening,
        closing_cents=closing,
        items=items,
    )
    return content, texts


def account_number(text: str) -> str:
    """A bank account's number as it is compared: a New Zealand one as its sixteen digits, any other without blanks and hyphens."""
    return bankaccount.compact(text) if bankaccount.is_valid(text) else re.sub(r"[\s-]", "", text).upper()


def _balance(node: _Node, where: str, *codes: str) -> tuple[int, dt.date]:
    """Cents and day of the balance of the first of the codes that is there."""
    for code in codes:
        found = [one for one in node.all("Bal") if one.text("Tp/CdOrPrtry/Cd") == code]
        if len(found) > 1:
            raise _bad("balances", where, f"there are {len(found)} balances {code}; one is needed")
        if found:
            day = _day(found[0].text("Dt/Dt", "Dt/DtTm"), f"{where}, balance {code}")
            if day is None:
                raise _bad("date", where, f"balance {code} has no date")
            return _money(found[0], f"{where}, balance {code}"), day
    raise _bad("balances", where, f"the balance {' or '.join(codes)} is missing")


def _summary(node: _Node, where: str, entries: list[tuple[int, bool]]) -> None:
    """What the bank counted must be what is there: a file that was cut off is refused even where balances fit by chance."""
    for part, sign in (("TtlCdtNtries", 1), ("TtlDbtNtries", -1)):
        told = node.text(f"TxsSummry/{part}/Sum")
        come_to = [
            sum(abs(cents) for cents, booked in entries if cents * sign > 0 and (booked or every)) for every in (0, 1)
        ]
        if told and _cents(told, f"{where}, TxsSummry/{part}") not in come_to:
            raise _bad("summary", where, f"{part} is {told}; its entries come to {dollars(come_to[0])}")
    told = node.text("TxsSummry/TtlNtries/NbOfNtries")
    if told.isdigit() and int(told) not in (len(entries), sum(booked for _, booked in entries)):
        raise _bad("summary", where, f"TtlNtries counts {told} entries; there are {len(entries)}")


def _day(text: str, where: str) -> dt.date | None:
    """The civil day in New Zealand of a date or an instant; an instant without an offset is local."""
    if not text:
        return None
    try:
        if "T" not in text:
            return dt.date.fromisoformat(text[:10])
        instant = dt.datetime.fromisoformat(text)
        return instant.date() if instant.tzinfo is None else clock.day_of(instant)
    except ValueError:
        raise _bad("date", where, f"{text!r} is no date") from None


def _cents(text: str, where: str) -> int:
    match = _AMOUNT.fullmatch(text)
    if match is None or (match[2] or "")[2:].strip("0"):
        raise _bad("amount", where, f"the amount is {text!r}; allowed is a decimal number from 0 with whole cents")
    return int(match[1] or 0) * 100 + int((match[2] or "")[:2].ljust(2, "0"))


def _sign(node: _Node, where: str, otherwise: str = "") -> int:
    told = node.text("CdtDbtInd") or otherwise
    if told not in ("CRDT", "DBIT"):
        raise _bad("sign", where, f"CdtDbtInd is {told!r}; allowed are CRDT and DBIT")
    return 1 if told == "CRDT" else -1


def _money(node: _Node, where: str) -> int:
    """Signed cents of an element with Amt and CdtDbtInd."""
    amount = node.one("Amt")
    if amount is None:
        raise _bad("amount", where, "Amt is missing")
    currency = amount.element.get("Ccy", CURRENCY)
    if currency != CURRENCY:
        raise _bad("currency", where, f"the amount is in {currency}; allowed is {CURRENCY}")
    return _cents((amount.element.text or "").strip(), where) * _sign(node, where)


def _entry(node: _Node, where: str, last_on: dt.date) -> Iterator[tuple[Item, dict[str, str]]]:
    """The entry as one item, or an item for each of its transactions where their amounts come to the entry's."""
    cents = _money(node, where)
    status = node.text("Sts/Cd", "Sts")
    if status not in ("BOOK", "PDNG", "INFO", "FUTR"):
        raise _bad("status", where, f"Sts is {status!r}; allowed are BOOK, PDNG, INFO and FUTR")
    value_on = _day(node.text("ValDt/Dt", "ValDt/DtTm"), where)
    common: dict[str, Any] = {
        "booked_on": _day(node.text("BookgDt/Dt", "BookgDt/DtTm"), where) or value_on or last_on,
        "value_on": value_on,
        "booked": status == "BOOK",
        "bank_reference": next((text for text in node.texts("AcctSvcrRef") if text.upper() not in _SILENT), "")[:80],
    }
    details = node.all("NtryDtls/TxDtls")
    parts = [_part(detail, cents, where) for detail in details]
    counted = node.text("NtryDtls/Btch/NbOfTxs")
    many = len(details) > 1 or (counted.isdigit() and int(counted) > 1)
    if many and len(details) > 1 and None not in parts and sum(part or 0 for part in parts) == cents:
        for detail, part in zip(details, parts, strict=True):
            yield _item(node, [detail], common, part or 0, whole=True)
    else:
        yield _item(node, details, common, cents, whole=not many)


def _part(detail: _Node, cents: int, where: str) -> int | None:
    """Signed cents of a batch's transaction; None where they aren't told in our currency."""
    for path in ("Amt", "AmtDtls/TxAmt/Amt"):
        amount = detail.one(path)
        if amount is not None and amount.element.get("Ccy", CURRENCY) == CURRENCY:
            side = "CRDT" if cents >= 0 else "DBIT"
            return _cents((amount.element.text or "").strip(), where) * _sign(detail, where, side)
    return None


def _item(
    entry: _Node, details: list[_Node], common: dict[str, Any], cents: int, *, whole: bool
) -> tuple[Item, dict[str, str]]:
    code = "/".join(
        entry.texts("BkTxCd/Domn/Cd") + entry.texts("BkTxCd/Domn/Fmly/Cd") + entry.texts("BkTxCd/Domn/Fmly/SubFmlyCd")
    )
    reason = next((text for one in details if (text := one.text("RtrInf/Rsn/Cd", "RtrInf/Rsn/Prtry"))), "")
    returned = (
        any(one.one("RtrInf") is not None for one in details)
        or entry.text("RvslInd") in ("true", "1")
        or code.rpartition("/")[2] in _UNDOING
    )
    written = [text for one in details for text in _written(one)]
    written += [text for text in (entry.text("AddtlNtryInf"),) if text]
    item = Item(
        **common,
        cents=cents,
        whole=whole,
        bank_code=code[:20],
        returned=returned,
        return_reason=reason[:35],
        names=references.named(written)[:20],
    )
    said = {"text": " | ".join(dict.fromkeys(written))[:TEXT]}
    if len(details) == 1:
        sides = ("Dbtr", "Cdtr") if cents >= 0 or returned else ("Cdtr", "Dbtr")
        said["payer"] = details[0].text(*(f"RltdPties/{side}/{path}" for side in sides for path in ("Pty/Nm", "Nm")))[:200]
        said["bank_account"] = details[0].text(
            *(f"RltdPties/{side}Acct/Id/{path}" for side in sides for path in ("Othr/Id", "IBAN"))
        )[:40]
    return item, {kind: text for kind, text in said.items() if text}


def _written(detail: _Node) -> list[str]:
    """References and texts of a transaction, without the words that stand for none."""
    paths = (
        "Refs/EndToEndId",
        "Refs/InstrId",
        "Refs/Prtry/Ref",
        "RmtInf/Strd/CdtrRefInf/Ref",
        "RmtInf/Strd/RfrdDocInf/Nb",
        "RmtInf/Strd/AddtlRmtInf",
        "RmtInf/Ustrd",
        "AddtlTxInf",
        "RtrInf/AddtlInf",
    )
    return [text for path in paths for text in detail.texts(path) if text.upper() not in _SILENT]
