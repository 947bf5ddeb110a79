"""The conforming client over a network: python-socketio, HTTP, and a thread that does what the core asks for."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

import requests
import socketio

from tests.conforming.core import Client
from tests.sockets import SocketClient

# Seconds; docs/realtime.md, "What a client does". Questions come more often than there, for nobody waits a minute here.
GAP = 2.0
QUESTION = 3.0
ACKNOWLEDGE = 1.0
POLL = 1.0
TICK = 0.05


class LiveClient:
    """A user's open page. `sockets` False: something on the way lets none through, and it polls."""

    def __init__(self, url: str, token: str) -> None:
        self.core = Client()
        self.sockets = True
        # How often it was on a socket, and how many pages it polled.
        self.connections = 0
        self.polls = 0
        self._url = url
        self._token = token
        self._lock = threading.RLock()
        self._socket: SocketClient | None = None
        # Whether an answer is on its way; and when what is done now and then is due.
        self._asked = False
        self._due = dict.fromkeys(("gap", "question", "acknowledge", "poll", "connect"), 0.0)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave."""
        self._closed.set()
        self._thread.join(20)
        self._leave()

    def _run(self) -> None:
        while not self._closed.wait(TICK):
            # The server may be away: everything is tried again.
            with suppress(requests.RequestException, socketio.exceptions.SocketIOError):
                self._turn()

    def _turn(self) -> None:
        if self.sockets and self._socket is None and self._is_due("connect", POLL):
            self._connect()
        if not self.sockets and self._socket is not None:
            self._leave()
        if self._socket is not None:
            self._ask()
        elif self.core.more or self._is_due("poll", POLL):
            self._poll()
        if self.core.stale and self.core.cursor is not None:
            self._fetch()
        if self.core.shown and self._is_due("acknowledge", ACKNOWLEDGE):
            self._acknowledge()

    def _is_due(self, what: str, every: float) -> bool:
        now = time.monotonic()
        due = now >= self._due[what]
        if due:
            self._due[what] = now + every
        return due

    # On a socket.

    def _connect(self) -> None:
        client = SocketClient(reconnection=False, websocket_extra_options={"suppress_origin": True})
        client.on("*", lambda name, payload=None: self._heard(client, name, payload))
        client.on("disconnect", lambda _reason: self._lost(client))
        with self._lock:
            self._socket, self._asked = client, False
            auth = {"token": self._token, "dialect": "canonical", **self.core.connecting()}
        try:
            client.connect(self._url, auth=auth, transports=["websocket"], wait_timeout=5)
        except socketio.exceptions.SocketIOError:
            self._lost(client)
            raise
        self.connections += 1

    def _heard(self, client: SocketClient, name: str, payload: Any) -> None:
        with self._lock:
            # What an old connection still had to say comes again on the new one.
            if client is self._socket:
                self.core.hear(name, payload)

    def _lost(self, client: SocketClient) -> None:
        with self._lock:
            if client is self._socket:
                self._socket = None

    def _leave(self) -> None:
        client = self._socket
        if client is not None:
            self._lost(client)
            client.disconnect()
            client.shutdown()

    def _ask(self) -> None:
        with self._lock:
            client, core = self._socket, self.core
            if client is None or self._asked or core.replaying:
                return
            if not core.gap:
                self._due["gap"] = time.monotonic() + GAP
            if not (core.more or (core.gap and self._is_due("gap", GAP)) or self._is_due("question", QUESTION)):
                return
            self._asked = True
            client.emit("sync", core.position(), callback=lambda answer: self._answered(client, answer))

    def _answered(self, client: SocketClient, answer: dict[str, Any]) -> None:
        with self._lock:
            self._asked = False
            if client is self._socket and answer["ok"]:
                self.core.answered(answer)

    # By HTTP.

    def _poll(self) -> None:
        query = {"cursor": self.core.cursor} if self.core.cursor else {}
        page = self._http("GET", "/v1/events", params=query)
        self.polls += 1
        with self._lock:
            self.core.polled(page)

    def _fetch(self) -> None:
        with self._lock:
            self.core.fetching()
        items, counts = self._http("GET", "/v1/inbox"), self._http("GET", "/v1/inbox/counts")
        with self._lock:
            self.core.fetched(items["data"], counts)

    def _acknowledge(self) -> None:
        with self._lock:
            client, ids = self._socket, list(self.core.shown)
        if client is None:
            self._http("POST", "/v1/acks", json={"ids": ids})
        elif not client.call("notification:ack", {"ids": ids}, timeout=5)["ok"]:
            return
        with self._lock:
            self.core.acknowledged(ids)

    def _http(self, method: str, path: str, **what: Any) -> Any:
        headers = {"Authorization": f"Bearer {self._token}"}
        answer = requests.request(method, f"{self._url}{path}", headers=headers, timeout=5, **what)
        answer.raise_for_status()
        return answer.json()
