"""Messages: what the members of a conversation write."""
