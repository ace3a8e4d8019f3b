"""The fleet average (category 1): applications, fleet years, their determination and settlement, deferral, corrections."""
