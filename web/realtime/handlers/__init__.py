"""One module per kind of client event."""
