"""The attacks. Each runs in a process of its own, against one port of this machine, and ends by itself."""

from __future__ import annotations

import base64
import os
import resource
import select
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import requests


class Stolen(NamedTuple):
    """Credentials of another tenant."""

    token: str
    key: str


Attack = Callable[[int, float, Stolen], None]


def _connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def upgrade(port: int) -> socket.socket:
    """A WebSocket of Engine.IO."""
    one = _connect(port)
    key = base64.b64encode(os.urandom(16)).decode()
    lines = ["GET /socket.io/?EIO=4&transport=websocket HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket"]
    lines += ["Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
    one.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    one.recv(4096)
    return one


def frame(opcode: int, payload: bytes) -> bytes:
    """A frame of a client (RFC 6455 §5.2), with a mask of zeros. The payload has at most 65,535 bytes."""
    size = len(payload)
    head = bytes([0x80 | opcode])
    head += bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2)
    return head + bytes(4) + payload


def unfinished_requests(port: int, seconds: float, _stolen: Stolen) -> None:
    """Open as many connections as possible, each with a request whose body never comes."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    request = f"POST /v1/notifications HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 60000\r\n\r\n".encode()
    end = time.monotonic() + seconds
    held = []
    while time.monotonic() < end and len(held) < 12_000:
        with suppress(OSError):
            one = _connect(port)
            one.sendall(request)
            held.append(one)
    time.sleep(max(0.0, end - time.monotonic()))


def unread_answers(port: int, seconds: float, _stolen: Stolen) -> None:
    """Ask for large answers on many connections, and read none of them."""
    request = f"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode() * 50
    end = time.monotonic() + seconds
    held = []
    while time.monotonic() < end and len(held) < 500:
        with suppress(OSError):
            one = socket.socket()
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.settimeout(5)
            one.connect(("127.0.0.1", port))
            one.sendall(request)
            held.append(one)
    time.sleep(max(0.0, end - time.monotonic()))


def tiny_frames(port: int, seconds: float, _stolen: Stolen) -> None:
    """Without a token, send the smallest frames there are, as fast as they are taken."""
    _flood(port, seconds, b"")


def tiny_frames_of_a_client(port: int, seconds: float, stolen: Stolen) -> None:
    """The same with a valid token."""
    _flood(port, seconds, frame(1, b'40{"token":"%s","dialect":"canonical"}' % stolen.token.encode()))


def _flood(port: int, seconds: float, first: bytes) -> None:
    burst = frame(9, b"") * 10_000
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(OSError):
            one = upgrade(port)
            one.sendall(first)
            one.setblocking(False)
            while time.monotonic() < end:
                readable, writable, _ = select.select([one], [one], [], 0.5)
                if readable and not one.recv(65_536):
                    break
                if writable:
                    one.send(burst)
        # As a script does that has been disconnected.
        time.sleep(0.05)


def pipelined_requests(port: int, seconds: float, _stolen: Stolen) -> None:
    """Send 20,000 requests over one connection without waiting for an answer, again and again."""
    request = f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(OSError):
            one = _connect(port)
            one.setblocking(False)
            rest = memoryview(request * 20_000)
            while time.monotonic() < end:
                readable, writable, _ = select.select([one], [one] if rest else [], [], 0.5)
                if readable and not one.recv(1 << 20):
                    break
                if writable and rest:
                    rest = rest[one.send(rest) :]


def costly_requests(port: int, seconds: float, stolen: Stolen) -> None:
    """With a service's key: events that are costly to validate, and bulk requests to the whole tenant."""
    url = f"http://127.0.0.1:{port}"
    headers = {"Authorization": f"Bearer {stolen.key}"}
    costly = {"contains": {"oneOf": [{"type": "string", "minLength": 3}] * 200}}
    declared = {"title": "Costly", "payload": {"properties": {"a": costly}}}
    requests.put(f"{url}/v1/event-types/costly:one", json=declared, headers=headers, timeout=10).raise_for_status()
    event = {"type": "costly:one", "audience": {"tenant": True}, "data": {"a": ["x"] * 1500}}
    bulk = {"items": [{"title": "t", "message": "m", "audience": {"tenant": True}}] * 100}
    end = time.monotonic() + seconds

    def attack() -> None:
        session = requests.Session()
        session.headers.update(headers)
        while time.monotonic() < end:
            with suppress(requests.RequestException):
                session.post(f"{url}/v1/events", json=event, timeout=10)
                session.post(f"{url}/v1/notifications/bulk", json=bulk, timeout=10)

    threads = [threading.Thread(target=attack) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


ATTACKS: tuple[Attack, ...] = (
    unfinished_requests,
    unread_answers,
    tiny_frames,
    tiny_frames_of_a_client,
    pipelined_requests,
    costly_requests,
)
