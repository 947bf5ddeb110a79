"""Messages to send, a view into the lab, and servers that misbehave."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
import requests

from config.settings import Settings
from models.deliveries.message import Action, Message
from models.notifications.content import Content

NOTIFICATION = "019a9b3e-7c1d-7000-8000-0123456789ab"
_ids = itertools.count(1)


def content(**other: Any) -> Content:
    now = datetime.now(UTC)
    values: dict[str, Any] = {
        "notification_id": NOTIFICATION,
        "tenant": "acme",
        "title": "Backup finished",
        "message": "All 3 volumes were saved.",
        "data": {"volumes": 3},
        "level": "info",
        "priority": "normal",
        "category": None,
        "type": "backup.finished",
        "collapse_key": None,
        "reference": None,
        "url": None,
        "created_at": now,
        "expires_at": now + timedelta(days=1),
    }
    return Content(**(values | other))


def message(address: str, *, about: Content | None = None, **other: Any) -> Message:
    number = next(_ids)
    values: dict[str, Any] = {
        "delivery_id": number,
        "attempt": 1,
        "action": Action.SHOW,
        "content": about or content(),
        "user": "alice",
        "address": address,
        "seq": number,
    }
    return Message(**(values | other))


def batch(*addresses: str, about: Content | None = None, **other: Any) -> list[Message]:
    shared = about or content()
    return [message(address, about=shared, **other) for address in addresses]


def settings_for(http: str, smtp_port: int, timeout: float = 1.0, **environ: str) -> Settings:
    given = {
        "CARILLON_LAB_URL": http,
        "LAB_SMTP_PORT": str(smtp_port),
        "CARILLON_PROVIDER_TIMEOUT": str(timeout),
        "SMTP_FROM": "Carillon <bell@carillon.example>",
    }
    return Settings.from_env(given | environ)


class Lab:
    """A lab process of our own."""

    def __init__(self, port: int = 0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lab"],
            env={**os.environ, "LAB_PORT": str(port), "LAB_SMTP_PORT": "0"},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        ready = json.loads(self.process.stdout.readline())
        self.url: str = ready["http"]
        self.port = int(self.url.rpartition(":")[2])
        self.smtp_port = int(ready["smtp"].rpartition(":")[2])
        self._session = requests.Session()

    def settings(self, timeout: float = 1.0, **environ: str) -> Settings:
        return settings_for(self.url, self.smtp_port, timeout, **environ)

    def blank(self) -> None:
        """Forget all arrivals and faults."""
        self._session.delete(f"{self.url}/messages", timeout=5).raise_for_status()
        self.fault()

    def fault(self, **faults: str) -> None:
        """Let whole providers fail: fault(oauth="down")."""
        self._session.post(f"{self.url}/faults", json=faults, timeout=5).raise_for_status()

    def arrivals(self, **filters: str) -> list[dict[str, Any]]:
        """What arrived, oldest first."""
        found = self._session.get(f"{self.url}/messages", params={"limit": "10000", **filters}, timeout=5)
        found.raise_for_status()
        messages: list[dict[str, Any]] = found.json()["messages"]
        return messages

    def only(self, **filters: str) -> dict[str, Any]:
        """The one thing that arrived."""
        [arrival] = self.arrivals(**filters)
        return arrival

    def service_account(self) -> dict[str, Any]:
        found: dict[str, Any] = self._session.get(f"{self.url}/service-account.json", timeout=5).json()
        return found

    def ca(self) -> str:
        return self._session.get(f"{self.url}/ca.pem", timeout=5).text

    def stop(self) -> None:
        self._session.close()
        self.process.terminate()
        self.process.communicate(timeout=10)


def connections_to(port: int) -> set[int]:
    """Our open connections to a local port, by our own port numbers."""
    found = psutil.Process().net_connections("tcp4")
    return {c.laddr.port for c in found if c.raddr and c.raddr.port == port and c.status == psutil.CONN_ESTABLISHED}


def threads(number: int, work: Callable[[int], Any]) -> list[Any]:
    """What `work` returns in each of `number` threads that start together."""
    results: list[Any] = [None] * number
    gate = threading.Barrier(number)

    def run(index: int) -> None:
        gate.wait()
        results[index] = work(index)

    running = [threading.Thread(target=run, args=(index,)) for index in range(number)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(timeout=20)
        assert not thread.is_alive()
    return results


@contextmanager
def server(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server on a free port that lets `talk` have each connection, and closes it afterwards."""
    listener = socket.create_server(("127.0.0.1", 0))
    open_ones: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        try:
            talk(connection)
        except OSError:
            pass
        finally:
            connection.close()

    def listen() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            open_ones.append(connection)
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=listen, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        # Closing alone would not wake the threads that wait in accept and recv.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in open_ones:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def silent(connection: socket.socket) -> None:
    """Takes everything, says nothing."""
    while connection.recv(65536):
        pass


def garbage(connection: socket.socket) -> None:
    """Neither HTTP nor SMTP, and not UTF-8 either."""
    connection.sendall(b"\xff\xfe\x00 garbage \r\n" * 20)
    silent(connection)


def endless(connection: socket.socket) -> None:
    """A reply that begins well and never ends."""
    while True:
        connection.sendall(b"220-and so on\r\n" * 100)


def slamming(connection: socket.socket) -> None:
    """Hangs up at once."""
