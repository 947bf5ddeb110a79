"""Everything that passes through Redis or the broker."""
