"""Reading and writing lists of records: files in, typed batches out, and results into files.

This room knows no country and no policy: it is handed the columns (:class:`cleanfleet.law.columns.Column`).
"""

from __future__ import annotations

from .explain import explain_refusal
from .layout import Layout, load_layout, presets
from .table import Batch, Table, read
from .writers import Writer, writer

__all__ = ["Batch", "Layout", "Table", "Writer", "explain_refusal", "load_layout", "presets", "read", "writer"]
