"""A client of the protocol by hand: HTTP requests and WebSocket messages, without a library of Socket.IO."""

from __future__ import annotations

import json
import time
from typing import Any

import requests
import websocket

from tests.protocol.conftest import Server

SEPARATOR = "\x1e"


class Polling:
    """An Engine.IO session by long polling."""

    def __init__(self, server: Server) -> None:
        self.server = server
        opening = f"{server.url}/socket.io/?EIO=4&transport=polling"
        self.opened = json.loads(requests.get(opening, timeout=5).text[1:])
        self.url = f"{opening}&sid={self.opened['sid']}"

    def post(self, body: str | bytes) -> requests.Response:
        return requests.post(self.url, data=body, timeout=self.server.patience)

    def get(self) -> requests.Response:
        return requests.get(self.url, timeout=self.server.patience)

    def connect(self) -> None:
        """Connect to the main namespace of Socket.IO."""
        self.post(f"40{self.server.auth()}")
        self.until(1, "40")

    def until(self, wanted: int, *kinds: str) -> list[str]:
        """Answer pings until that many packets that begin with one of these have come, and return them."""
        found: list[str] = []
        while len(found) < wanted:
            for packet in self.get().text.split(SEPARATOR):
                if packet == "2":
                    self.post("3")
                if packet.startswith(kinds):
                    found.append(packet)
        return found


def open_websocket(server: Server, query: str = "EIO=4&transport=websocket") -> websocket.WebSocket:
    """A WebSocket to the server, before anything was said."""
    return websocket.create_connection(f"{server.websocket}/socket.io/?{query}", timeout=5, suppress_origin=True)


class Session:
    """A Socket.IO connection over a WebSocket; connected to the main namespace unless `greet` is False."""

    def __init__(self, server: Server, greet: bool = True) -> None:
        self.server = server
        self.socket = open_websocket(server)
        assert self.socket.recv().startswith("0{")
        if greet:
            assert self.connect().startswith('40{"sid":')

    def connect(self, namespace: str = "") -> str:
        """Connect to a namespace ("/name,"). Returns the answer."""
        self.socket.send(f"40{namespace}{self.server.auth()}")
        return self.next("40", "44")

    def send(self, message: str | bytes) -> None:
        """Send a message of text or of binary data."""
        if isinstance(message, bytes):
            self.socket.send_binary(message)
        else:
            self.socket.send(message)

    def next(self, *kinds: str) -> str:
        """The next message that begins with one of these. "" is the end of the connection."""
        deadline = time.monotonic() + 2 * self.server.patience
        while True:
            assert time.monotonic() < deadline, "nothing of the kind comes"
            message: Any = self.receive()
            if message == "2":
                self.socket.send("3")
            if not message or (isinstance(message, str) and message.startswith(kinds)):
                return str(message)

    def receive(self) -> Any:
        """The next message; "" at the end of the connection, which an Engine.IO close packet is too."""
        try:
            message = self.socket.recv()
        except (ConnectionError, websocket.WebSocketConnectionClosedException):
            return ""
        return "" if message == "1" else message

    def ends(self) -> bool:
        """Whether the server ends the connection soon, although its pings are answered."""
        return self.next("nothing begins like this") == ""
