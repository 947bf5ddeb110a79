"""Record in the audit log who changed what, in the transaction of the change itself."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from actions.installation import Installation
from actions.principal import Principal
from models.audit import queries

# What concerns the whole installation is recorded under this tenant.
INSTALLATION = "*"


def record(
    connection: Connection,
    installation: Installation,
    caller: Principal,
    action: str,
    subject: str,
    *,
    tenant: str | None = None,
    **details: Any,
) -> None:
    """Add a record to the caller's transaction. `details` must contain no secret and no address of a user.

    `tenant` is that of the subject; default: the caller's. Details that are None are left out.
    """
    queries.append(
        connection,
        caller.tenant if tenant is None else tenant,
        caller.kind,
        caller.id,
        action,
        subject,
        installation.now(),
        details={name: value for name, value in details.items() if value is not None},
        ip=caller.origin.ip,
        request_id=caller.origin.request_id,
    )
