"""The registry's tests run on a database of their own each, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from . import databases


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A new database; the value is its DATABASE_URL ('' for SQLite)."""
    if request.param == "postgresql" and databases.server() is None:
        pytest.skip("no PostgreSQL server: set CLEANFLEET_TEST_PG or install one")
    with databases.fresh(request.param, tmp_path) as url:
        yield url
