"""Why an operation is refused: a code, one message, the field, and the HTTP status that an API answers with."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """The operation wasn't done and nothing was written.

    ``code`` is for programs and doesn't change; ``message`` names the field, the value and what is allowed; ``field`` is the
    input's field where one is to blame; ``details`` holds figures (needed, free, ...) that a page can show.
    """

    status = 422

    def __init__(self, code: str, message: str, *, field: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.code, self.message, self.field, self.details = code, message, field, details

    def problem(self) -> dict[str, Any]:
        """The refusal as a problem+json object (RFC 9457)."""
        found: dict[str, Any] = {"type": f"urn:cleanfleet:{self.code}", "title": self.message, "status": self.status}
        if self.field is not None:
            found["field"] = self.field
        return {**found, **self.details}


class Invalid(Refusal):
    """The input can't be read."""


class NotVisible(Refusal):
    """There is nothing of that id that the principal may see; whether it exists isn't told."""

    status = 404


class Forbidden(Refusal):
    """The principal sees it, but may not do this."""

    status = 403


class Conflict(Refusal):
    """The thing isn't in a state that allows it, or the key was used for something else."""

    status = 409


class Short(Conflict):
    """Not enough credits, money or grams owed: the message names pool, vintage, needed, free and reserved."""


class NotDetermined(Refusal):
    """The law as read doesn't tell; ``details['missing']`` names what is lacking."""


class Busy(Refusal):
    """The database is busy; the same operation with the same key may be tried again."""

    status = 503
