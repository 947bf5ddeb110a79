"""Notifications: what was asked for."""
