"""Expand, deliver, relay: the only package that knows Celery."""
