"""Acceptance: vehicles become the account's own, credits are earned, charges are met, and the vehicle is cleared."""
