"""Celery: tasks one call long; expand, deliver, publish, relay, housekeeping."""
