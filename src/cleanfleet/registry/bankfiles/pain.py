"""A collection as the bank takes it: ISO 20022 customer direct debit initiation, pain.008.001.02 or pain.008.001.08.

Bank and branch stand as the clearing system's member (NZNCC, six digits), accounts by their sixteen digits. Each debit is to be booked by
itself, so that the statement answers for each; names are kept to the characters that every bank carries.
"""

from __future__ import annotations

import unicodedata
from decimal import Decimal
from typing import Literal
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from stdnum.nz import bankaccount

from cleanfleet.registry.refusals import Conflict

from . import references
from .models import Collection, Debit

Version = Literal["02", "08"]
NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.008.001."
#: Letters and marks that SWIFT's character set X has.
_CARRIED = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/-?:().,'+ ")


def write(collection: Collection, version: Version = "08") -> bytes:
    """The file, the same whenever it is written. Raises :class:`Conflict` (``erased``) where a payer's number isn't kept any more."""
    debits = list(
        Debit.objects.filter(collection=collection).select_related("payment__account", "mandate").order_by("payment_id")
    )
    if any(not one.mandate.number for one in debits):
        raise Conflict("erased", f"collection {collection.public_id} has a payer whose bank account was erased")
    number, total = str(len(debits)), _amount(sum(one.payment.cents for one in debits))
    name = carried(collection.account.name)
    root = Element("Document", xmlns=f"{NAMESPACE}{version}")
    message = SubElement(root, "CstmrDrctDbtInitn")
    header = SubElement(message, "GrpHdr")
    _put(header, "MsgId", references.end_to_end(collection.public_id))
    _put(header, "CreDtTm", collection.made_at.isoformat(timespec="seconds"))
    _put(header, "NbOfTxs", number)
    _put(header, "CtrlSum", total)
    _put(header, "InitgPty/Nm", name)
    batch = SubElement(message, "PmtInf")
    _put(batch, "PmtInfId", references.end_to_end(collection.public_id))
    _put(batch, "PmtMtd", "DD")
    _put(batch, "BtchBookg", "false")
    _put(batch, "NbOfTxs", number)
    _put(batch, "CtrlSum", total)
    _put(batch, "ReqdColltnDt", str(collection.on))
    _put(batch, "Cdtr/Nm", name)
    _put(batch, "CdtrAcct/Id/Othr/Id", collection.account.number)
    _agent(batch, "CdtrAgt", collection.account.number)
    for one in debits:
        _debit(batch, one)
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'.encode()


def _debit(batch: Element, one: Debit) -> None:
    payment, mandate = one.payment, one.mandate
    debit = SubElement(batch, "DrctDbtTxInf")
    _put(debit, "PmtId/EndToEndId", references.end_to_end(payment.public_id))
    _put(debit, "InstdAmt", _amount(payment.cents)).set("Ccy", "NZD")
    related = SubElement(SubElement(debit, "DrctDbtTx"), "MndtRltdInf")
    _put(related, "MndtId", references.end_to_end(mandate.public_id))
    _put(related, "DtOfSgntr", str(mandate.signed_on))
    _agent(debit, "DbtrAgt", mandate.number)
    _put(debit, "Dbtr/Nm", carried(mandate.payer_name))
    _put(debit, "DbtrAcct/Id/Othr/Id", mandate.number)
    _put(debit, "RmtInf/Ustrd", payment.account.number)


def _agent(parent: Element, name: str, number: str) -> None:
    """The bank and branch of an account number, the first six of its digits."""
    member = SubElement(SubElement(SubElement(parent, name), "FinInstnId"), "ClrSysMmbId")
    _put(member, "ClrSysId/Cd", "NZNCC")
    _put(member, "MmbId", bankaccount.compact(number)[:6])


def _put(parent: Element, path: str, text: str) -> Element:
    for name in path.split("/"):
        parent = SubElement(parent, name)
    parent.text = text
    return parent


def _amount(cents: int) -> str:
    return f"{Decimal(cents) / 100:.2f}"


def carried(text: str) -> str:
    """A name with the characters that every bank carries: letters without their marks, anything else as a full stop.

    >>> carried("Pūkeko & Sons")
    'Pukeko . Sons'
    """
    plain = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return "".join(one if one in _CARRIED else "." for one in plain).strip()[:70] or "."
