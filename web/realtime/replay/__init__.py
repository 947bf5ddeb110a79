"""What a client missed: positions, replay, and healing of gaps."""
