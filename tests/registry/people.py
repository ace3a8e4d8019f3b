"""People, holders and accounts for tests, made by the operations themselves."""

from __future__ import annotations

import itertools
from typing import Any

from cleanfleet.registry.accounts import operations as accounts
from cleanfleet.registry.accounts.models import Account
from cleanfleet.registry.accounts.permissions import system
from cleanfleet.registry.ledger.models import Principal
from cleanfleet.registry.ledger.operations import Action, perform

_keys = itertools.count()


def do(action: Action, by: Principal, key: str | None = None, **how: Any) -> dict[str, Any]:
    """Perform an operation under a key of its own; its answer."""
    return perform(action, by=by, key=key or f"test-{next(_keys)}", **how).answer


def person(name: str = "Aroha") -> Principal:
    made = do(accounts.RegisterPerson(full_name=name, email=f"{name.lower()}@example.nz"), system())
    return Principal.objects.get(public_id=made["person"])


def officer(role: Any = "case_officer") -> Principal:
    found = person(f"Officer-{role}")
    do(accounts.AssignRole(person=found.public_id, role=role), system())
    return found


def holder(by: Principal) -> str:
    made = do(accounts.RegisterHolder(kind="legal_entity", holder_name="Kea Imports Ltd", address="1 Quay St, Auckland"), by)
    return str(made["holder"])


def account(owner: Principal, condition: Any = "used", of: str | None = None) -> Account:
    made = do(accounts.OpenAccount(holder=of or holder(owner), condition=condition, account_name="Kea"), owner)
    return Account.objects.get(public_id=made["account"])


#: The doubtful values that charges of single vehicles, and the life and use of credits, rest on.
DOUBTFUL = (
    "per_vehicle_rounding",
    "credit_life_basis",
    "credit_use_by_type",
    "credit_vintages_taken",
    "fleet_credits_earned_on",
)


def ready_law(*left_out: str) -> None:
    """The agency confirms the doubtful values that charges and credits rest on; one officer proposes, another approves."""
    from cleanfleet.registry.rulings.operations import ApproveValue, ProposeValue

    one, other = officer("case_officer"), officer("approver")
    for name in DOUBTFUL:
        if name not in left_out:
            do(ProposeValue(value=name), one)
            do(ApproveValue(value=name), other)


def verify(*accounts_: Account) -> None:
    """The agency verifies the accounts' holders against money laundering."""
    one = officer("case_officer")
    for found in accounts_:
        do(accounts.SetAml(holder=found.holder.public_id, result="verified"), one)


_vins = itertools.count(1)


def vin() -> str:
    return f"7AT0CF{next(_vins):011d}"


def car(to: Account, co2: int | str = 150, tare: int = 1600, **more: Any) -> dict[str, Any]:
    """A row of a feed: a passenger car with a three-phase CO2, certified on 1 March 2026."""
    row = {
        "account": to.number,
        "entry_channel": "used" if to.condition == "used" else "parallel_new",
        "vin": vin(),
        "attributes": {"vehicle_class": "MA", "tare_kg": tare, "co2_g_per_km": str(co2), "co2_cycle": "3P-WLTP"},
        "ready_on": "2026-03-01",
    }
    return {**row, **more}


def feed(*rows: dict[str, Any], source: str = "certifier") -> list[dict[str, Any]]:
    """Feed rows; their outcomes."""
    from cleanfleet.registry.vehicles.operations import FeedVehicles

    found = do(FeedVehicles.read({"source": source, "vehicles": list(rows)}), system())["rows"]
    assert len(found) == len(rows)
    return list(found)


def credited(owner: Principal, grams: int, condition: Any = "used", of: str | None = None) -> Account:
    """An account with so many grams of credit (at least 1, at most 112), earned on 31 March 2026 by one accepted car."""
    from cleanfleet.registry import clock
    from cleanfleet.registry.acceptance.operations import AcceptVehicles

    with clock.at("2026-03-31"):
        found = account(owner, condition, of)
        (row,) = feed(car(found, co2=f"{112 - grams}"))  # the target at 1,600 kg is 112.0474
        answer = do(AcceptVehicles(account=found.public_id, vehicles=[row["claim"]]), owner)
    assert answer["rows"][0] == {"vehicle": row["claim"], "outcome": "accepted", "credit_g": grams, "charge_g": 0}
    return found
