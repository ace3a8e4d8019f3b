"""What is done after acceptance: corrections, withdrawals, and charges that are owed and met later."""
