"""Recall a notification: cancel what is pending, and withdraw what was shown."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from actions.audit import record
from actions.installation import Installation
from actions.principal import Principal
from actions.problems import not_found
from models.notifications import recall as notification_recall
from models.notifications.queries import find_notification
from models.sql.engine import write


class Recall(NamedTuple):
    """How far a recall is. `begun`: this call began it."""

    id: UUID
    state: str
    begun: bool


def recall(installation: Installation, caller: Principal, notification_id: UUID) -> Recall:
    """Begin the recall, or report how far it is. Raises Problem (404)."""
    with write(installation.engine) as connection:
        result, lane = recall_in(connection, installation, caller, notification_id)
    if result.state == "recalling":
        installation.bells.expand(result.id, lane)
    return result


def recall_in(
    connection: Connection, installation: Installation, caller: Principal, notification_id: UUID
) -> tuple[Recall, int]:
    """Recall in the caller's transaction. Returns the lane to ring with after the commit. Raises Problem (404)."""
    found = find_notification(connection, caller.tenant, notification_id)
    # A test key cannot recall what a live key sent, and the other way round.
    if found is None or found.mode != caller.mode:
        raise not_found("notification")
    begun = notification_recall.recall(connection, caller.tenant, notification_id, installation.now())
    if begun:
        record(connection, installation, caller, "notification.recall", str(notification_id), mode=caller.mode)
    # Read again: another call may have begun it between the two statements.
    now_found = find_notification(connection, caller.tenant, notification_id)
    state = now_found.state if now_found is not None else found.state
    return Recall(notification_id, state, begun), found.lane
