"""What is due when: deadlines of an account, what it owes with rates and days, and the notices that are made of them."""
