"""Bank statements for tests: made-up banks, payers and amounts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cleanfleet.registry import clock
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.permissions import system
from cleanfleet.registry.bankfiles import references
from cleanfleet.registry.bankfiles.models import CollectionAccount, Entry
from cleanfleet.registry.bankfiles.operations import (
    OpenCollectionAccount,
    RegisterMandate,
    ResolveBankEntry,
    TakeInBankStatement,
)
from cleanfleet.registry.fleets.operations import SettleFleetYear
from cleanfleet.registry.ledger.models import Bucket, Movement, Principal
from cleanfleet.registry.payments.models import Payment
from registry.fleets.scenes import Importer, approved, determine, excess
from registry.people import do, officer

SAMPLES = Path(__file__).parent / "samples"
#: The agency's invented collection account (the number passes its check; the branch exists), and an importer's.
OURS, PAYER = "01-0242-0100194-00", "12-3140-0171323-50"
DIGITS = "0102420100194000"
#: Used fleets of 2026 pay 7.50 dollars for each gram, as fleet average.
RATE = 750
AFTER, LATE = "2027-02-02", "2027-04-01"


def collection_account() -> CollectionAccount:
    found = CollectionAccount.objects.filter(number=DIGITS).first()
    if found is None:
        do(OpenCollectionAccount(number=OURS, account_name="Clean car charges"), system())
        found = CollectionAccount.objects.get(number=DIGITS)
    return found


def owing(grams: int = 10) -> Importer:
    """An importer whose used fleet of 2026 lies so many grams over; determined, nothing settled."""
    one = approved()
    with clock.at("2026-06-01"):
        excess(one, one.used, grams)
    with clock.at(AFTER):
        determine(one)
    return one


def debited(one: Importer, money_g: int = 10) -> Payment:
    """The direct debit of so many grams, begun on the clock's day."""
    asked = SettleFleetYear(account=one.used.public_id, year=2026, vehicle_type="A", money_g=money_g)
    return Payment.objects.get(public_id=do(asked, one.owner)["payment"])


def authorise(one: Importer, number: str = PAYER, name: str = "Kea Imports Ltd") -> str:
    """The owner lets the agency collect the used account's charges; the authority's id."""
    given = {"payer_name": name, "bank_account": number, "signed_on": "2027-01-15"}
    return str(do(RegisterMandate(account=one.used.public_id, **given), one.owner)["mandate"])


def entry(
    cents: int,
    end_to_end: str = "NOTPROVIDED",
    *,
    text: str = "",
    reason: str = "",
    status: str = "BOOK",
    day: str = "2027-02-03",
    reversal: bool = False,
    currency: str = "NZD",
    bank_reference: str = "",
    creditor_reference: str = "",
    payer: str = "Kea Imports Ltd",
) -> str:
    """An entry of version 001.02 with one transaction."""
    side = "CRDT" if cents >= 0 else "DBIT"
    amount = f'<Amt Ccy="{currency}">{abs(cents) // 100}.{abs(cents) % 100:02d}</Amt><CdtDbtInd>{side}</CdtDbtInd>'
    return (
        f"<Ntry>{amount}{'<RvslInd>true</RvslInd>' if reversal else ''}<Sts>{status}</Sts><BookgDt><Dt>{day}</Dt></BookgDt>"
        f"<ValDt><Dt>{day}</Dt></ValDt>{f'<AcctSvcrRef>{bank_reference}</AcctSvcrRef>' if bank_reference else ''}"
        "<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>IDDT</Cd><SubFmlyCd>OTHR</SubFmlyCd></Fmly></Domn></BkTxCd><NtryDtls><TxDtls>"
        f"<Refs><EndToEndId>{end_to_end}</EndToEndId></Refs><RltdPties><Dbtr><Nm>{payer}</Nm></Dbtr></RltdPties><RmtInf>"
        f"{f'<Ustrd>{text}</Ustrd>' if text else ''}"
        f"{f'<Strd><CdtrRefInf><Ref>{creditor_reference}</Ref></CdtrRefInf></Strd>' if creditor_reference else ''}</RmtInf>"
        f"{f'<RtrInf><Rsn><Cd>{reason}</Cd></Rsn></RtrInf>' if reason else ''}</TxDtls></NtryDtls></Ntry>"
    )


