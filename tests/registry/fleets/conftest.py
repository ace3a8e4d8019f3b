"""Settings for fleets of years whose slopes aren't known."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def flat(monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo without weight adjustment: the annual targets as they stand (108 g/km for type A in 2026)."""
    from django.conf import settings

    monkeypatch.setitem(settings.OPTIONS, "CLEANFLEET_DEMO", True)
    monkeypatch.setitem(settings.OPTIONS, "CLEANFLEET_VALUES", ("no-weight-adjustment",))


@pytest.fixture
def overlay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Lay values over the law: ``overlay("name:\\n  - {...}")``; without weight adjustment."""
    from django.conf import settings

    def lay(text: str) -> None:
        path = tmp_path / "test-overlay.yaml"
        path.write_text(
            "overlay: test-overlay\ntitle: For a test\n"
            'defaults: {reference: {title: "for a test"}, confidence: D}\n'
            "values:\n  weight_adjustment:\n    - {value: none}\n" + text
        )
        monkeypatch.setitem(settings.OPTIONS, "CLEANFLEET_DEMO", True)
        monkeypatch.setitem(settings.OPTIONS, "CLEANFLEET_VALUES", (str(path),))

    return lay
