"""Raise alerts, in the caller's transaction."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any

from carillon.installation import Caller, installation, now, transaction
from carillon.notifications import LARGEST_DATA, LEVELS, LONGEST_MESSAGE, LONGEST_TITLE, USUAL_LIFE
from models.alerts.queries import NewAlert, create
from models.payload import fault_of
from models.timestamps import iso


class AlertHandler:
    """Alerts by the names of the unified hub."""

    @staticmethod
    def create_and_emit(
        account_key: str | None,
        title: str,
        message: str,
        severity: str = "warning",
        *,
        type: str = "alert",
        data: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
        expires_in: timedelta = USUAL_LIFE,
        connection: Caller = None,
    ) -> dict[str, str]:
        """Keep an alert for the whole tenant and show it to everybody. Raises ValueError for fields out of bounds."""
        tenant = installation().tenant_or(account_key)
        wrong = fault_of(data or {}, LARGEST_DATA) or fault_of({"title": title, "message": message})
        if wrong:
            raise ValueError(f"data {wrong}")
        if not 1 <= len(title) <= LONGEST_TITLE or not 1 <= len(message) <= LONGEST_MESSAGE:
            raise ValueError(f"title must have 1 to {LONGEST_TITLE} characters, message 1 to {LONGEST_MESSAGE}")
        if severity not in LEVELS:
            raise ValueError(f"severity must be one of {', '.join(LEVELS)}")
        said = [tenant, title, message, severity, type, data]
        moment = now()
        new = NewAlert(
            tenant_id=tenant,
            title=title,
            message=message,
            expires_at=moment + expires_in,
            body_sha256=hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest(),
            data=data or {},
            level=severity,
            type=type,
            idempotency_key=idempotency_key,
        )
        with transaction(connection) as (own, after_commit):
            alert = create(own, new, moment).alert
            after_commit(installation().bells.publish)
        return {"id": str(alert.id), "alert_id": str(alert.id), "created_at": iso(alert.created_at)}
