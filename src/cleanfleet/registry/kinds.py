"""All kinds of operations: by importing every room that has some."""

from __future__ import annotations

import importlib

from .ledger.operations import Action

_MODULES = (
    "accounts.operations",
    "accounts.enquiries",
    "rulings.operations",
    "vehicles.operations",
    "vehicles.reassessing",
    "payments.operations",
    "acceptance.operations",
    "acceptance.selecting",
    "charges.settling",
    "charges.correcting",
    "charges.refunding",
    "charges.paying",
    "transfers.operations",
    "transfers.reviving",
    "transfers.surrendering",
    "fleets.operations",
    "intake.operations",
    "bankfiles.operations",
    "erasing.operations",
    "notices.operations",
)


def all_kinds() -> dict[str, type[Action]]:
    """Name -> class of each operation that can be performed (those that only lend their fields to others are left out)."""
    for module in _MODULES:
        importlib.import_module(f"cleanfleet.registry.{module}")
    return {
        name: kind
        for name, kind in Action.kinds.items()
        if kind.run is not Action.run and kind.__module__.startswith("cleanfleet.registry.")
    }
