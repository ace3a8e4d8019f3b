"""The registry's tests run on a database of their own each, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from . import databases

HERE = Path(__file__).parent
#: Rooms whose fast tests run on PostgreSQL too, as does what stands in no room; the others' runs there are slow tests.
ON_BOTH = {"ledger", "transfers"}


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A new database; the value is its DATABASE_URL ('' for SQLite)."""
    if request.param == "postgresql" and databases.server() is None:
        pytest.skip("no PostgreSQL server: set CLEANFLEET_TEST_PG or install one")
    with databases.fresh(request.param, tmp_path) as url:
        yield url


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Before tests are chosen by their marks."""
    for item in items:
        if item.path.parent == HERE or HERE not in item.path.parents or item.path.relative_to(HERE).parts[0] in ON_BOTH:
            continue
        call = getattr(item, "callspec", None)
        if call is not None and call.params.get("database") == "postgresql":
            item.add_marker(pytest.mark.slow)
