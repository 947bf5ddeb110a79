"""What must hold between a client, the server and what was on the wire, once everything has come to rest."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Connection, select

from actions.installation import utc_now
from models.deliveries.acknowledge import acknowledge
from models.events import log
from models.events.cursor import Cursor
from models.events.log import read_after
from models.inbox import queries as inbox
from models.inbox.queries import Filter
from models.rooms.tables import rooms
from models.sql.engine import read, write
from web.dialects.render import EVENT_SKIPPED, render

if TYPE_CHECKING:
    from tests.conforming.machine import Wire

Place = tuple[str, int]
Said = tuple[str, dict[str, Any]]


def compare(wire: Wire) -> None:
    """Raise AssertionError if the client has something else than the server."""
    client = wire.client
    with read(wire.engine) as connection:
        heads = log.heads(connection, wire.tenant, wire.user)
        kept = _kept(connection, wire, heads)
        items = inbox.list_items(connection, wire.tenant, wire.user, Filter(), utc_now(), limit=100)
        counts = inbox.counts_for(connection, wire.tenant, [wire.user], utc_now())[wire.user].data()
    _positions(wire, heads, counts)
    _events(wire, kept)
    assert {UUID(id_): (item.seen, item.read) for id_, item in client.inbox.items.items()} == {
        UUID(item.content.notification_id): (item.seen_at is not None, item.read_at is not None) for item in items
    }
    assert client.inbox.counts() == counts
    # What was shown is acknowledged; a recall makes a delivery of its own.
    shown = {UUID(payload["id"]) for _, _, name, payload in client.applied if name == "notification:new"}
    with write(wire.engine) as connection:
        assert acknowledge(connection, wire.tenant, wire.user, utc_now(), ids=list(shown - wire.recalled)) == []


def _positions(wire: Wire, heads: Cursor, counts: dict[str, int]) -> None:
    client = wire.client
    assert not client.gap
    if wire.connection is None:
        # Numbers that hold nothing are left out of pages: only the cursor says how far it came.
        assert client.cursor is not None
        cursor = Cursor.decode(client.cursor)
        assert (cursor.epoch, cursor.positions) == (heads.epoch, heads.positions)
        return
    assert client.positions == heads.positions
    assert client.told is not None
    assert {name: client.told[name] for name in counts} == counts


def _events(wire: Wire, kept: dict[Place, Said]) -> None:
    applied = wire.client.applied
    for room in wire.rooms:
        numbers = [seq for place, seq, _, _ in applied if place == room]
        assert all(one < other for one, other in pairwise(numbers)), f"{room}: not in order, or twice: {numbers}"
    have = {(room, seq): (name, payload) for room, seq, name, payload in applied}
    owed = {(room, seq) for room, seq in kept if seq > wire.base.get(room, 0)}
    assert owed <= have.keys(), f"missing: {owed - have.keys()}"
    for place in kept.keys() & have.keys():
        name, payload = kept[place]
        assert (have[place][0], have[place][1] | payload) == (name, have[place][1])


def _kept(connection: Connection, wire: Wire, heads: Cursor) -> dict[Place, Said]:
    """What the log still has, by room and number."""
    purged = {
        f"{row.kind}:{row.key}": row.purged
        for row in connection.execute(select(rooms).where(rooms.c.tenant_id == wire.tenant))
    }
    replay = read_after(connection, wire.tenant, wire.user, Cursor(heads.epoch, purged), utc_now(), 100_000)
    told = {(event.room, event.seq): render(event) for event in replay.events}
    return {place: said for place, said in told.items() if said[0] != EVENT_SKIPPED}
