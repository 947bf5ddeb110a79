"""Carillon for services that share its database: notifications, alerts and events in the service's own transaction.

    import carillon

    carillon.configure("postgresql+psycopg://…", "redis://…", tenant="acme")
    with engine.begin() as connection:
        ...  # the service's own work
        carillon.NotificationHandler.create_and_emit(
            account_key="acme", target_user_key="alice", title="New task", message="…", connection=connection
        )

Every function that writes takes `connection`: an SQLAlchemy Connection or Session of the shared database. What it says
is then part of that transaction: nobody hears of it unless it commits, and the workers are rung for when it has.
Without one the function makes a transaction of its own. A service that does not share the database calls the HTTP API.

Say it late: the number of an event is given when it is written, and whoever else writes to the same room waits for the
end of the transaction. Where one transaction tells several rooms, tell users before their tenant.
"""

from carillon.alerts import AlertHandler
from carillon.events import EventEmitter
from carillon.installation import configure
from carillon.notifications import NotificationHandler
from carillon.sessions import get_connection_metrics, get_user_sessions, send_direct_message
from carillon.simple import (
    get_notifications_for_user,
    save_notification,
    send_broadcast_notification,
    send_notification,
)
from carillon.sns import (
    broadcast_notification,
    broadcast_order_event,
    broadcast_sns_event,
    carillon_sns_publish_success,
    notify_sns_publish_success,
)

__all__ = [
    "AlertHandler",
    "EventEmitter",
    "NotificationHandler",
    "broadcast_notification",
    "broadcast_order_event",
    "broadcast_sns_event",
    "carillon_sns_publish_success",
    "configure",
    "get_connection_metrics",
    "get_notifications_for_user",
    "get_user_sessions",
    "notify_sns_publish_success",
    "save_notification",
    "send_broadcast_notification",
    "send_direct_message",
    "send_notification",
]
