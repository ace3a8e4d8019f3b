"""Independent oracles: the laws written a second time, one record at a time, to check the real implementation."""
