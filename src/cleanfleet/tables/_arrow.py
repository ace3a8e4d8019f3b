"""PyArrow, which has no type stubs: imported here once, so that the exception to strict typing stands in one place."""

from __future__ import annotations

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv as pa_csv  # type: ignore[import-untyped]
import pyarrow.parquet as pa_parquet  # type: ignore[import-untyped]

__all__ = ["pa", "pa_csv", "pa_parquet"]
