"""Polling by time, for clients that keep no cursor."""
