"""WebSockets without a server: what is read from them, and what is written straight into the kernel."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from socket import SHUT_WR
from types import SimpleNamespace
from typing import Any

import gevent.socket
import pytest

from web.realtime.limits import MAX_MESSAGE
from web.realtime.transport.websocket import Rest, WebSocket, send
from web.realtime.transport.wire import EventPacket, event_packet, text_frame


def packet(number: int, size: int = 10) -> EventPacket:
    return event_packet("/", "news", {"n": number, "filling": "x" * size})


@pytest.fixture
def ends() -> Iterator[tuple[Any, Any]]:
    ours, theirs = gevent.socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def over(sock: Any) -> WebSocket:
    """A WebSocket whose handshake is done."""
    eio = SimpleNamespace(max_http_buffer_size=MAX_MESSAGE, sleep=lambda _seconds: None)
    made = WebSocket(None, eio, SimpleNamespace(spend=lambda _packets, _size: None), timeout=5)
    made.sock = sock
    made._kernel = getattr(sock, "_sock", None)
    return made


def socket_of(wire: WebSocket, **other: Any) -> Any:
    """What Engine.IO's socket is to the sender."""
    waiting: queue.Queue[Any] = queue.Queue()
    state = {"upgraded": True, "closing": False, "closed": False} | other
    return SimpleNamespace(wire=wire, queue=waiting, send=waiting.put, **state)


def write_queue(socket: Any) -> bytes:
    """What the writer would put on the wire."""
    written = b""
    while not socket.queue.empty():
        message = socket.queue.get().encode()
        written += message if isinstance(message, bytes) else text_frame(message)
    return written


def test_while_nothing_waits_an_event_goes_at_once(ends):
    socket = socket_of(over(ends[0]))
    send(socket, packet(1))
    assert socket.queue.empty()
    assert ends[1].recv(1000) == packet(1).frame


def test_behind_something_that_waits_it_waits(ends):
    socket = socket_of(over(ends[0]))
    socket.queue.put(packet(1))
    send(socket, packet(2))
    assert write_queue(socket) == packet(1).frame + packet(2).frame


def test_while_somebody_writes_it_waits(ends):
    wire = over(ends[0])
    wire._writing = 1
    socket = socket_of(wire)
    send(socket, packet(1))
    assert socket.queue.qsize() == 1


@pytest.mark.parametrize("state", [{"upgraded": False}, {"closing": True}, {"closed": True}])
def test_a_connection_that_begins_or_ends_takes_the_usual_way(ends, state):
    socket = socket_of(over(ends[0]), **state)
    send(socket, packet(1))
    assert socket.queue.qsize() == 1


def test_a_socket_of_another_kind_takes_the_usual_way():
    socket = socket_of(over(SimpleNamespace()))
    send(socket, packet(1))
    assert socket.queue.qsize() == 1


def test_whatever_the_kernel_does_not_take_follows_whole_and_in_order(ends):
    ours, theirs = ends
    socket = socket_of(over(ours))
    packets = [packet(i, size=70_000) for i in range(40)]
    for one in packets:
        send(socket, one)
    rests = [one for one in socket.queue.queue if isinstance(one, Rest)]
    assert len(rests) <= 1
    assert socket.queue.qsize() > 1
    ours.shutdown(SHUT_WR)
    taken = b"".join(iter(lambda: theirs.recv(1 << 20), b""))
    assert taken + write_queue(socket) == b"".join(one.frame for one in packets)


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_frame_says_how_long_it_is(size):
    frame = text_frame("x" * size)
    head = {0: b"\x81\x00", 125: b"\x81\x7d", 126: b"\x81\x7e\x00\x7e", 65_535: b"\x81\x7e\xff\xff"}
    assert frame.startswith(head.get(size, b"\x81\x7f" + (65_536).to_bytes(8)))
    assert frame.endswith(b"x" * size)
