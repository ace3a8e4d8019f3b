"""Money that comes in and goes back: payments, the provider's messages, receipts. Knows nothing of what is paid for."""
