"""What an account's holder and an auditor read: statements for a period, and the book as a beancount journal."""
