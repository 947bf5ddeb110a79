"""What the channels' tests share: messages to send, a client of the lab, and servers that misbehave."""

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
    """A lab process, and its HTTP API."""

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

    def reset(self) -> None:
        """Delete all arrivals and faults."""
        self._session.delete(f"{self.url}/messages", timeout=5).raise_for_status()
        self.fault()

    def fault(self, **faults: str) -> None:
        """Set the faults of whole providers, such as fault(oauth="down"). Without arguments, clear them."""
        self._session.post(f"{self.url}/faults", json=faults, timeout=5).raise_for_status()

    def arrivals(self, **filters: str) -> list[dict[str, Any]]:
        """Return the recorded messages, oldest first."""
        found = self._session.get(f"{self.url}/messages", params={"limit": "10000", **filters}, timeout=5)
        found.raise_for_status()
        messages: list[dict[str, Any]] = found.json()["messages"]
        return messages

    def only(self, **filters: str) -> dict[str, Any]:
        """Return the only recorded message. Fails if there is not exactly one."""
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
    """Return the local port numbers of this process's open connections to a port of this machine."""
    found = psutil.Process().net_connections("tcp4")
    return {c.laddr.port for c in found if c.raddr and c.raddr.port == port and c.status == psutil.CONN_ESTABLISHED}


def threads(number: int, work: Callable[[int], Any]) -> list[Any]:
    """Run `work` in `number` threads that start at the same time. Return the results."""
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
    """Run a server on a free port and yield the port. `talk` handles a connection, which is closed afterwards."""
    listener = socket.create_server(("127.0.0.1", 0))
    accepted: list[socket.socket] = []

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
            accepted.append(connection)
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=listen, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        # close() alone does not wake threads that are blocked in accept and recv.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in accepted:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def silent(connection: socket.socket) -> None:
    """Read everything and never answer."""
    while connection.recv(65536):
        pass


def garbage(connection: socket.socket) -> None:
    """Answer with bytes that are neither HTTP nor SMTP nor UTF-8."""
    connection.sendall(b"\xff\xfe\x00 garbage \r\n" * 20)
    silent(connection)


def endless(connection: socket.socket) -> None:
    """Send a reply that starts correctly and never ends."""
    while True:
        connection.sendall(b"220-and so on\r\n" * 100)


def closing(connection: socket.socket) -> None:
    """Close the connection immediately."""
