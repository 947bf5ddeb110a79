"""Paths of the systems that Carillon replaces."""

from web.api.compat import devices, inbox, polling

__all__ = ["devices", "inbox", "polling"]
