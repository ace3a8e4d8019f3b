"""Private texts of operations: reading them, and erasing them.

The texts of one operation have one salt, so they are erased together: text and salt go, and what is left in the operation's
input, its digest, tells nothing any more. The row stays and says which operation erased it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from .models import PrivateText
from .operations import Work, chunks

#: What stands where a text was.
ERASED = "erased"


def of(operations: Iterable[int]) -> dict[int, dict[str, str]]:
    """Operation -> field -> text; an erased text is ``erased``."""
    found: dict[int, dict[str, str]] = defaultdict(dict)
    for _, part in chunks(sorted(set(operations))):
        rows = PrivateText.objects.filter(operation_id__in=part)
        for operation, field, text, erased in rows.values_list("operation_id", "field", "text", "erased_id"):
            found[operation][field] = text if erased is None else ERASED
    return found


def erase(work: Work, operations: Collection[int]) -> int:
    """Erase all private texts of the operations, by the running one; the number of texts. Those erased before are left out."""
    erased = 0
    for _, part in chunks(sorted(set(operations))):
        rows = PrivateText.objects.filter(operation_id__in=part, erased=None)
        erased += rows.update(text="", salt="", erased_id=work.number)
    return erased
