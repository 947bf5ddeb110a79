"""Devices for push: whose they are, and for how long they count."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, or_, select

from models.addresses.tables import DEVICE, addresses
from models.channels import CHANNELS, PUSH
from models.sql.statements import upsert
from models.users.tables import users

# Both are FCM's: a token not seen for a month is stale, and one not used for 270 days has expired. What counts is that
# the app has shown its token to us; FCM accepts messages for phones that have been in a drawer for months.
STALE = timedelta(days=30)
EXPIRED = timedelta(days=270)

MAX_DEVICES = CHANNELS[PUSH].max_addresses

DeviceState = Literal["active", "stale", "expired", "disabled"]


class Device(NamedTuple):
    """A device for push. `value` is its token or installation id, and a secret."""

    id: int
    user_id: int
    kind: str
    value: str
    platform: str | None
    created_at: datetime
    last_seen_at: datetime
    disabled_at: datetime | None
    disabled_reason: str | None


_DEVICE = addresses.c.channel == PUSH


def add_device(
    connection: Connection, tenant_id: str, user_id: int, kind: str, value: str, platform: str | None, now: datetime
) -> int:
    """Give the user a device, taking it from the user who had it before, in any tenant. Returns its address id.

    A phone receives what is sent to the user who is signed in on it; deliveries that are pending for the previous user
    are suppressed when they are claimed. Above MAX_DEVICES, the devices that were not seen for longest are deleted.
    """
    connection.execute(
        upsert(
            connection,
            addresses,
            ["value"],
            ["user_id", "tenant_id", "kind", "platform", "last_seen_at", "disabled_at", "disabled_reason"],
            DEVICE,
        ).values(
            tenant_id=tenant_id,
            user_id=user_id,
            channel=PUSH,
            kind=kind,
            value=value,
            platform=platform,
            created_at=now,
            last_seen_at=now,
            disabled_at=None,
            disabled_reason=None,
        )
    )
    mine = (addresses.c.user_id == user_id, _DEVICE)
    latest = (addresses.c.disabled_at.is_not(None), addresses.c.last_seen_at.desc(), addresses.c.id.desc())
    kept = select(addresses.c.id).where(*mine).order_by(*latest).limit(MAX_DEVICES)
    connection.execute(delete(addresses).where(*mine, addresses.c.id.not_in(kept)))
    this = select(addresses.c.id).where(addresses.c.value == value, _DEVICE)
    return int(connection.execute(this).scalar_one())


def list_devices(connection: Connection, tenant_id: str, external_id: str) -> list[Device]:
    """The user's devices in the order of their arrival, those that are not used any more included."""
    found = connection.execute(
        select(*(addresses.c[name] for name in Device._fields))
        .join(users, users.c.id == addresses.c.user_id)
        .where(users.c.tenant_id == tenant_id, users.c.external_id == external_id, _DEVICE)
        .order_by(addresses.c.id)
    )
    return [Device._make(row) for row in found]


def remove_devices(connection: Connection, devices: Sequence[Device]) -> int:
    """Forget these devices, unless they have changed hands meanwhile. Returns how many.

    What is pending for them is suppressed when its turn comes.
    """
    gone = 0
    for device in devices:
        this = (addresses.c.id == device.id, addresses.c.user_id == device.user_id)
        gone += connection.execute(delete(addresses).where(*this)).rowcount
    return gone


def state_of(device: Device, now: datetime) -> DeviceState:
    """Whether the device is sent to (active, stale) or not (expired, disabled)."""
    unseen = now - device.last_seen_at
    if device.disabled_at is not None:
        return "disabled"
    if unseen >= EXPIRED:
        return "expired"
    return "stale" if unseen >= STALE else "active"


def usable(now: datetime) -> ColumnElement[bool]:
    """The condition for an address, of any channel, that is worth sending to."""
    return addresses.c.disabled_at.is_(None) & or_(~_DEVICE, addresses.c.last_seen_at > now - EXPIRED)


def purge_devices(connection: Connection, now: datetime, limit: int) -> int:
    """Delete up to `limit` devices that have expired. Returns how many."""
    old = select(addresses.c.id).where(_DEVICE, addresses.c.last_seen_at <= now - EXPIRED).limit(limit)
    return connection.execute(delete(addresses).where(addresses.c.id.in_(old))).rowcount
