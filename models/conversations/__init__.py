"""Conversations: rooms of the log whose members write to each other."""
