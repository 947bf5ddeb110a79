"""Send notifications, in the caller's transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from carillon.installation import Caller, installation, now, transaction
from models.lanes import Lane
from models.notifications.accept import NewNotification, accept
from models.payload import fault_of
from models.timestamps import iso

LEVELS = ("info", "success", "warning", "error", "critical")

# As at POST /v1/notifications.
LONGEST_TITLE = 200
LONGEST_MESSAGE = 4096
LARGEST_DATA = 3 * 1024
USUAL_LIFE = timedelta(days=7)


def send(
    users: Sequence[object] | None,
    title: str,
    message: str,
    *,
    tenant: str | None = None,
    data: dict[str, Any] | None = None,
    level: str = "info",
    priority: str = "normal",
    type: str = "notification",
    category: str | None = None,
    channels: list[str] | None = None,
    url: str | None = None,
    reference: str | None = None,
    idempotency_key: str | None = None,
    expires_in: timedelta = USUAL_LIFE,
    connection: Caller = None,
) -> dict[str, str]:
    """Send a notification to these users, created if need be; None: to the whole tenant.

    The fields mean what they mean at POST /v1/notifications. With a known `idempotency_key` nothing is sent, and the
    earlier notification is returned. Raises ValueError for fields out of their bounds.
    """
    tenant = installation().tenant_or(tenant)
    _check(title, message, data or {}, level, priority)
    # Each once: a name on two pages would hear of it twice.
    audience = {"tenant": True} if users is None else {"users": [{"id": n} for n in dict.fromkeys(map(str, users))]}
    said = [tenant, audience, title, message, data, level, priority, type, category, channels, url, reference]
    moment = now()
    new = NewNotification(
        tenant_id=tenant,
        mode="live",
        audience=audience,
        title=title,
        message=message,
        expires_at=moment + expires_in,
        body_sha256=hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest(),
        data=data or {},
        level=level,
        priority=priority,
        type=type,
        category=category,
        channels=channels,
        url=url,
        reference=reference,
        idempotency_key=idempotency_key,
    )
    with transaction(connection) as (own, after_commit):
        accepted = accept(own, new, moment)
        after_commit(partial(installation().bells.expand, accepted.id, Lane[priority]))
    return {
        "id": str(accepted.id),
        "notification_id": str(accepted.id),
        "created_at": iso(accepted.created_at),
    }


def _check(title: str, message: str, data: dict[str, Any], level: str, priority: str) -> None:
    if not 1 <= len(title) <= LONGEST_TITLE or not title.isprintable():
        raise ValueError(f"title must have 1 to {LONGEST_TITLE} printable characters")
    if not 1 <= len(message) <= LONGEST_MESSAGE:
        raise ValueError(f"message must have 1 to {LONGEST_MESSAGE} characters")
    if level not in LEVELS:
        raise ValueError(f"level must be one of {', '.join(LEVELS)}")
    if priority not in Lane.__members__:
        raise ValueError(f"priority must be one of {', '.join(Lane.__members__)}")
    wrong = fault_of(data, LARGEST_DATA) or fault_of({"message": message, "title": title})
    if wrong:
        raise ValueError(f"data {wrong}")


class NotificationHandler:
    """Notifications by the names of the unified hub."""

    @staticmethod
    def create_and_emit(
        account_key: str, target_user_key: str, title: str, message: str, *, connection: Caller = None, **fields: Any
    ) -> dict[str, str]:
        """Keep a notification for one user and show it on every channel that reaches them; `fields` as in send."""
        return send([target_user_key], title, message, tenant=account_key, connection=connection, **fields)
