"""Paths of the systems that Carillon replaces."""

from web.api.compat import devices, inbox, polling, stats

__all__ = ["devices", "inbox", "polling", "stats"]
