"""Erasing a person's or a former holder's texts, and what stands against it."""
