"""The law as the registry reads it: the policy of the day, and the doubtful values that the agency has confirmed."""
