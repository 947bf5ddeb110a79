"""What a stranger, or one client, can do to the others: attacks that are bounded in time, and their effect."""
