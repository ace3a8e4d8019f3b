"""Writing a package that was approved: accounts, balances out of the bucket ``opening``, vehicles, histories; set by set.

Grams of credit: opening -> held (and -> expired, for what expired unused before); grams of charge: opening -> owed; cents: opening ->
unallocated, refund_due or payable. All of it is one operation: there is no moment at which half of a register stands in the book.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db.models import Sum

from cleanfleet.registry import ids
from cleanfleet.registry.accounts.models import Account, Grant, Holder, Person
from cleanfleet.registry.accounts.permissions import OWNER
from cleanfleet.registry.fleets.models import Application, Standing
from cleanfleet.registry.ledger import rows
from cleanfleet.registry.ledger.models import Balance, Principal
from cleanfleet.registry.ledger.operations import Work
from cleanfleet.registry.payments.models import Payment
from cleanfleet.registry.payments.operations import MONEY

from . import control
from .against import parts
from .amounts import Identity, identity, unit_owed
from .cells import Read, Values
from .links import accounts
from .models import History, Intake, Origin
from .report import Report

OPENING = "opening"
#: Purpose of the payments that an intake brings: money that came or is to go back, as any other payment's.
PURPOSE = "intake"


def insert(table: str, columns: str, found: Sequence[Sequence[Any]]) -> None:
    """Add rows; ``columns`` separated by blanks."""
    if found:
        rows.insert(table, columns.split(), found)


def numbers(table: str, count: int) -> list[int]:
    return rows.numbers(table, "id", count) if count else []


class Opening:
    """One package on its way into the book. ``accounts`` and ``holders`` map the package's keys to rows here."""

    def __init__(self, work: Work, intake: Intake, report: Report) -> None:
        self.work, self.intake, self.report = work, intake, report
        self.values: Values = report.values
        self.people: dict[str, Principal] = {}
        self.holders: dict[str, Holder] = {}
        self.accounts: dict[str, Account] = {}
        self.buckets: dict[tuple[str, str, str], int] = {}

    def run(self) -> None:
        """Everything but vehicles and fleet years, which come on top (:mod:`.posting_cars`, :mod:`.posting_fleets`)."""
        self._people()
        self._holders()
        self._accounts()
        self._grants()
        self._standings()
        self._origins()
        self._make_buckets()
        self._lots()
        self._charges()
        self._money()
        self._history()

    def _people(self) -> None:
        work = self.work
        new = [row for row in self.values["persons"] if not row.get("registered_as")]
        made = Principal.objects.bulk_create(Principal(public_id=work.id("per"), kind="person") for _ in new)
        pairs = list(zip(new, made, strict=True))
        Person.objects.bulk_create(Person(principal=p, name=row["full_name"], email=row["email"]) for row, p in pairs)
        self.people = {row["person"]: principal for row, principal in pairs}
        known = {row["registered_as"]: row["person"] for row in self.values["persons"] if row.get("registered_as")}
        for some in parts(known):
            for principal in Principal.objects.filter(public_id__in=some):
                self.people[known[principal.public_id]] = principal

    def _holders(self) -> None:
        given = self.values["holders"]
        made = Holder.objects.bulk_create(
            Holder(
                public_id=self.work.id("hld"),
                kind=row["kind"],
                name=row["name"],
                address=row["address"],
                aml=row.get("aml", "unverified"),
                aml_reviewed_on=row.get("aml_reviewed_on"),
            )
            for row in given
        )
        self.holders = {row["holder"]: holder for row, holder in zip(given, made, strict=True)}

    def _accounts(self) -> None:
        given = self.values["accounts"]
        made = [
            Account(
                owner_id=number,
                public_id=public_id,
                number=ids.account_number(number),
                holder=self.holders[row["holder"]],
                condition=row["condition"],
                scheme=row["scheme"],
                name=row["name"],
                state=row["state"],
                opened_on=row["opened_on"],
                state_since=row.get("state_since", row["opened_on"]),
                state_reason=row.get("state_reason", ""),
                suspended_until=row.get("suspended_until"),
                appealed_on=row.get("appealed_on"),
                answer_by=row.get("answer_by"),
                auto_accept_below=row.get("auto_accept_below", False),
                auto_accept_above=row.get("auto_accept_above", False),
                listed=row.get("listed", False),
            )
            for row, (number, public_id) in zip(given, self.work.owners(len(given)), strict=True)
        ]
        Account.objects.bulk_create(made)
        self.accounts = {row["account"]: account for row, account in zip(given, made, strict=True)}

    def _grants(self) -> None:
        wanted = [(row["owner"], row["account"], OWNER) for row in self.values["accounts"]]
        wanted += [(row["person"], row["account"], row["verb"]) for row in self.values["grants"]]
        Grant.objects.bulk_create(
            Grant(principal=self.people[who], account=self.accounts[on], verb=verb, begun_id=self.work.number)
            for who, on, verb in wanted
        )

    def _standings(self) -> None:
        """Who is under fleet average: the old register's approval, as an application that was decided there."""
        work, owners = self.work, {row["holder"]: row["owner"] for row in self.values["accounts"]}
        given = [row for row in self.values["holders"] if row.get("fleet_since") and row["holder"] in owners]
        applied = Application.objects.bulk_create(
            Application(
                public_id=work.id("fla"),
                holder=self.holders[row["holder"]],
                first_year=row["fleet_since"].year,
                state="approved",
                declaration_version="intake",
                declared_by=self.people[owners[row["holder"]]],
                declared_at=work.now,
                applicant_insolvency=row["applicant_insolvency"],
                related_party_insolvency=row["related_party_insolvency"],
                begun_id=work.number,
                ended_id=work.number,
            )
            for row in given
        )
        Standing.objects.bulk_create(
            Standing(
                holder=application.holder,
                application=application,
                state=row["fleet_state"],
                starts_on=row["fleet_since"],
                state_since=work.today,
            )
            for row, application in zip(given, applied, strict=True)
        )

    def _origins(self) -> None:
        texts = {
            (kind, row[kind]): self.values.operations[table, row.number]
            for table, kind in (("persons", "person"), ("holders", "holder"))
            for row in self.values[table]
        }
        every: list[tuple[str, str, Any]] = [
            *(("person", key, one) for key, one in self.people.items()),
            *(("holder", key, one) for key, one in self.holders.items()),
            *(("account", key, one) for key, one in self.accounts.items()),
        ]
        found = [(kind, key, one.public_id, texts.get((kind, key))) for kind, key, one in every]
        head = (self.intake.pk, self.intake.register)
        insert(Origin._meta.db_table, "intake_id register kind key public_id staged_id", [(*head, *one) for one in found])

    def _make_buckets(self) -> None:
        """All buckets of the new accounts that the package fills, at once."""
        places = [(account, *place(unit)) for account, unit in control.sums(self.values)]
        of = accounts(self.values)
        places += [
            (row["account"], "held", f"credit:{of[row['account']]['condition']}")
            for row in self.values["lots"]
            if row.get("expired_g")
        ]
        wanted = sorted(set(places))
        found = numbers("ledger_bucket", len(wanted))
        self.buckets = dict(zip(wanted, found, strict=True))
        insert(
            "ledger_bucket",
            "id owner_id kind unit_id",
            [
                (number, self.accounts[account].pk, kind, self.work.unit(unit))
                for (account, kind, unit), number in self.buckets.items()
            ],
        )

    def _open(self, account: str, kind: str, unit: str, amount: int, **more: Any) -> None:
        source = self.work.bucket(None, OPENING, unit)
        about = {"subject": self.intake.pk, "about": PURPOSE, **more}
        self.work.move(unit, source, self.buckets[account, kind, unit], amount, **about)

    def _lots(self) -> None:
        keys: dict[str, Identity] = {}
        every: dict[Identity, None] = {}
        for row in self.values["lots"]:
            this = identity(row)
            every[this] = None
            if row.get("lot"):
                keys[row["lot"]] = this
        lots = dict(zip(every, numbers("ledger_lot", len(every)), strict=True))
        insert(
            "ledger_lot",
            "id unit_id owner_id vintage earned_on origin_id",
            [
                (
                    number,
                    self.work.unit(f"credit:{this.pool}"),
                    self.accounts[this.earned_by].pk,
                    this.vintage,
                    this.earned_on,
                    lots[keys[this.origin]] if this.origin else None,
                )
                for this, number in lots.items()
            ],
        )
        for row in self.values["lots"]:
            unit, lot, gone = f"credit:{row['pool']}", lots[identity(row)], row.get("expired_g", 0)
            if row["grams"] + gone:
                self._open(row["account"], "held", unit, row["grams"] + gone, lot=lot)
            if gone:
                held, expired = self.buckets[row["account"], "held", unit], self.work.bucket(None, "expired", unit)
                self.work.move(unit, held, expired, gone, lot=lot, subject=self.intake.pk, about=PURPOSE)

    def _charges(self) -> None:
        of = accounts(self.values)
        for row in self.values["charges"]:
            self._open(row["account"], "owed", unit_owed(of[row["account"]], row), row["grams"])

    def _money(self) -> None:
        """Money in hand stands on a payment of its own, so that it is given back as any other is."""
        payments, seen = [], Counter[str]()
        for row in self.values["money"]:
            self._open(row["account"], row["bucket"], MONEY, row["cents"])
            state = {"unallocated": "late", "refund_due": "refund_due"}.get(row["bucket"])
            if state is not None:
                reference = row.get("reference", "")
                seen[reference] += 1  # a reference is unique for each provider, and there may have been several
                payments.append(
                    Payment(
                        public_id=self.work.id("pay"),
                        account=self.accounts[row["account"]],
                        cents=row["cents"],
                        state=state,
                        purpose=PURPOSE,
                        subject=self.intake.pk,
                        provider=f"{PURPOSE}-{self.intake.pk}-{seen[reference]}",
                        reference=reference,
                        begun_id=self.work.number,
                        expires_at=self.work.now,
                    )
                )
        Payment.objects.bulk_create(payments)

    def _history(self) -> None:
        insert(
            History._meta.db_table,
            "account_id intake_id line date operation unit bucket vintage amount vehicle reference",
            [
                (
                    self.accounts[row["account"]].pk,
                    self.intake.pk,
                    row.number,
                    row["date"],
                    row["operation"],
                    row["unit"],
                    row.get("bucket", ""),
                    row.get("vintage"),
                    row["amount"],
                    row.get("vehicle", ""),
                    row.get("reference", ""),
                )
                for row in self.values["history"]
            ],
        )

    def verify(self) -> None:
        """Compare what stands in the new accounts' buckets now with what the package brought. Raises :class:`ArithmeticError`."""
        self.work.post()
        should = {(account, *place(unit)): amount for (account, unit), amount in control.sums(self.values).items()}
        keys = {account.pk: key for key, account in self.accounts.items()}
        found: dict[tuple[str, str, str], int] = {}
        for some in parts(keys):
            stands = Balance.objects.filter(bucket__owner_id__in=some, amount__gt=0)
            told = stands.values_list("bucket__owner_id", "bucket__kind", "bucket__unit__code").annotate(n=Sum("amount"))
            found |= {(keys[owner], kind, unit): int(n) for owner, kind, unit, n in told}
        if found != should:
            wrong = sorted(place for place in found.keys() | should.keys() if found.get(place) != should.get(place))
            raise ArithmeticError(f"{wrong[0]} stands at {found.get(wrong[0])}, the package has {should.get(wrong[0])}")


def place(unit: str) -> tuple[str, str]:
    """(bucket, unit of the book) for a unit of a control total."""
    kind, _, bucket = unit.partition(":")
    return {"credit": ("held", unit), "charge": ("owed", unit)}.get(kind, (bucket, MONEY))


def by(found: Iterable[Read], key: Callable[[Read], Any]) -> dict[Any, list[Read]]:
    """Rows by what ``key`` gives, in the order in which each first comes."""
    groups: dict[Any, list[Read]] = {}
    for row in found:
        groups.setdefault(key(row), []).append(row)
    return groups
