"""Paths of the systems that Carillon replaces."""

from web.api.compat import chat, devices, inbox, polling, stats

__all__ = ["chat", "devices", "inbox", "polling", "stats"]
