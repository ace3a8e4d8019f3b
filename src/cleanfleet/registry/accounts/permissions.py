"""Who may see and do what: one place, asked by every operation and query.

A holder's permission is a row (principal, account, verb); the agency's is a role. Roles are named ``agency:<role>`` where
permissions are compared, the system's own work ``system``. There is no principal who may do everything, and on the accounts of a
holder that they belong to themselves nobody has a role at the agency.
"""

from __future__ import annotations

from django.db.models import Q, QuerySet

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
    found = {f"agency:{role}" for role in roles(principal)}
    if found and account is not None and own(principal, account.holder_id):
        found = {OWN_CASE}
    if principal.kind == SYSTEM:
        found.add(SYSTEM)
    if account is not None:
        found |= set(Grant.objects.filter(principal=principal, account=account, ended=None).values_list("verb", flat=True))
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
    if principal.kind == SYSTEM or roles(principal) & set(SEEING):
        return Account.objects.all()
    seeing = Q(grants__principal=principal, grants__ended=None, grants__verb__in=("view", OWNER))
    return Account.objects.filter(seeing).distinct()


def account_for(principal: Principal, public_id: str) -> Account:
    """The account of that id or number; :class:`NotVisible` where the principal may not see it, existing or not."""
    found = (
        visible_to(principal).filter(Q(public_id=public_id) | Q(number=public_id.upper())).select_related("holder").first()
    )
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
