"""Rooms: the unit of ordering and of authorisation in the event log."""
