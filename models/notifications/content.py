"""What one notification says, in the form that every channel and every replay renders from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.lanes import Lane


@dataclass(frozen=True, slots=True)
class Content:
    """One notification. All messages of a batch that carry it share one object (compare by `is`)."""

    notification_id: str
    tenant: str
    title: str
    message: str
    data: dict[str, Any]
    level: str
    priority: str
    category: str | None
    type: str
    collapse_key: str | None
    reference: str | None
    url: str | None
    created_at: datetime
    expires_at: datetime


def content_of(row: Any) -> Content:
    """The content of a row of `notifications`."""
    return Content(
        notification_id=str(row.id),
        tenant=row.tenant_id,
        title=row.title,
        message=row.message,
        data=row.data,
        level=row.level,
        priority=Lane(row.lane).name,
        category=row.category,
        type=row.type,
        collapse_key=row.collapse_key,
        reference=row.reference,
        url=row.url,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
