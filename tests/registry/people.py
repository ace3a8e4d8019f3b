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
