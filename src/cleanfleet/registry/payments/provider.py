"""The interface of payment providers, and one that runs here for demos and tests.

A provider is never called inside a transaction: a payment is created by an operation, started afterwards, and what the provider
says of it comes back as signed messages (webhooks), perhaps late, twice or never.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from cleanfleet.registry.refusals import Forbidden, Invalid


class Started(NamedTuple):
    """A payment at the provider: its reference there, and the address where the payer goes on ('' if nowhere)."""

    reference: str
    url: str


class Event(NamedTuple):
    """What a provider says: its message's id, our payment's id, the outcome (a key of :data:`.states.OUTCOMES`), the cents."""

    event: str
    payment: str
    outcome: str
    cents: int


class Provider(Protocol):
    """A payment provider."""

    name: str

    def start(self, payment: str, cents: int) -> Started:
        """Begin to collect; called again with the same payment it begins nothing new."""

    def refund(self, reference: str, cents: int) -> None:
        """Give back; called again it gives nothing more."""

    def read(self, body: bytes, signature: str) -> Event:
        """A message, after its signature was verified. Raises :class:`Forbidden` for a wrong one, :class:`Invalid` for nonsense."""


class LocalProvider:
    """A provider that runs in this process: what comes of a payment is decided by whoever plays the payer.

    ``play(payment, outcome)`` gives the signed message that a real provider would send; nothing is sent by itself.
    """

    name = "local"

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self.started: dict[str, int] = {}
        self.refunds: dict[str, int] = {}
        self._events = 0

    def start(self, payment: str, cents: int) -> Started:
        self.started.setdefault(payment, cents)
        return Started(f"local-{payment}", "")

    def refund(self, reference: str, cents: int) -> None:
        self.refunds.setdefault(reference, cents)

    def play(self, payment: str, outcome: str, cents: int | None = None, event: str | None = None) -> tuple[bytes, str]:
        """The message (body, signature) that tells the outcome; the same ``event`` again is the same message."""
        self._events += 1
        data = {
            "event": event or f"local-{payment}-{self._events}",
            "payment": payment,
            "outcome": outcome,
            "cents": self.started.get(payment, 0) if cents is None else cents,
        }
        body = json.dumps(data, sort_keys=True).encode()
        return body, self._sign(body)

    def _sign(self, body: bytes) -> str:
        return hmac.new(self._secret, body, hashlib.sha256).hexdigest()

    def read(self, body: bytes, signature: str) -> Event:
        if not hmac.compare_digest(self._sign(body), signature):
            raise Forbidden("bad_signature", "the message's signature doesn't fit")
        return event_of(json.loads(body))


def event_of(data: Mapping[str, Any]) -> Event:
    """An event from a message's fields; :class:`Invalid` names the first that is missing or wrong."""
    from .states import OUTCOMES

    kinds: tuple[tuple[str, type], ...] = (("event", str), ("payment", str), ("outcome", str), ("cents", int))
    for name, kind in kinds:
        if not isinstance(data.get(name), kind) or isinstance(data.get(name), bool):
            raise Invalid("bad_message", f"{name} is {data.get(name)!r}; allowed is {kind.__name__}", field=name)
    if data["outcome"] not in OUTCOMES:
        raise Invalid("bad_message", f"outcome is {data['outcome']!r}; allowed are {', '.join(OUTCOMES)}", field="outcome")
    return Event(data["event"], data["payment"], data["outcome"], data["cents"])
