"""Alerts: one shared state for a whole tenant."""
