"""How far a notification has come."""

from __future__ import annotations

from enum import StrEnum


class NotificationState(StrEnum):
    """accepted -> expanded, and from either -> recalling -> recalled."""

    ACCEPTED = "accepted"
    EXPANDED = "expanded"
    RECALLING = "recalling"
    RECALLED = "recalled"


# From the moment a recall begins, nothing of the notification is shown any more.
WITHDRAWN = frozenset({NotificationState.RECALLING, NotificationState.RECALLED})
