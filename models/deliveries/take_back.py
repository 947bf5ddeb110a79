"""A page of a recall: cancel what is pending, and withdraw what was shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select, update

from models.channels import IN_APP
from models.deliveries.lifecycle import OPEN, Failure, State
from models.deliveries.message import Action
from models.deliveries.tables import deliveries
from models.deliveries.withdrawals import write_withdrawals
from models.deliveries.write_deliveries import constants, new_deliveries, to_room
from models.events.log import event_in_each, raise_heads
from models.events.vocabulary import NOTIFICATION_DELETED
from models.inbox.tables import inbox
from models.notifications.queries import Notification
from models.rooms.tables import rooms
from models.sql.locks import lock_rows
from models.sql.statements import execute_as_one, in_ids


def take_back(connection: Connection, notification: Notification, user_ids: Sequence[int], now: datetime) -> set[str]:
    """Cancel what is pending, and withdraw what may be on screens. Returns the channels with withdrawals to claim."""
    this = deliveries.c.notification_id == notification.id
    recipient = deliveries.c.user_id
    lock_rows(connection, rooms, in_ids(connection, rooms.c.user_id, user_ids))
    theirs = (this, in_ids(connection, recipient, user_ids), deliveries.c.action == Action.SHOW.value)
    # What is claimed at this moment is being sent afterwards, and withdrawn.
    lock_rows(connection, deliveries, *theirs, deliveries.c.state.in_([state.value for state in OPEN]))
    channels = write_withdrawals(connection, now, *theirs)
    connection.execute(
        update(deliveries)
        .where(*theirs, deliveries.c.state == State.PENDING.value)
        .values(state=State.CANCELLED.value, due_at=None, failure=Failure.POLICY.value, reason="recalled")
    )
    connection.execute(
        update(inbox)
        .where(inbox.c.notification_id == notification.id, in_ids(connection, inbox.c.user_id, user_ids))
        .values(deleted_at=func.coalesce(inbox.c.deleted_at, now))
    )
    withdrawn = constants(notification, now, action=Action.WITHDRAW.value)
    if notification.mode == "live":
        # The event is in the log whether or not it was published, so every room gets its withdrawal.
        in_app = select(recipient).where(*theirs, deliveries.c.channel == IN_APP)
        with_event = connection.execute(in_app).scalars().all()
        if with_event:
            raised = raise_heads(connection, in_ids(connection, rooms.c.user_id, with_event))
            execute_as_one(
                connection,
                event_in_each(raised, NOTIFICATION_DELETED, notification.id, None, now, notification.expires_at),
                new_deliveries(connection, {**withdrawn, **to_room(raised.c.user_id, raised.c.head)}),
            )
            channels.add(IN_APP)
    return channels
