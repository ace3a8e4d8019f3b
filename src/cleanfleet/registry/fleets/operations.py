"""All operations of the fleet average, from the modules that hold them."""

from __future__ import annotations

from . import debits
from .applications import (
    ApplyFleetAverage,
    BringUpToDate,
    DecideApplication,
    Declaration,
    RecommendApplication,
    ReinstateFleetAverage,
    RevokeFleetAverage,
    SuspendFleetAverage,
    WithdrawApplication,
)
from .correcting import CorrectFleetVehicle, WithdrawFleetVehicle
from .deferring import DecideDeferral, RequestDeferral, WithdrawDeferral
from .determining import DetermineFleetYear, RedetermineFleetYear
from .settling import CollectFleetCharge, FallFleetYearDue, RefundFleetCharge, SettleFleetYear
from .submitting import SubmitFleetYear

__all__ = [
    "ApplyFleetAverage",
    "BringUpToDate",
    "CollectFleetCharge",
    "CorrectFleetVehicle",
    "DecideApplication",
    "DecideDeferral",
    "Declaration",
    "DetermineFleetYear",
    "FallFleetYearDue",
    "RecommendApplication",
    "RedetermineFleetYear",
    "RefundFleetCharge",
    "ReinstateFleetAverage",
    "RequestDeferral",
    "RevokeFleetAverage",
    "SettleFleetYear",
    "SubmitFleetYear",
    "SuspendFleetAverage",
    "WithdrawApplication",
    "WithdrawDeferral",
    "WithdrawFleetVehicle",
    "debits",
]
