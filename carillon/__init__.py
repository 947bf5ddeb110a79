"""Carillon for services: send notifications, raise alerts and publish events.

    import carillon

    with carillon.Client("https://carillon.example.com", key) as client:
        client.send(audience={"users": ["alice"]}, title="New task", message="Please review the report.")

`Client` and `AsyncClient` call the HTTP API. `Outbox` is for services that share Carillon's database: it writes one row
in the service's own transaction. Both validate with the models of `carillon.requests`, and so does the server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carillon.outbox import Outbox
from carillon.problems import (
    CarillonError,
    Conflict,
    ConnectionFailed,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    ProblemDocument,
    ProblemError,
    RateLimited,
    TimedOut,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    ValidationError,
)
from carillon.requests import Alert, Audience, BulkItem, Event, EventAudience, Notification, Recipient

if TYPE_CHECKING:
    from carillon.client import AsyncClient, Client
    from carillon.compat.transport import configure

__version__ = "0.2.0.dev0"

__all__ = [
    "Alert",
    "AsyncClient",
    "Audience",
    "BulkItem",
    "CarillonError",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "Event",
    "EventAudience",
    "FieldError",
    "Forbidden",
    "Invalid",
    "NotFound",
    "Notification",
    "Outbox",
    "ProblemDocument",
    "ProblemError",
    "RateLimited",
    "Recipient",
    "TimedOut",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "ValidationError",
    "configure",
]


def __getattr__(name: str) -> Any:
    # Not before they are used: the server and users of the outbox import the package without httpx.
    if name in ("AsyncClient", "Client"):
        from carillon import client

        return getattr(client, name)
    if name == "configure":
        from carillon.compat import transport

        return transport.configure
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
