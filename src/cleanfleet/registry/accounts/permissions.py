"""Who may see and do what: one place, asked by every operation and query.

A holder's permission is a row (principal, account, verb); the agency's is a role. Roles are named ``agency:<role>`` where
permissions are compared, the system's own work ``system``. There is no principal who may do everything.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db.models import Q, QuerySet

from cleanfleet.registry.ledger.models import Principal
from cleanfleet.registry.refusals import Forbidden, NotVisible

from .models import Account, AgencyRole, Grant

#: The verbs that can be granted on an account; ``owner`` stands for the account's owner alone.
VERBS = ("view", "manage_users", "accept_vehicles", "transfer_credits", "edit_details")
OWNER = "owner"
ROLES = ("case_officer", "approver", "finance", "support", "auditor", "administrator")
#: Roles that see every account.
SEEING = ("case_officer", "approver", "finance", "support", "auditor")
SYSTEM = "system"


def system() -> Principal:
    """The principal of the registry's own work: daily jobs, time-outs, feeds."""
    return Principal.objects.get_or_create(public_id=SYSTEM, defaults={"kind": SYSTEM})[0]


def roles(principal: Principal) -> set[str]:
    """The principal's agency roles."""
    return set(AgencyRole.objects.filter(principal=principal, ended=None).values_list("role", flat=True))


def permissions(principal: Principal, account: Account | None = None) -> set[str]:
    """All that the principal may claim: verbs on the account, ``agency:`` roles, ``system``."""
    found = {f"agency:{role}" for role in roles(principal)}
    if principal.kind == SYSTEM:
        found.add(SYSTEM)
    if account is not None:
        found |= set(Grant.objects.filter(principal=principal, account=account, ended=None).values_list("verb", flat=True))
        if OWNER in found:
            found |= set(VERBS)
    return found


def visible_to(principal: Principal) -> QuerySet[Account]:
    """The accounts that the principal may see."""
    if principal.kind == SYSTEM or roles(principal) & set(SEEING):
        return Account.objects.all()
    seeing = Q(grants__principal=principal, grants__ended=None, grants__verb__in=("view", OWNER))
    return Account.objects.filter(seeing).distinct()


#: How upper rooms find accounts by other names: functions of a text that give accounts' ids.
_OTHER_NAMES: list[Callable[[str], list[str]]] = []


def also_known_by(find: Callable[[str], list[str]]) -> None:
    """Let an upper room find accounts by a name of its own: ``find(text)`` gives the ids of those that have it."""
    _OTHER_NAMES.append(find)


def account_for(principal: Principal, public_id: str) -> Account:
    """The account of that id or number; :class:`NotVisible` where the principal may not see it, existing or not.

    Where there is none, the one account that has the text as another name; several are none.
    """
    seen = visible_to(principal).select_related("holder")
    found = seen.filter(Q(public_id=public_id) | Q(number=public_id.upper())).first()
    if found is None:
        named = list(seen.filter(public_id__in=[one for find in _OTHER_NAMES for one in find(public_id)])[:2])
        found = named[0] if len(named) == 1 else None
    if found is None:
        raise NotVisible("not_found", f"there is no account {public_id!r} that you may see", field="account")
    return found


def require(principal: Principal, account: Account, *wanted: str) -> set[str]:
    """The principal's permissions on the account; :class:`Forbidden` where none of the wanted ones is among them."""
    held = permissions(principal, account)
    if not held & set(wanted):
        raise Forbidden(
            "forbidden", f"this needs the permission {' or '.join(wanted)} on account {account.number}", needed=list(wanted)
        )
    return held


def require_role(principal: Principal, *wanted: str) -> None:
    """:class:`Forbidden` unless the principal has one of the agency's roles."""
    if not roles(principal) & set(wanted) and not (SYSTEM in wanted and principal.kind == SYSTEM):
        raise Forbidden(
            "forbidden", f"this needs the agency role {' or '.join(wanted)}", needed=[f"agency:{w}" for w in wanted]
        )
