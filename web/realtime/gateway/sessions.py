"""The connections of this process: who they are of, and what has been put on their wires."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from engineio.exceptions import EngineIOError

from actions.principal import Principal
from bus.envelope import room_name
from bus.token_bucket import Bucket
from web.dialects import DialectView
from web.realtime import metrics
from web.realtime.limits import MAX_BACKLOG, MAX_CONNECTIONS_PER_USER, PER_CONNECTION
from web.realtime.replay.progress import Progress, ResumeRequest
from web.realtime.transport.sockets import send
from web.realtime.transport.wire import EventPacket, event_packet


class Session:
    """One authenticated connection to one namespace."""

    def __init__(
        self, sid: str, view: DialectView, socket: Any, principal: Principal, expires_at: datetime, wish: ResumeRequest
    ) -> None:
        self.sid = sid
        self.view = view
        self.namespace = view.namespace
        self.socket = socket
        self.principal = principal
        self.tenant = principal.tenant
        self.user = principal.id
        self.expires_at = expires_at
        self.user_room = f"user:{principal.id}"
        self.rooms: tuple[str, ...] = (self.user_room, f"tenant:{principal.tenant}")
        self.wish = wish
        # The client was here before with this token, and names no position itself.
        self.resumed = False
        self.opened_at = time.monotonic()
        self.bucket = Bucket(PER_CONNECTION, self.opened_at)
        self.progress = Progress(self.rooms)
        # Whoever changes `progress`, and puts on the wire what that change says, holds this; never while it waits.
        self.lock = threading.Lock()
        # One replay at a time; held while the database is asked.
        self.serving = threading.Lock()
        # The client has heard session:ready.
        self.ready = False
        # The client was told that its token expires soon.
        self.warned = False
        # While live events are held back and nobody serves the connection: when to look after it.
        self.resume_at = self.opened_at
        self.gap_since: float | None = None

    def channel_rooms(self) -> list[str]:
        """Its rooms as Socket.IO knows them."""
        return [room_name(self.tenant, room) for room in self.rooms]

    def offer(self, room: str, seq: int, packets: Sequence[EventPacket]) -> bool:
        """Send a live event unless it was sent before, or has to come out of the log. Returns whether it was sent.

        `packets`: under each of its names; none, if it has none here. Its number counts as sent either way.
        """
        progress = self.progress
        with self.lock:
            live = progress.live
            if live and self.socket.queue.qsize() > MAX_BACKLOG:
                metrics.STALLED.inc()
                self.hold(time.monotonic())
            elif progress.admit(room, seq):
                # Under the lock, or a replay that begins now could overtake it.
                for packet in packets:
                    self.put(packet)
                if self.gap_since is not None or progress.is_ahead(room):
                    self.gap_since = (self.gap_since or time.monotonic()) if progress.gap else None
                return True
            elif live and not progress.live:
                # Too much is missing; the log has all of it, and this event too.
                self.hold(time.monotonic())
            return False

    def hold(self, resume_at: float) -> None:
        """Keep live events back, and have somebody look after the connection at `resume_at`. Holds `lock` already."""
        self.progress.hold()
        self.gap_since = None
        self.resume_at = resume_at

    def emit(self, name: str, payload: dict[str, Any]) -> None:
        """Send an event of the connection itself."""
        self.put(event_packet(self.namespace, name, payload))

    def mention(self, packets: Sequence[EventPacket]) -> bool:
        """Send what has no number: it is heard now or never. Returns whether it was sent."""
        heard = self.ready and self.backlog() <= MAX_BACKLOG
        for packet in packets if heard else ():
            self.put(packet)
        return heard

    def put(self, packet: EventPacket) -> None:
        """Queue a packet. One for a connection that is closing is dropped: its client will ask again."""
        try:
            send(self.socket, packet)
        except EngineIOError:
            return

    def backlog(self) -> int:
        """Packets that wait for the client to read."""
        size: int = self.socket.queue.qsize()
        return size


class Sessions:
    """Every session of this process, by id and by room."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_sid: dict[str, Session] = {}
        self._by_room: dict[str, dict[str, Session]] = {}

    def add(self, session: Session) -> bool:
        """Add a session to its rooms. False where its user has too many."""
        with self._lock:
            mine = self._by_room.get(room_name(session.tenant, session.user_room), {})
            # A connection may open several namespaces.
            if len({id(one.socket) for one in (*mine.values(), session)}) > MAX_CONNECTIONS_PER_USER:
                return False
            self._by_sid[session.sid] = session
            for room in session.channel_rooms():
                self._by_room.setdefault(room, {})[session.sid] = session
            metrics.CONNECTIONS.set(len(self._by_sid))
        return True

    def remove(self, sid: str) -> Session | None:
        """Forget a session; returns it."""
        with self._lock:
            session = self._by_sid.pop(sid, None)
            for room in session.channel_rooms() if session else ():
                members = self._by_room[room]
                del members[sid]
                if not members:
                    del self._by_room[room]
            metrics.CONNECTIONS.set(len(self._by_sid))
        return session

    def get(self, sid: str) -> Session | None:
        """The session, if it is known."""
        return self._by_sid.get(sid)

    def members(self, room: str) -> list[Session]:
        """Who is in the room, by its Socket.IO name."""
        # One step for the interpreter, so nobody can be added in its middle.
        return list(self._by_room.get(room, {}).values())

    def all(self, which: Callable[[Session], bool] = lambda _: True) -> list[Session]:
        """The sessions for which `which` holds."""
        return [session for session in list(self._by_sid.values()) if which(session)]
