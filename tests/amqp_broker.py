"""A stand-in for RabbitMQ: enough of AMQP 0-9-1 to connect, declare queues and take messages, and two of its faults."""

from __future__ import annotations

import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_METHOD, _BODY, _HEARTBEAT, _END = 1, 3, 8, b"\xce"

# Answers by (class, method): the answer's class and method, and its arguments.
_ANSWERS: dict[tuple[int, int], tuple[int, int, bytes]] = {
    (10, 11): (10, 30, struct.pack(">HIH", 0, 131072, 0)),  # Connection.StartOk: Tune
    (10, 40): (10, 41, b"\0"),  # Connection.Open
    (10, 50): (10, 51, b""),  # Connection.Close
    (20, 10): (20, 11, struct.pack(">I", 0)),  # Channel.Open
    (20, 40): (20, 41, b""),  # Channel.Close
    (40, 10): (40, 11, b""),  # Exchange.Declare
    (50, 20): (50, 21, b""),  # Queue.Bind
    (50, 10): (50, 11, b"\1q" + struct.pack(">II", 0, 0)),  # Queue.Declare
    (50, 30): (50, 31, struct.pack(">I", 0)),  # Queue.Purge
    (85, 10): (85, 11, b""),  # Confirm.Select
}
_START = (
    struct.pack(">BB", 0, 9) + struct.pack(">I", 0) + struct.pack(">I", 5) + b"PLAIN" + struct.pack(">I", 5) + b"en_US"
)
_ACK = (60, 80)


class Broker(socketserver.ThreadingTCPServer):
    """`alarm`: connections are taken, and messages are not confirmed. `frozen`: nothing is answered."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.alarm = threading.Event()
        self.frozen = threading.Event()
        self.messages: list[bytes] = []

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.server_address[1]}//"


class _Connection(socketserver.StreamRequestHandler):
    server: Broker

    def handle(self) -> None:
        self.rfile.read(8)
        confirmed: dict[int, int] = {}
        self._method(0, 10, 10, _START)
        while head := self.rfile.read(7):
            kind, channel, size = struct.unpack(">BHI", head)
            payload = self.rfile.read(size + 1)[:-1]
            if kind == _METHOD:
                found = _ANSWERS.get(struct.unpack(">HH", payload[:4]))
                if found is not None:
                    self._method(channel, *found)
            elif kind == _BODY and not self.server.alarm.is_set():
                self.server.messages.append(payload)
                confirmed[channel] = confirmed.get(channel, 0) + 1
                self._method(channel, *_ACK, struct.pack(">QB", confirmed[channel], 0))

    def _method(self, channel: int, *method: Any) -> None:
        if self.server.frozen.is_set():
            return
        class_, number, arguments = method
        payload = struct.pack(">HH", class_, number) + arguments
        self.wfile.write(struct.pack(">BHI", _METHOD, channel, len(payload)) + payload + _END)


@contextmanager
def amqp_broker() -> Iterator[Broker]:
    """A broker on a free port of the loopback."""
    with Broker() as broker:
        thread = threading.Thread(target=broker.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield broker
        finally:
            broker.shutdown()
            thread.join()
