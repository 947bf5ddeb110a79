"""Clients that do not read: they cost little, get whole frames, and miss nothing once they read again."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import Any

import pytest
import websocket

from tests.waiting import eventually
from tests.web.realtime.served import BACKLOG
from tests.web.realtime.stack import Stack

pytestmark = pytest.mark.slow


class Raw:
    """A WebSocket that reads only when it is told to."""

    def __init__(self, stack: Stack) -> None:
        self.socket = websocket.create_connection(
            stack.web.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket",
            timeout=10,
            # So small that the server notices soon.
            sockopt=((socket.SOL_SOCKET, socket.SO_RCVBUF, 65536),),
            suppress_origin=True,
            # It would take most of the test's time.
            skip_utf8_validation=True,
        )
        self.socket.recv()
        self.socket.send("40" + json.dumps({"token": stack.token(), "dialect": "canonical"}))

    def event(self) -> tuple[str, Any]:
        """The next event."""
        while True:
            message = self.socket.recv()
            if message == "2":
                self.socket.send("3")
            elif message.startswith("42"):
                name, payload = json.loads(message[2:])
                # What has no number comes when it likes.
                if not name.startswith("presence:") and name != "notification:count":
                    return name, payload


def test_a_client_that_stops_reading_is_held_back_and_misses_nothing(stack: Stack):
    raw = Raw(stack)
    while raw.event()[0] != "session:ready":
        continue
    stalled = stack.web.metric("carillon_socket_stalled_total")
    # More than the buffers of both kernels and the bound together.
    number, size = 5 * BACKLOG, 50_000
    for _ in range(0, number, 20):
        stack.writer.publish(stack.append(20, size=size))
    eventually(lambda: stack.web.metric("carillon_socket_stalled_total") > stalled)
    heard = []
    while len(heard) < number:
        name, payload = raw.event()
        whole = name == "stream:data" and len(payload["filling"]) == size
        assert whole, "a frame was cut"
        heard.append(payload["seq"])
    assert heard == list(range(1, number + 1))
    raw.socket.close()


def test_a_message_that_is_too_large_ends_only_the_connection_it_came_on(stack: Stack):
    raw, other = Raw(stack), stack.client()
    while raw.event()[0] != "session:ready":
        continue
    raw.socket.send('42["test","' + "x" * 70_000 + '"]')
    # What was on its way may come first, such as who is there.
    with pytest.raises((ConnectionError, websocket.WebSocketConnectionClosedException)):
        assert [raw.socket.recv() for _ in range(20)] == []
    assert other.call("test", 1)["ok"]


GARBAGE = ["", "x", "7", "bAAA=", "4", "42", "42[]", "42{}", "42[1]", "42[{}]", '42["disconnect"]', '42["*"]']
GARBAGE += ["4" + "2[" * 5000, "451-[]", "43", "44", "49x", b"\x00\xff"]


def test_a_client_that_does_not_speak_the_protocol_is_disconnected(stack: Stack):
    for garbage in GARBAGE:
        _is_hung_up_on(stack, garbage)


def _is_hung_up_on(stack: Stack, garbage: str | bytes) -> None:
    connections = stack.web.metric("carillon_socket_connections")
    raw = Raw(stack)
    while raw.event()[0] != "session:ready":
        continue
    before = stack.web.log().count("Traceback")
    if isinstance(garbage, bytes):
        raw.socket.send_binary(garbage)
    else:
        raw.socket.send(garbage)
    while (message := raw.socket.recv()) == "2" or message.startswith("42"):
        # The server may have hung up by now.
        with suppress(BrokenPipeError, ConnectionResetError):
            raw.socket.send("3")
    # The close packet, or the end of the WebSocket.
    assert message in ("1", ""), garbage
    eventually(lambda: stack.web.metric("carillon_socket_connections") <= connections)
    assert stack.web.log().count("Traceback") == before
