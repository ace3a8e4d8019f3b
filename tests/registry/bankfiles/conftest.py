"""Fleets of years whose slopes aren't known, as the fleets' own tests have them."""

from __future__ import annotations

from registry.fleets.conftest import flat

__all__ = ["flat"]
