"""Settings of the registry: one table, read from the environment, checked at start."""
