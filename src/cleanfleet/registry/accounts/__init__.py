"""Who holds an account, who may do what on it, and in which state it is."""
