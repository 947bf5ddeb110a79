"""The server without processes: its own code, with hands in place of Redis, of Engine.IO and of the clock's turns."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from queue import Empty
from typing import Any

from flask import Flask

from bus.envelope import Group
from channels.in_app import InAppChannel
from models.deliveries.expand import Page
from models.events.log import Replay
from tests.bells import RecordingBells
from tests.web.realtime.fakes import FakeServer, FakeSocket
from web.realtime.gateway.gateway import Gateway
from web.realtime.gateway.sessions import Session
from web.realtime.timing import Timing
from workers.deliver import deliver_batch
from workers.expand import publish_page
from workers.publish import publish_batch
from workers.runtime import Runtime


class Door(FakeServer):
    """The Socket.IO server, as far as the gateway uses it."""

    def eio_sid_from_sid(self, sid: str, _namespace: str) -> str:
        return sid

    def enter_room(self, *_: Any, **__: Any) -> None:
        """Our own sessions know their rooms."""


class Unlimited:
    """In place of what clients may send."""

    def take(self, *_: Any) -> bool:
        return True


class House:
    """A worker, a web process, and what Redis has yet to bring from the one to the other."""

    def __init__(self, app: Flask) -> None:
        carillon = app.extensions["carillon"]
        self.engine = carillon.engine
        self.http = app.test_client()
        # Messages published and not brought yet, oldest first.
        self.redis: list[list[dict[str, Any]]] = []
        self._written: list[Page] = []
        channel: Any = InAppChannel(self)  # type: ignore[arg-type]  # all it asks for is `publish`
        self._worker = Runtime(
            self.engine, {"live": {"in_app": channel}, "test": {}}, RecordingBells(), lease=60, publisher=self
        )
        # The application's own gateway, with another server under it. Nothing waits.
        self.gateway: Gateway = app.extensions["socketio"].server.manager._listener
        self.door = Door()
        for part in (self.gateway, self.gateway._janitor, self.gateway._admission):
            part._server = self.door
        self.gateway.healer._timing = Timing(grace=0)
        # What happens between a look into the log and what is sent then.
        self.meanwhile: Callable[[], None] | None = None
        self._read = self.gateway.replayer._read
        self.gateway.replayer._read = self._read_slowly  # type: ignore[method-assign]
        # The client asks as fast as it can.
        self.gateway._rate_limits = Unlimited()  # type: ignore[assignment]

    def publish(self, groups: Sequence[Group]) -> int:
        """What a worker says to Redis."""
        said = [{"event": g.event, "payload": g.payload, "rooms": g.rooms} for g in groups]
        self.redis.append(json.loads(json.dumps(said)))
        return 1

    def close(self) -> None:
        """Nothing to release."""

    def written(self, pages: list[Page]) -> None:
        """A notification was expanded: a worker has it to publish, or a withdrawal to send."""
        self._written += pages

    def work(self) -> None:
        """What workers do; there is never more than a batch."""
        pages, self._written = self._written, []
        for page in pages:
            publish_page(self._worker, page)
        if any("in_app" in page.channels for page in pages):
            deliver_batch(self._worker, "in_app")
        publish_batch(self._worker)

    def _read_slowly(self, session: Session) -> Replay:
        page = self._read(session)
        happens, self.meanwhile = self.meanwhile, None
        if happens is not None:
            happens()
        return page

    def look_after(self) -> None:
        """What the web process does for connections that wait or have a gap, when the time has come."""
        self.gateway._janitor.tick(time.monotonic() + 1000, datetime.now(UTC))
        with suppress(Empty):
            while session := self.gateway.healer._queue.get_nowait():
                self.gateway.healer.serve(session)

    def count(self) -> None:
        """What the web process does a moment after counts may have changed."""
        self.gateway._counts.send()

    def clear(self) -> None:
        """Everybody leaves."""
        self.redis.clear()
        self._written.clear()
        self.meanwhile = None
        for sid in list(self.door.sockets):
            self.door.sockets.pop(sid)
            self.gateway.disconnected("/", sid, "test")


class Connection:
    """One connection, from the client's side. It sees to it that the server sends nothing twice."""

    def __init__(self, house: House, auth: dict[str, Any], between: Callable[[], None] = lambda: None) -> None:
        self._house = house
        self._socket = FakeSocket()
        self.sid = self._socket.sid
        house.door.sockets[self.sid] = self._socket
        self._name(auth)
        house.gateway.connect("/", self.sid, {}, auth)
        session = house.gateway.sessions.get(self.sid)
        assert session is not None
        self.session: Any = session
        # The client is in its rooms, and has not been served yet.
        between()
        house.gateway.connected(self.sid)
        # What the client has: all up to these, and those.
        self._named: dict[str, int] = {}
        self._sent: set[tuple[str, int]] = set()
        # What came before it is known whether the client's numbers mean anything here; None: it is known.
        self._early: list[tuple[str, int]] | None = []

    def read(self, most: int = 1_000_000) -> list[tuple[str, dict[str, Any]]]:
        """Up to so many of the packets that have come; an answer is called as what was asked."""
        came: list[tuple[str, dict[str, Any]]] = []
        while len(came) < most and not self._socket.queue.empty():
            packet = self._socket.queue.get()
            if isinstance(packet, dict):
                self._named, self._sent = packet, set()
                continue
            if isinstance(packet, str):
                assert packet.startswith("42"), packet
                packet = tuple(json.loads(packet[2:]))
                if packet[0] == "session:ready":
                    self._welcome(packet[1])
                self._look(*packet)
            came.append(packet)
        return came

    def ask(self, event: str, payload: dict[str, Any]) -> None:
        """Send an event; the answer comes after what the server had sent before it, and by it."""
        self._name(payload)
        answer = self._house.gateway.dispatch(event, self.sid, payload)
        self._socket.queue.put((event, json.loads(json.dumps(answer))))

    def drop(self, noticed: bool = True) -> None:
        """Break off. What was sent and not read is lost; the server may not know it for a while."""
        self._socket.queue.queue.clear()
        if noticed:
            self._socket.closed = True
            self._house.door.sockets.pop(self.sid)
            self._house.gateway.disconnected("/", self.sid, "transport close")

    def _name(self, payload: dict[str, Any]) -> None:
        if "positions" in payload:
            self._socket.queue.put(dict(payload["positions"]))

    def _welcome(self, ready: dict[str, Any]) -> None:
        if not ready["complete"]:
            # Its numbers are of a history that is gone.
            self._named = dict(ready["positions"])
        elif self._early is not None:
            for room, seq in self._early:
                assert seq > self._named.get(room, 0), f"{seq} of {room}: the client has it"
        self._early = None

    def _look(self, name: str, payload: dict[str, Any]) -> None:
        if "room" not in payload:
            return
        room = payload["room"]
        for seq in range(payload.get("from", payload["seq"]), payload["seq"] + 1):
            if self._early is not None:
                self._early.append((room, seq))
            else:
                assert seq > self._named.get(room, 0), f"{name} {seq} of {room}: the client has it"
            assert (room, seq) not in self._sent, f"{name} {seq} of {room}: sent twice"
            self._sent.add((room, seq))


def fresh_tenant() -> str:
    """A name that no other test has."""
    return f"t{secrets.token_hex(5)}"
