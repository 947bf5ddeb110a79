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

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_MODULES = {
    "AlertHandler": "alerts",
    "EventEmitter": "events",
    "NotificationHandler": "notifications",
    "broadcast_notification": "sns",
    "broadcast_order_event": "sns",
    "broadcast_sns_event": "sns",
    "carillon_sns_publish_success": "sns",
    "configure": "installation",
    "get_connection_metrics": "sessions",
    "get_notifications_for_user": "simple",
    "get_user_sessions": "sessions",
    "notify_sns_publish_success": "sns",
    "save_notification": "simple",
    "send_broadcast_notification": "simple",
    "send_direct_message": "sessions",
    "send_notification": "simple",
}
__all__ = [*_MODULES]


def __getattr__(name: str) -> Any:
    # Lazily: the request models of this package are imported by what these modules import.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"carillon.{_MODULES[name]}"), name)
