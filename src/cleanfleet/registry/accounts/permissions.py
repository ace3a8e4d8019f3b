"""Who may see and do what: one place, asked by every operation and query.

A holder's permission is a row (principal, account, verb); the agency's is a role. Roles are named ``agency:<role>`` where
permissions are compared, the system's own work ``system``. There is no principal who may do everything, and on the accounts of a
holder that they belong to themselves nobody has a role at the agency.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db.models import Exists, OuterRef, Q, QuerySet

from cleanfleet.registry.ledger import rows
from cleanfleet.registry.ledger.models import Principal
from cleanfleet.registry.refusals import Forbidden, NotVisible
from cleanfleet.registry.states import OWN_CASE

from .models import Account, AgencyRole, Grant, Holder

#: The verbs that can be granted on an account; ``owner`` stands for the account's owner alone.
VERBS = ("view", "manage_users", "accept_vehicles", "transfer_credits", "edit_details")
OWNER = "owner"
ROLES = ("case_officer", "approver", "finance", "support", "auditor", "administrator")
#: Roles that see every account.
SEEING = ("case_officer", "approver", "finance", "support", "auditor")
SYSTEM = "system"
_SEES = {SYSTEM, OWNER, "view", *(f"agency:{role}" for role in SEEING)}
#: Every operation asks this, so it is one statement.
_HELD = """SELECT 'agency:' || role FROM accounts_agencyrole WHERE principal_id = %s AND ended_id IS NULL
UNION ALL SELECT verb FROM accounts_grant WHERE principal_id = %s AND account_id = %s AND ended_id IS NULL"""


def system() -> Principal:
    """The principal of the registry's own work: daily jobs, time-outs, feeds."""
    return Principal.objects.get_or_create(public_id=SYSTEM, defaults={"kind": SYSTEM})[0]


def roles(principal: Principal) -> set[str]:
    """The principal's agency roles."""
    return set(AgencyRole.objects.filter(principal=principal, ended=None).values_list("role", flat=True))


def permissions(principal: Principal, account: Account | None = None) -> set[str]:
    """All that the principal may claim: verbs on the account, ``agency:`` roles, ``system``.

    Who has any permission on an account of the holder's has no agency role there, but ``own_case`` instead.
    """
    found = {verb for (verb,) in rows.select(_HELD, [principal.pk, principal.pk, None if account is None else account.pk])}
    agency = {verb for verb in found if verb.startswith("agency:")}
    if agency and account is not None and own(principal, account.holder_id):
        found = found - agency | {OWN_CASE}
    if principal.kind == SYSTEM:
        found.add(SYSTEM)
    if OWNER in found:
        found |= set(VERBS)
    return found


def own(principal: Principal, holder: int) -> bool:
    """Whether a case of the holder (its key) is the principal's own: they have a permission on one of its accounts, or put it down
    and it has none yet."""
    return (
        Grant.objects.filter(principal=principal, account__holder=holder, ended=None).exists()
        or Holder.objects.filter(pk=holder, registered_by=principal, accounts=None).exists()
    )


def visible_to(principal: Principal) -> QuerySet[Account]:
    """The accounts that the principal may see."""
    if principal.kind == SYSTEM:
        return Account.objects.all()
    granted = Grant.objects.filter(account=OuterRef("pk"), principal=principal, ended=None, verb__in=("view", OWNER))
    seeing = AgencyRole.objects.filter(principal=principal, ended=None, role__in=SEEING)
    return Account.objects.filter(Exists(granted) | Exists(seeing))


#: How upper rooms find accounts by other names: functions of a text that give accounts' ids.
_OTHER_NAMES: list[Callable[[str], list[str]]] = []


def also_known_by(find: Callable[[str], list[str]]) -> None:
    """Let an upper room find accounts by a name of its own: ``find(text)`` gives the ids of those that have it."""
    _OTHER_NAMES.append(find)


def account_for(principal: Principal, public_id: str) -> Account:
    """The account of that id or number; :class:`NotVisible` where the principal may not see it, existing or not.

    Where there is none, the one account that has the text as another name; several are none.
    """
    known = Q(public_id=public_id) | Q(number=public_id.upper())
    found = list(Account.objects.filter(known).select_related("holder")[:1])
    if not found:
        others = [one for find in _OTHER_NAMES for one in find(public_id)]
        found = list(visible_to(principal).filter(public_id__in=others).select_related("holder")[:2]) if others else []
    if len(found) != 1 or not sees(principal, permissions(principal, found[0])):
        raise NotVisible("not_found", f"there is no account {public_id!r} that you may see", field="account")
    return found[0]


def sees(principal: Principal, held: set[str]) -> bool:
    """Whether these permissions (on an account) let it be seen; the same as :func:`visible_to` asks in sets."""
    return bool(held & _SEES) or (OWN_CASE in held and bool(roles(principal) & set(SEEING)))


def require(principal: Principal, account: Account, *wanted: str) -> set[str]:
    """The principal's permissions on the account; :class:`Forbidden` where none of the wanted ones is among them."""
    return must_hold(permissions(principal, account), account, *wanted)


def must_hold(held: set[str], account: Account, *wanted: str) -> set[str]:
    """:class:`Forbidden` where none of the wanted permissions is among those held on the account."""
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
