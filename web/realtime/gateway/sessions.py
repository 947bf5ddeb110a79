"""The sessions of this process: whose they are, and what has been sent to them."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from engineio.exceptions import EngineIOError

from actions.principal import Principal
from bus.envelope import room_name
from bus.token_bucket import Bucket
from models.rooms.names import own_rooms, user_room
from web.dialects import DialectView
from web.dialects.render import skipped
from web.realtime import metrics
from web.realtime.limits import MAX_BACKLOG, MAX_CONNECTIONS_PER_USER, PER_CONNECTION
from web.realtime.replay.progress import Progress, ResumeRequest
from web.realtime.transport.websocket import send
from web.realtime.transport.wire import EventPacket, event_packet


class Session:
    """One authenticated connection to one namespace."""

    def __init__(
        self,
        sid: str,
        view: DialectView,
        socket: Any,
        principal: Principal,
        expires_at: datetime,
        resume: ResumeRequest,
    ) -> None:
        self.sid = sid
        self.view = view
        self.namespace = view.namespace
        self.socket = socket
        self.principal = principal
        self.tenant = principal.tenant
        self.user = principal.id
        self.expires_at = expires_at
        self.user_room = user_room(principal.id)
        self.own_rooms = tuple(own_rooms(principal.tenant, principal.id))
        # Changed by Sessions alone, as a whole: it is read from other threads.
        self.rooms: frozenset[str] = frozenset(self.own_rooms)
        # It may be in other conversations by now, so they have to be read again.
        self.rooms_changed = False
        self.resume = resume
        # The client keeps no position, and may have been interrupted.
        self.resumed = False
        self.opened_at = time.monotonic()
        self.bucket = Bucket(PER_CONNECTION, self.opened_at)
        self.progress = Progress(self.own_rooms)
        # Held while `progress` is changed and the packets of that change are queued; never while waiting.
        self.lock = threading.Lock()
        # One replay at a time; held while the log is read.
        self.serving = threading.Lock()
        # session:ready has been sent.
        self.ready = False
        # session:expiring has been sent.
        self.warned = False
        # When to continue the replay, while live events are held back and no replay is running.
        self.resume_at = self.opened_at
        self.gap_since: float | None = None

    def channel_rooms(self) -> list[str]:
        """Return the names in Socket.IO of the rooms that every user has."""
        return [room_name(self.tenant, room) for room in self.own_rooms]

    def offer(self, room: str, seq: int, packets: Sequence[EventPacket]) -> bool:
        """Send a live event unless it was sent before, or has to be read from the log. Returns whether it was sent.

        `packets` holds one packet for each name that the dialect has for the event. Without any, its number counts as
        sent all the same.
        """
        progress = self.progress
        with self.lock:
            live = progress.live
            if live and self.socket.queue.qsize() > MAX_BACKLOG:
                metrics.STALLED.inc()
                self.hold(time.monotonic())
            elif self._admit(room, seq):
                # Under the lock, or a replay that begins now could overtake it.
                for packet in packets:
                    self.put(packet)
                if self.gap_since is not None or progress.is_ahead(room):
                    self.gap_since = (self.gap_since or time.monotonic()) if progress.gap else None
                return True
            elif live and not progress.live:
                # Too much is missing. The log has all of it, and this event too.
                self.hold(time.monotonic())
            return False

    def _admit(self, room: str, seq: int) -> bool:
        unnamed = self.progress.is_unnamed(room)
        admitted = self.progress.admit(room, seq)
        if admitted and unnamed and self.progress.is_ahead(room):
            # A client takes the first event of a room that it does not know for the next one. Here one is missing.
            position = self.progress.positions[room]
            for packet in skipped_packets(self.view, room, position):
                self.put(packet)
        return admitted

    def hold(self, resume_at: float) -> None:
        """Hold live events back; the janitor continues the replay at `resume_at`. The caller holds `lock`."""
        self.progress.hold()
        self.gap_since = None
        self.resume_at = resume_at

    def emit(self, name: str, payload: dict[str, Any]) -> None:
        """Send an event of the connection itself."""
        self.put(event_packet(self.namespace, name, payload))

    def send_unlogged(self, packets: Sequence[EventPacket]) -> bool:
        """Send an event that is not in the log, unless the client is behind. Returns whether it was sent."""
        if not self.ready or self.backlog() > MAX_BACKLOG:
            return False
        for packet in packets:
            self.put(packet)
        return True

    def put(self, packet: EventPacket) -> None:
        """Queue a packet. If the connection is closing, it is dropped: the client asks again when it is back."""
        try:
            send(self.socket, packet)
        except EngineIOError:
            return

    def backlog(self) -> int:
        """Return the number of packets that wait for the client to read."""
        size: int = self.socket.queue.qsize()
        return size

    def broken(self) -> bool:
        """Return whether something could not be written to the client's WebSocket."""
        wire = getattr(self.socket, "wire", None)
        return wire is not None and wire.broken


