"""All operations of bank files, from the modules that hold them."""

from __future__ import annotations

from .collection import OpenCollectionAccount
from .resolving import ResolveBankEntry
from .taking import TakeInBankStatement

__all__ = ["OpenCollectionAccount", "ResolveBankEntry", "TakeInBankStatement"]
