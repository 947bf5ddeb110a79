"""The addresses at which a user can be reached."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from models.addresses.devices import usable
from models.addresses.tables import addresses


def usable_addresses(connection: Connection, user_id: int, now: datetime) -> Sequence[Row[Any]]:
    """The user's addresses (by row id of the user) to which a notification of now would go."""
    return connection.execute(
        select(addresses).where(addresses.c.user_id == user_id, usable(now)).order_by(addresses.c.id)
    ).all()
