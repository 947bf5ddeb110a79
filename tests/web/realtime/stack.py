"""A web process to connect to, a worker's hands to feed it, and a client that does as clients are asked to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import requests
from engineio.payload import Payload
from sqlalchemy import Engine

from actions.installation import utc_now
from bus.envelope import Group, room_name
from bus.publisher import Publisher
from channels.in_app import InAppChannel
from config.audiences import CLIENT
from config.settings import Settings
from models.deliveries.expand import Page
from models.events.log import heads
from models.sql.engine import read, write
from models.users.queries import Person, upsert_users
from tests import factories
from tests.bells import RecordingBells
from tests.databases import ROOT
from tests.sockets import SocketClient
from tests.waiting import eventually
from tests.web.realtime.rows import append
from tests.web.worker import work
from workers.deliver import deliver_batch
from workers.expand import publish_page
from workers.runtime import Runtime

# The Python client refuses more than 16 packets in one answer to a poll; browsers take any number.
Payload.max_decode_packets = 1000


class Web:
    """A gunicorn with one worker, serving `served.application` or another."""

    def __init__(
        self,
        settings: Settings,
        mode: str,
        log: Path,
        application: str = "tests.web.realtime.served:application()",
        **environ: str,
    ) -> None:
        self.settings = settings
        self.mode = mode
        self.port = factories.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = log
        self._application = application
        self._environ = {
            **{n: v for n, v in os.environ.items() if n in ("PATH", "HOME", "LANG", "TMPDIR")},
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url,
            "CARILLON_REDIS_CHANNEL": settings.bus_topic,
            "CARILLON_JWKS_FILE": str(settings.jwks_file),
            "CARILLON_ENV": "development",
            "CARILLON_CORS_ORIGINS": "https://app.example",
            "SOCKETIO_ASYNC_MODE": mode,
            "LOG_LEVEL": "DEBUG",
            **environ,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Web:
        command: list[Path | str] = [Path(sys.executable).parent / "gunicorn", "-c", "web/gunicorn.py"]
        command += ["-b", f"127.0.0.1:{self.port}", "--graceful-timeout", "1", self._application]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=self._environ, stdout=log, stderr=log, start_new_session=True
            )
        eventually(self._answers, within=30)
        return self

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()[-3000:]
        try:
            return self.health() is not None
        except requests.RequestException:
            return False

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def health(self) -> Any:
        return requests.get(f"{self.url}/healthz", timeout=2).json()

    def metric(self, name: str) -> float:
        lines = requests.get(f"{self.url}/metrics", timeout=2).text.splitlines()
        [value] = [line.rpartition(" ")[2] for line in lines if line.rpartition(" ")[0] == name]
        return float(value)

    def log(self) -> str:
        return self._log.read_text()

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, how)
            self._process.wait()


class Stack:
    """Web, database and Redis, with a tenant of its own for each test."""

    def __init__(self, web: Web, engine: Engine, tenant: str) -> None:
        self.web = web
        self.settings = web.settings
        self.engine = engine
        self.tenant = tenant
        factories.create_tenant(engine, tenant, utc_now())
        self.writer = Publisher.of(self.settings)
        self.channel = InAppChannel(self.writer)
        self._runtime = Runtime(engine, {"live": {"in_app": self.channel}, "test": {}}, RecordingBells(), lease=60)
        self._written: list[Page] = []
        self._clients: list[Client] = []

    def token(self, user: str = "alice", **other: Any) -> str:
        values: dict[str, Any] = {"subject": user, "tenant": self.tenant, "audience": CLIENT}
        return factories.create_token(self.settings, **(values | other))

    def write(self, user: str = "alice", lifetime: timedelta = timedelta(days=1), **other: Any) -> Any:
        """Commit a notification and its event; nothing is published yet. Returns its id."""
        now = utc_now()
        values = {"tenant_id": self.tenant, "audience": {"users": [{"id": user}]}, "expires_at": now + lifetime}
        notification = factories.accept_one(self.engine, now, **(values | other))
        self._written += factories.expand_all(self.engine, notification, now)
        return notification

    def append(self, number: int, room: str = "user:alice", size: int = 10) -> list[Group]:
        """Commit so many events of another kind, in one transaction; returns them, to be published or not."""
        if room.startswith("user:"):
            with write(self.engine) as connection:
                upsert_users(connection, self.tenant, [Person(room[5:])], utc_now())
        data = {"filling": "x" * size}
        seqs = append(self.engine, number, room, tenant=self.tenant, data=data)
        return [Group("stream:data", data, [(room_name(self.tenant, room), seq)]) for seq in seqs]

    def publish(self) -> None:
        """Do what a worker does with what was written, until nothing is left to do."""
        while self._written:
            publish_page(self._runtime, self._written.pop(0))
        while deliver_batch(self._runtime, "in_app"):
            pass

    def work(self) -> None:
        """Do all that workers do."""
        work(self.engine, self.writer)

    def notify(self, user: str = "alice", **other: Any) -> Any:
        notification = self.write(user, **other)
        self.publish()
        return notification

    def head(self, room: str = "user:alice") -> int:
        """The number of the room's newest event."""
        with read(self.engine) as connection:
            return heads(connection, self.tenant, room.removeprefix("user:")).positions[room]

    def client(self, user: str = "alice", *, transport: str = "websocket", **auth: Any) -> Client:
        """A client that is connected and has heard session:ready. It speaks canonically, unless it says otherwise."""
        client = Client(self.web.url, {"token": self.token(user), "dialect": "canonical", **auth}, transport)
        self._clients.append(client)
        eventually(lambda: client.ready)
        return client

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self.channel.close()


