"""Credits between accounts: offers, the holder's own accounts, exchange between new and used; and credits that expire."""
