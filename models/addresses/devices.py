"""Devices for push: whose they are, and for how long they count."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, or_, select, update

from models.addresses.tables import addresses
from models.channels import CHANNELS, PUSH
from models.sql.statements import insert_ignore
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


class Registered(NamedTuple):
    """A registration. `moved_from` is the user of the tenant who had the device before (external id), or None."""

    id: int
    moved_from: str | None


def add_device(
    connection: Connection, tenant_id: str, user_id: int, kind: str, value: str, platform: str | None, now: datetime
) -> Registered | None:
    """Give the user a device, taking it from the user of the tenant who had it. None: another tenant has it (ADR 31).

    A phone receives what is sent to the user who is signed in on it; deliveries that are pending for the previous user
    are suppressed when they are claimed. Above MAX_DEVICES, the devices that were not seen for longest are deleted.
    """
    seen = {"user_id": user_id, "kind": kind, "platform": platform, "last_seen_at": now}
    # Once more for a device that was deleted between the two statements.
    written = _write(connection, tenant_id, value, seen) or _write(connection, tenant_id, value, seen)
    if written is None:
        return None
    address_id, owner = written
    mine = (addresses.c.user_id == user_id, _DEVICE)
    latest = (addresses.c.disabled_at.is_not(None), addresses.c.last_seen_at.desc(), addresses.c.id.desc())
    kept = select(addresses.c.id).where(*mine).order_by(*latest).limit(MAX_DEVICES)
    connection.execute(delete(addresses).where(*mine, addresses.c.id.not_in(kept)))
    if owner == user_id:
        return Registered(address_id, None)
    return Registered(address_id, connection.execute(select(users.c.external_id).where(users.c.id == owner)).scalar())


def _write(connection: Connection, tenant_id: str, value: str, seen: Mapping[str, Any]) -> tuple[int, int] | None:
    """Insert or update the device. Returns its address id and the user who had it, by row id; None if it cannot."""
    # Names no unique index: that over all tenants is to be replaced by one for each tenant.
    new = insert_ignore(connection, addresses).values(
        tenant_id=tenant_id, channel=PUSH, value=value, created_at=seen["last_seen_at"], **seen
    )
    added = connection.execute(new.returning(addresses.c.id, addresses.c.user_id)).one_or_none()
    if added is not None:
        return added.id, added.user_id
    known = select(addresses.c.id, addresses.c.user_id).where(
        addresses.c.tenant_id == tenant_id, addresses.c.value == value, _DEVICE
    )
    before = connection.execute(known.with_for_update()).one_or_none()
    if before is None:
        return None
    # The app shows what Firebase has just told it, so a device that was taken for gone is tried again (ADR 31).
    again = update(addresses).where(addresses.c.id == before.id)
    connection.execute(again.values(**seen, disabled_at=None, disabled_reason=None))
    return before.id, before.user_id


def public_id(value: str) -> str:
    """The id of a device for callers, from which its token cannot be derived."""
    return hashlib.sha256(value.encode()).hexdigest()[:16]


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