def skipped_packets(view: DialectView, room: str, seq: int) -> list[EventPacket]:
    """The packets by which clients learn that this number has no event for them."""
    return [event_packet(view.namespace, *named) for named in view.translate(*skipped(room, seq, seq))]


class Sessions:
    """Every session of this process, by id and by room."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_sid: dict[str, Session] = {}
        self._by_room: dict[str, dict[str, Session]] = {}
        # The versions of the members of conversations: that of now, or an older one. Everybody who is in the room here
        # was a member then.
        self._versions: dict[str, int] = {}

    def add(self, session: Session) -> bool:
        """Add a session to its rooms. False if its user has too many connections."""
        with self._lock:
            mine = self._by_room.get(room_name(session.tenant, session.user_room), {})
            # A connection can have several namespaces open.
            if len({id(one.socket) for one in (*mine.values(), session)}) > MAX_CONNECTIONS_PER_USER:
                return False
            self._by_sid[session.sid] = session
            self._enter(session, session.own_rooms)
            self._measure()
        return True

    def fit(self, session: Session, conversations: Mapping[str, int]) -> bool:
        """Make these the conversations that the session is in, with the versions of their members.

        Returns whether it has joined any. In these, events may have been published just before, so who reads the log
        has to do so afterwards.
        """
        with self._lock:
            if self._by_sid.get(session.sid) is not session:
                return False
            wanted = frozenset((*session.own_rooms, *conversations))
            joined, left = wanted - session.rooms, session.rooms - wanted
            self._leave(session, left)
            self._enter(session, joined)
            for room in joined:
                address = room_name(session.tenant, room)
                self._versions[address] = min(conversations[room], self._versions.get(address, conversations[room]))
            session.rooms = wanted
            if joined or left:
                self._measure()
        return bool(joined)

    def leave(self, session: Session, room: str) -> None:
        """Take a session out of a conversation."""
        with self._lock:
            if room in session.rooms and self._by_sid.get(session.sid) is session:
                self._leave(session, [room])
                session.rooms -= {room}
                self._measure()
        with session.lock:
            session.progress.leave(room)

    def version(self, address: str) -> int | None:
        """The version of the members of a conversation that its sessions here have, or None if there are none."""
        return self._versions.get(address)

    def confirm(self, address: str, version: int, checked: Collection[Session]) -> bool:
        """Note that all who are in the room here were members in this version. False if somebody has joined since."""
        with self._lock:
            if not self._by_room.get(address, {}).keys() <= {session.sid for session in checked}:
                return False
            if address in self._versions:
                self._versions[address] = version
        return True

    def remove(self, sid: str) -> Session | None:
        """Remove a session, and return it."""
        with self._lock:
            session = self._by_sid.pop(sid, None)
            if session is not None:
                self._leave(session, session.rooms)
            self._measure()
        return session

    def _enter(self, session: Session, rooms: Collection[str]) -> None:
        for room in rooms:
            self._by_room.setdefault(room_name(session.tenant, room), {})[session.sid] = session
        metrics.ROOM_MEMBERS.inc(len(rooms))

    def _leave(self, session: Session, rooms: Collection[str]) -> None:
        for room in rooms:
            address = room_name(session.tenant, room)
            members = self._by_room[address]
            del members[session.sid]
            if not members:
                del self._by_room[address]
                self._versions.pop(address, None)
        metrics.ROOM_MEMBERS.dec(len(rooms))

    def _measure(self) -> None:
        metrics.CONNECTIONS.set(len(self._by_sid))
        metrics.ROOMS.set(len(self._by_room))

    def get(self, sid: str) -> Session | None:
        """Return the session, or None if it is not known."""
        return self._by_sid.get(sid)

    def members(self, room: str) -> list[Session]:
        """Return the members of a room, by its name in Socket.IO."""
        # One step for the interpreter, so no member can be added in between.
        return list(self._by_room.get(room, {}).values())

    def all(self) -> list[Session]:
        """Return all sessions."""
        return list(self._by_sid.values())
