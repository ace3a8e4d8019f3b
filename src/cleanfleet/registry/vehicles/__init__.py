"""Vehicles, what is known of them, and which account claims them."""
