"""Reading camt.053, and refusing what isn't one, or isn't whole."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanfleet.registry import ids
from cleanfleet.registry.bankfiles import camt, document, references
from cleanfleet.registry.bankfiles.content import Content, Item
from cleanfleet.registry.refusals import Invalid

from . import scenes
from .scenes import SAMPLES, entry, file, statement

DAY = dt.date(2027, 2, 3)
PAY = "pay_" + "0" * 25


def read(sample: str) -> camt.Read:
    return camt.read((SAMPLES / sample).read_bytes())


def refused(content: bytes) -> Invalid:
    with pytest.raises(Invalid) as no:
        camt.read(content)
    return no.value


def test_a_day_of_direct_debits() -> None:
    found = read("v02-direct-debits.xml")
    (one,) = found.statements
    assert (one.account, one.identification, one.sequence) == (scenes.DIGITS, "0102420100194000-2027-034", 34)
    assert (one.first_on, one.last_on, one.opening_cents, one.closing_cents) == (DAY, DAY, 100050, 114825)
    assert [item.cents for item in one.items] == [7525, 10000, 5000, -7500, -250]
    assert one.items[0] == Item(
        booked_on=DAY,
        value_on=dt.date(2027, 2, 4),
        cents=7525,
        bank_reference="TUI00000001",
        bank_code="PMNT/IDDT/OODD",
        names=[PAY + "1", "CO2-00000015", "2026A"],
    )
    assert [(item.names, item.bank_reference) for item in one.items[1:3]] == [
        ([PAY + "2"], "TUI00000002"),
        ([PAY + "3"], "TUI00000002"),
    ]
    returned = one.items[3]
    assert (returned.returned, returned.return_reason, returned.names) == (True, "AC04", [PAY + "4"])
    assert all(item.booked and item.whole for item in one.items)
    assert found.texts == {
        "payer:1:1": "Kea Imports Ltd",
        "bank_account:1:1": "12-3140-0171323-50",
        "text:1:1": "PAY00000000000000000000000001 | CO2-00000015 | fleet 2026A",
        "text:1:2": "PAY00000000000000000000000002",
        "text:1:3": "PAY00000000000000000000000003",
        "payer:1:4": "Moa Motors",
        "text:1:4": "PAY00000000000000000000000004 | account closed",
        "text:1:5": "Monthly fee",
    }


def test_transfers_of_a_later_version() -> None:
    found = read("v08-transfers.xml")
    (one,) = found.statements
    assert (one.account, one.sequence, one.opening_cents, one.closing_cents) == (scenes.DIGITS, 91, -2000, 123000)
    assert one.last_on == dt.date(2027, 4, 3)  # half past eleven in the evening UTC is the next day
    assert [(item.cents, item.booked, item.names) for item in one.items] == [
        (75000, True, ["CO2-00000015", "2026A"]),
        (50000, True, ["CO2-00000015", "2026A", "2026B"]),
        (9900, False, []),
    ]
    assert (one.items[0].bank_reference, one.items[2].booked_on) == ("", dt.date(2027, 4, 5))
    assert found.texts["payer:1:2"] == "Pūkeko Cars"


def test_two_statements_in_an_envelope() -> None:
    first, second = read("v13-two-statements.xml").statements
    assert [item.cents for item in first.items] == [7, -2]
    assert (second.opening_cents, second.closing_cents, second.items) == (5, 5, [])


@pytest.mark.parametrize("version", [f"{number:02d}" for number in range(2, 14)])
def test_every_version_is_read(version: str) -> None:
    (one,) = camt.read(file(statement(entry(100), moved=100), version=version)).statements
    assert [item.cents for item in one.items] == [100]


@pytest.mark.parametrize(
    "root",
    [
        "urn:iso:std:iso:20022:tech:xsd:camt.053.001.01",
        "urn:iso:std:iso:20022:tech:xsd:camt.053.001.14",
        "urn:iso:std:iso:20022:tech:xsd:camt.052.001.02",
        "urn:iso:std:iso:20022:tech:xsd:camt.054.001.08",
        "urn:iso:std:iso:20022:tech:xsd:pain.008.001.08",
        "",
    ],
)
def test_another_message_is_refused(root: str) -> None:
    no = refused(file(statement()).replace(b"urn:iso:std:iso:20022:tech:xsd:camt.053.001.02", root.encode()))
    assert no.code == "not_camt053"
    assert "allowed is one Document of urn:iso:std:iso:20022:tech:xsd:camt.053.001.02 to .13" in no.message


ENTITY = b'<!DOCTYPE Document [<!ENTITY a "x">]>'
EXTERNAL = b'<!DOCTYPE Document [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
LAUGHS = (
    b'<!DOCTYPE Document [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)
REMOTE = b'<!DOCTYPE Document SYSTEM "http://localhost/x.dtd">'


@pytest.mark.parametrize("declared", [ENTITY, EXTERNAL, LAUGHS, REMOTE, b"<!DOCTYPE Document>"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_is_refused_before_anything_of_it_is_read(declared: bytes, encoding: str) -> None:
    text = file(statement(entry(100, text="&amp;"), moved=100)).decode().partition("?>")[2]
    whole = f'<?xml version="1.0" encoding="{encoding}"?>' + declared.decode() + text.replace("&amp;", "&a;")
    assert refused(whole.encode(encoding)).code == "document_type"


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"<a>", b"<a></b>", b"\xff\xfe\x00", b'<?xml version="1.0" encoding="none"?><a/>', b"<a>&b;</a>"],
)
def test_what_is_no_xml_is_refused(content: bytes) -> None:
    assert refused(content).code == "not_xml"


def test_bounds_of_size_depth_and_number(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(b"<a>" * 100 + b"</a>" * 100).code == "too_big"
    monkeypatch.setattr(document, "MOST_ELEMENTS", 10)
    assert refused(b"<a>" + b"<b/>" * 10 + b"</a>").code == "too_big"
    monkeypatch.setattr(document, "MOST_BYTES", 10)
    assert refused(b"<a>" + b" " * 10 + b"</a>").message == "the file has 17 bytes; allowed are 10"
    monkeypatch.setattr(document, "MOST_ELEMENTS", 10**6)
    monkeypatch.setattr(document, "MOST_BYTES", 10**7)
    monkeypatch.setattr(camt, "MOST", 2)
    assert refused(file(statement(*[entry(1)] * 3, moved=3))).code == "too_big"
    halves = [statement(*[entry(1)] * 2, moved=2, name=name, opening=opening) for name, opening in (("S1", 0), ("S2", 2))]
    assert refused(file(*halves)).code == "too_big"
    monkeypatch.setattr(camt, "MOST_STATEMENTS", 1)
    assert refused(file(*[statement(name=name) for name in "AB"])).code == "too_big"


def after(place: str, more: str) -> Callable[[str], str]:
    return lambda text: text.replace(place, place + more)


def amount(of: str) -> Callable[[str], str]:
    rest = "</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>"
    return lambda text: text.replace("75.00" + rest, of + rest)


def counted(part: str, what: str) -> Callable[[str], str]:
    return lambda text: text.replace("</Bal><Ntry>", f"</Bal><TxsSummry><{part}>{what}</{part}></TxsSummry><Ntry>")


WHOLE = file(statement(entry(7500), moved=7500))


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (lambda t: t.replace("<Stmt>", "<Rpt>").replace("</Stmt>", "</Rpt>"), "no_statement", "holds no statement"),
        (lambda t: t.replace("<Id>S1</Id>", ""), "no_id", "Id is missing"),
        (lambda t: t.replace("<Id>S1</Id>", f"<Id>{'S' * 71}</Id>"), "no_id", "longer than ISO 20022 allows"),
        (lambda t: t.replace(f"<Id>{scenes.OURS}</Id>", "<Id/>"), "no_id", "the account's number is missing"),
        (lambda t: t.replace("<Ccy>NZD", "<Ccy>AUD"), "currency", "kept in AUD; allowed is NZD"),
        (lambda t: t.replace('<Ntry><Amt Ccy="NZD">', '<Ntry><Amt Ccy="EUR">'), "currency", "statement S1, entry 1: the amount is in EUR"),
        (lambda t: t.replace("OPBD", "OPAV"), "balances", "the balance OPBD or PRCD is missing"),
        (lambda t: t.replace("CLBD", "ITBD"), "balances", "the balance CLBD is missing"),
        (lambda t: t.replace("OPBD", "CLBD"), "balances", "missing"),
        (lambda t: t.replace("</Bal><Bal>", "</Bal>" + scenes.balance("CLBD", 1, "2027-02-03") + "<Bal>"), "balances", "2 balances CLBD"),
        (lambda t: t.replace("<Dt><Dt>2027-02-03</Dt></Dt></Bal><Ntry>", "</Bal><Ntry>"), "date", "CLBD has no date"),
        (lambda t: t.replace("<BookgDt><Dt>2027-02-03", "<BookgDt><Dt>2027-02-30"), "date", "'2027-02-30' is no date"),
        (lambda t: t.replace("<Sts>BOOK", "<Sts>BOOKED"), "status", "Sts is 'BOOKED'; allowed are BOOK, PDNG, INFO and FUTR"),
        (lambda t: t.replace("CRDT</CdtDbtInd><Sts>", "C</CdtDbtInd><Sts>"), "sign", "CdtDbtInd is 'C'; allowed are CRDT and DBIT"),
        (amount("75.001"), "amount", "'75.001'"),
        (amount("74.99"), "balance", "comes to 74.99, not to its closing balance of 75.00"),
        (lambda t: t.replace("CRDT</CdtDbtInd><Sts>", "DBIT</CdtDbtInd><Sts>"), "balance", "comes to -75.00"),
        (after("<MsgId>M1</MsgId>", "<MsgPgntn><PgNb>2</PgNb><LastPgInd>true</LastPgInd></MsgPgntn>"), "paged", "page 2 of several"),
        (after("<Id>S1</Id>", "<StmtPgntn><PgNb>1</PgNb><LastPgInd>false</LastPgInd></StmtPgntn>"), "paged", "page 1 of several"),
        (after("<Id>S1</Id>", "<FrToDt><FrDtTm>2027-02-04T00:00:00</FrDtTm></FrToDt>"), "period", "before it begins on 2027-02-04"),
        (counted("TtlCdtNtries", "<Sum>75.01</Sum>"), "summary", "TtlCdtNtries is 75.01; its entries come to 75.00"),
        (counted("TtlDbtNtries", "<Sum>0.01</Sum>"), "summary", "TtlDbtNtries is 0.01"),
        (counted("TtlNtries", "<NbOfNtries>2</NbOfNtries>"), "summary", "counts 2 entries; there are 1"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_whole_is_refused(change: Callable[[str], str], code: str, message: str) -> None:
    changed = change(WHOLE.decode())
    assert changed != WHOLE.decode()
    no = refused(changed.encode())
    assert (no.code, message in no.message) == (code, True), no.message


@pytest.mark.parametrize("text", ["-75.00", "+75.00", "75,00", "7.5E1", "1 000.00", "", "0x4b", "٧٥", "NaN", "9" * 15])
def test_an_amount_that_is_none(text: str) -> None:
    assert refused(amount(text)(WHOLE.decode()).encode()).code == "amount"


@given(cents=st.integers(0, 10**15 - 1), zeros=st.integers(0, 3), before=st.integers(0, 3))
def test_an_amount_is_read_to_the_cent(cents: int, zeros: int, before: int) -> None:
    text = "0" * before + f"{Decimal(cents) / 100:.2f}" + "0" * zeros
    assert camt._cents(text, "x") == cents


def test_reversal_says_nothing_of_the_sign() -> None:
    (one,) = camt.read(file(statement(entry(-500, reversal=True), entry(700, reversal=True), moved=200))).statements
    assert [(item.cents, item.returned) for item in one.items] == [(-500, True), (700, True)]


def test_a_statement_is_the_same_whatever_its_id() -> None:
    (one,), (other,), (third,) = (
        camt.read(file(statement(entry(cents, text=text), moved=cents, name=name))).statements
        for cents, text, name in ((5, "", "S1"), (5, "", "S2"), (5, "2026A", "S1"))
    )
    assert one.digest == other.digest != third.digest


def test_content_that_does_not_come_from_a_file_is_checked_as_well() -> None:
    given_ = {"account": scenes.DIGITS, "identification": "S", "first_on": DAY, "last_on": DAY, "items": []}
    with pytest.raises(
        Invalid, match=r"opens at 0\.00; with its 0 entries it comes to 0\.00, not to its closing balance of 0\.01"
    ):
        Content.model_validate({**given_, "opening_cents": 0, "closing_cents": 1})


def test_a_charge_s_reference_leads_back_to_it() -> None:
    number = ids.account_number(123)
    made = references.charge(number, 2027, "B")
    assert (
        references.named([made])
        == references.named([" ".join(made[i : i + 4] for i in range(0, len(made), 4))])
        == [number, "2027B"]
    )
    wrong = made[:-1] + "A"
    assert references.named([wrong]) == []
    assert references.named([f"{number.replace('-', ' ')}2027B", "2027B"]) == ["2027B"]


@pytest.mark.parametrize("public_id", ["pay_0123456789ABCDEFGHJKMNPQRS", "bke_ZZZZZZZZZZZZZZZZZZZZZZZZZZ"])
def test_an_end_to_end_id_leads_back_to_what_it_is_of(public_id: str) -> None:
    made = references.end_to_end(public_id)
    assert len(made) <= 35
    assert made.isalnum()
    assert references.named([f"ref {made.lower()}"]) == references.named([public_id]) == [public_id]
    assert references.named([made[:-1]]) == references.named([made + "7"]) == []
