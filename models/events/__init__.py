"""The event log, and what brings an event into it and out of it."""
