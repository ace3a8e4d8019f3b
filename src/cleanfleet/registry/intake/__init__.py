"""Taking in another register's accounts, lots, charges, vehicles and histories; and handing this one's out in the same form."""
