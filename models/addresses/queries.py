"""The addresses at which a user can be reached."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, String, select, update

from carillon.text import cut
from models.addresses.devices import usable
from models.addresses.tables import addresses
from models.sql.statements import values_table
from models.sql.types import BigId


class Address(NamedTuple):
    """An address: a device or a mailbox. `value` is a secret."""

    id: int
    channel: str
    value: str


# As long as the column.
_MAX_REASON = 500


def usable_addresses(connection: Connection, user_id: int, now: datetime) -> list[Address]:
    """The user's addresses (by row id of the user) to which a notification of now would go."""
    found = connection.execute(
        select(*(addresses.c[name] for name in Address._fields))
        .where(addresses.c.user_id == user_id, usable(now))
        .order_by(addresses.c.id)
    )
    return [Address._make(row) for row in found]


def disable_addresses(connection: Connection, reasons: Mapping[int, str], sent_at: datetime, now: datetime) -> None:
    """Stop using these addresses (by id). One that was registered again after `sent_at` is alive, and stays."""
    if not reasons:
        return
    gone = values_table(
        connection,
        "gone",
        {"id": BigId, "reason": String()},
        [(address_id, cut(reason, _MAX_REASON)) for address_id, reason in sorted(reasons.items())],
    )
    connection.execute(
        update(addresses)
        .where(addresses.c.id == gone.c.id, addresses.c.last_seen_at <= sent_at)
        .values(disabled_at=now, disabled_reason=gone.c.reason)
    )