class Client:
    """What a client is asked to do: order by number, drop what it has, ask for more."""

    def __init__(
        self,
        url: str,
        auth: Any,
        transport: str = "websocket",
        headers: dict[str, str] | None = None,
        origin: str | None = None,
    ) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        # By room: what stands behind each number; None: nothing does.
        self.rooms: dict[str, dict[int, Any]] = {}
        self.ended: list[Any] = []
        # The WebSocket library says where it comes from, as a browser would; the HTTP library does not.
        told: dict[str, Any] = {"origin": origin} if origin else {"suppress_origin": True}
        self.sio = SocketClient(reconnection=False, websocket_extra_options=told)
        headers = (headers or {}) | ({"Origin": origin} if origin and transport == "polling" else {})
        self.sio.on("*", self._hear)
        self.sio.on("disconnect", self.ended.append)
        self.sio.connect(url, auth=auth, transports=[transport], wait_timeout=10, headers=headers)

    def _hear(self, event: str, payload: Any = None) -> None:
        self.heard.append((event, payload))
        if isinstance(payload, dict) and "room" in payload:
            room = self.rooms.setdefault(payload["room"], {})
            if event == "event:skipped":
                for seq in range(payload["from"], payload["seq"] + 1):
                    room.setdefault(seq, None)
            else:
                room[payload["seq"]] = (event, payload)

    def all(self, event: str) -> list[dict[str, Any]]:
        return [payload for name, payload in list(self.heard) if name == event]

    @property
    def ready(self) -> dict[str, Any] | None:
        found = self.all("session:ready")
        return found[0] if found else None

    def seqs(self, room: str = "user:alice") -> list[int]:
        return sorted(self.rooms.get(room, {}))

    def has(self, first: int, last: int, room: str = "user:alice") -> bool:
        """Whether it has exactly these numbers."""
        return self.seqs(room) == list(range(first, last + 1))

    def order(self, room: str = "user:alice") -> list[int]:
        """The numbers in the order in which they came, repetitions included."""
        return [p["seq"] for _, p in list(self.heard) if isinstance(p, dict) and p.get("room") == room]

    def titles(self) -> list[str]:
        return [payload["title"] for payload in self.all("notification:new")]

    def call(self, event: str, *data: Any) -> Any:
        return self.sio.call(event, data if len(data) != 1 else data[0], timeout=10)

    def close(self) -> None:
        self.sio.disconnect()
        self.sio.shutdown()
