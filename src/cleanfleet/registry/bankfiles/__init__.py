"""What the bank says: statements of the agency's collection accounts, matched entry by entry; mandates and files of direct debits."""
