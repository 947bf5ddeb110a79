"""Connections that go nowhere, for tests without processes."""

from __future__ import annotations

import json
import queue
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from engineio.exceptions import SocketIsClosedError

from actions.principal import Principal
from web.dialects import DialectView, view_of
from web.realtime.gateway.sessions import Session
from web.realtime.replay.progress import ResumeRequest


class FakeSocket:
    """Engine.IO's socket, as far as we use it."""

    def __init__(self) -> None:
        self.sid = secrets.token_hex(8)
        self.session: dict[str, Any] = {}
        self.queue: queue.Queue[Any] = queue.Queue()
        self.closed = False

    def send(self, packet: Any) -> None:
        if self.closed:
            raise SocketIsClosedError
        self.queue.put(packet.encode())

    def close(self, wait: bool = True, reason: str = "") -> None:
        assert not wait
        self.closed = True


class FakeServer:
    """The Socket.IO server, as far as our background work uses it."""

    class reason:  # noqa: N801 - as the library has it
        SERVER_DISCONNECT = "server disconnect"

    def __init__(self) -> None:
        self.eio = self
        self.manager = self
        self.sockets: dict[str, FakeSocket] = {}
        self.forgotten: list[str] = []

    def disconnect(self, sid: str, namespace: str, ignore_queue: bool) -> None:
        assert ignore_queue
        self.forgotten.append(sid)


CANONICAL = view_of("/", "canonical")


def session(
    user: str = "alice", *, sid: str = "", lifetime: float = 300, view: DialectView = CANONICAL, **wish: Any
) -> Session:
    expires_at = datetime.now(UTC) + timedelta(seconds=lifetime)
    principal = Principal("user", "acme", user, "live", expires_at)
    return Session(sid or f"sid-{user}", view, FakeSocket(), principal, expires_at, ResumeRequest(**wish))


def heard(session: Session) -> list[tuple[str, dict[str, Any]]]:
    """What was put on the wire since the last time."""
    events = []
    while not session.socket.queue.empty():
        text = session.socket.queue.get()
        assert text.startswith("42")
        # Outside "/", the namespace comes first.
        name, payload = json.loads(text[text.index("[") :])
        events.append((name, payload))
    return events


def brief(session: Session) -> list[tuple[str, int]]:
    """The same, without the words: (name, seq)."""
    return [(name, payload.get("seq", -1)) for name, payload in heard(session)]
