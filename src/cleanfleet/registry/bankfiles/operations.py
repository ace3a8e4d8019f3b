"""All operations of bank files, from the modules that hold them."""

from __future__ import annotations

from .collecting import CollectDirectDebits
from .collection import OpenCollectionAccount
from .mandates import RegisterMandate, RevokeMandate
from .resolving import ResolveBankEntry
from .taking import TakeInBankStatement

__all__ = [
    "CollectDirectDebits",
    "OpenCollectionAccount",
    "RegisterMandate",
    "ResolveBankEntry",
    "RevokeMandate",
    "TakeInBankStatement",
]
