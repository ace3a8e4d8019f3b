"""Confirming a doubtful value: one officer proposes, another approves; from then on the register charges on it."""

from __future__ import annotations

from typing import Any

from cleanfleet.law.errors import near
from cleanfleet.registry.accounts import permissions
from cleanfleet.registry.ledger.operations import Action, Work
from cleanfleet.registry.refusals import Conflict, Forbidden, NotVisible

from . import law
from .models import Confirmation


class ProposeValue(Action):
    """Propose that the register may charge on a doubtful value of the law."""

    value: str

    def run(self, work: Work) -> dict[str, Any]:
        permissions.require_role(work.by, "case_officer")
        names = sorted(law.policy(work.today).program.values)
        if self.value not in names:
            raise NotVisible("not_found", f"the law has no value {self.value!r}; {near(self.value, names)}", field="value")
        if Confirmation.objects.filter(value=self.value, ended=None).exists():
            raise Conflict("proposed", f"value {self.value} is proposed or confirmed already", field="value")
        Confirmation.objects.create(value=self.value, proposed_by=work.by, proposed_id=work.number)
        return {"value": self.value, "state": "proposed"}


class ApproveValue(Action):
    """Approve a proposed value; not by who proposed it."""

    value: str

    def run(self, work: Work) -> dict[str, Any]:
        permissions.require_role(work.by, "approver")
        found = Confirmation.objects.filter(value=self.value, ended=None, approved=None).first()
        if found is None:
            raise Conflict("not_proposed", f"value {self.value} is not proposed", field="value")
        if found.proposed_by == work.by:
            raise Forbidden("own_case", "nobody approves what they proposed", field="value")
        found.approved_id = work.number
        found.save(update_fields=["approved"])
        return {"value": self.value, "state": "confirmed"}


class RevokeValue(Action):
    """Take a proposal or a confirmation back; what was charged stays as it is."""

    value: str

    def run(self, work: Work) -> dict[str, Any]:
        permissions.require_role(work.by, "approver")
        found = Confirmation.objects.filter(value=self.value, ended=None).first()
        if found is None:
            raise Conflict("not_proposed", f"value {self.value} is neither proposed nor confirmed", field="value")
        found.ended_id = work.number
        found.save(update_fields=["ended"])
        return {"value": self.value, "state": "revoked"}
