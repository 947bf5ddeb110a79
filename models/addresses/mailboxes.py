"""The mailbox of each user."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, String, delete, literal, select, update

from models.addresses.tables import MAILBOX, addresses
from models.channels import EMAIL
from models.sql.statements import in_ids, upsert, values_table
from models.sql.types import BigId, Instant


def set_mailboxes(connection: Connection, tenant_id: str, emails: dict[int, str], now: datetime) -> None:
    """Make each e-mail address the one mailbox of its user (by row id); "" leaves the user without.

    A changed mailbox is changed in place, so that what is still pending goes to the new one. One that is the same stays
    as it is, also if it is disabled: a service that sends its list of users again knows nothing new about it.
    """
    removed = [user_id for user_id, email in emails.items() if not email]
    if removed:
        mine = in_ids(connection, addresses.c.user_id, removed)
        connection.execute(delete(addresses).where(addresses.c.channel == EMAIL, mine))
    kept = [(user_id, email) for user_id, email in sorted(emails.items()) if email]
    if not kept:
        return
    new = values_table(connection, "new", {"user_id": BigId, "value": String()}, kept)
    fixed = {
        "tenant_id": literal(tenant_id),
        "channel": literal(EMAIL),
        "kind": literal(""),
        "created_at": literal(now, Instant()),
        "last_seen_at": literal(now, Instant()),
    }
    connection.execute(
        upsert(
            connection,
            addresses,
            ["user_id"],
            ["value", "last_seen_at", "disabled_at", "disabled_reason"],
            MAILBOX,
            if_changed="value",
        ).from_select(
            ["user_id", "value", *fixed], select(new.c.user_id, new.c.value, *fixed.values()).where(new.c.value != "")
        )
    )


def enable_mailbox(connection: Connection, user_id: int, now: datetime) -> bool:
    """Use the mailbox of the user (by row id) again. False: it was not disabled, or there is none.

    What the provider says of e-mails that were sent before `now` does not disable it again.
    """
    disabled = (addresses.c.user_id == user_id, addresses.c.channel == EMAIL, addresses.c.disabled_at.is_not(None))
    enabled = {"disabled_at": None, "disabled_reason": None, "last_seen_at": now}
    return bool(connection.execute(update(addresses).where(*disabled).values(enabled)).rowcount)