def batch(cents: int, parts: Sequence[tuple[str, int]], *, counted: int | None = None, day: str = "2027-02-03") -> str:
    """A batch entry of money in, with its transactions (end-to-end id, cents)."""
    details = "".join(
        f"<TxDtls><Refs><EndToEndId>{reference}</EndToEndId></Refs><AmtDtls><TxAmt>"
        f'<Amt Ccy="NZD">{part / 100:.2f}</Amt></TxAmt></AmtDtls></TxDtls>'
        for reference, part in parts
    )
    return (
        f'<Ntry><Amt Ccy="NZD">{cents / 100:.2f}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>{day}</Dt></BookgDt>'
        f"<NtryDtls><Btch><NbOfTxs>{len(parts) if counted is None else counted}</NbOfTxs></Btch>{details}</NtryDtls></Ntry>"
    )


def balance(code: str, cents: int, day: str) -> str:
    side = "CRDT" if cents >= 0 else "DBIT"
    return (
        f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="NZD">{abs(cents) // 100}.{abs(cents) % 100:02d}</Amt>'
        f"<CdtDbtInd>{side}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
    )


def statement(
    *entries: str,
    moved: int = 0,
    name: str = "S1",
    opening: int = 0,
    day: str = "2027-02-03",
    account: str = OURS,
    sequence: int | None = None,
    more: str = "",
) -> str:
    """A statement of one day whose booked entries come to ``moved`` cents."""
    return (
        f"<Stmt><Id>{name}</Id>{more}{'' if sequence is None else f'<ElctrncSeqNb>{sequence}</ElctrncSeqNb>'}"
        f"<Acct><Id><Othr><Id>{account}</Id></Othr></Id><Ccy>NZD</Ccy></Acct>"
        f"{balance('OPBD', opening, day)}{balance('CLBD', opening + moved, day)}{''.join(entries)}</Stmt>"
    )


def file(*statements: str, version: str = "02") -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}">'
        f"<BkToCstmrStmt><GrpHdr><MsgId>M1</MsgId></GrpHdr>{''.join(statements)}</BkToCstmrStmt></Document>"
    ).encode()


def take(*statements: str, by: Principal | None = None, key: str | None = None) -> list[dict[str, Any]]:
    """Take in a file of these statements; what is told of each."""
    collection_account()
    answer = do(TakeInBankStatement.of(file(*statements)), by or officer("finance"), key)
    return list(answer["statements"])


def one_day(
    *entries: tuple[int, str], name: str = "S1", opening: int = 0, day: str = "2027-02-03", **how: Any
) -> dict[str, Any]:
    """Take in a statement of (cents, end-to-end id); what is told of it."""
    made = [entry(cents, reference, day=day, **how) for cents, reference in entries]
    return take(statement(*made, moved=sum(cents for cents, _ in entries), name=name, opening=opening, day=day))[0]


def outcomes(told: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["outcome"], one["why"]) for one in told["entries"]]


def resolve(found: Entry | str, to: Any, by: Principal | None = None, **how: Any) -> dict[str, Any]:
    public_id = found if isinstance(found, str) else found.public_id
    return do(ResolveBankEntry(entry=public_id, to=to, note="as agreed", **how), by or officer("finance"))


def system_bucket(kind: str) -> int:
    """What came into a bucket of the system's less what left it, in cents."""
    found = 0
    for bucket in Bucket.objects.filter(owner=None, kind=kind, unit__code="NZD"):
        found += sum(Movement.objects.filter(target=bucket).values_list("amount", flat=True))
        found -= sum(Movement.objects.filter(source=bucket).values_list("amount", flat=True))
    return found


def reference(payment: Payment) -> str:
    return references.end_to_end(payment.public_id)


def charge_reference(account: Account) -> str:
    return references.charge(account.number, 2026, "A")


def later(day: str, days: int) -> str:
    return str(dt.date.fromisoformat(day) + dt.timedelta(days=days))
