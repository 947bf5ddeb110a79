"""Connections: admission, sessions, limits, dispatch of client events."""
