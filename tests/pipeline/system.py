"""The whole system as processes on free ports of the loopback, to be stopped, killed and started again one by one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import redis
import requests

from actions.installation import utc_now
from models.sql.engine import connect
from tests import factories
from tests.conftest import redis_program
from tests.databases import ROOT
from tests.sockets import SocketClient
from tests.waiting import eventually

WORKER = "celery -A workers.app worker -P threads -c 4 --without-mingle --without-gossip --loglevel WARNING"
REDIS = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
QUEUES = "intake,deliver,push,mail,housekeeping"


class System:
    """Redis, lab, web, worker and relay of one installation, by name."""

    def __init__(self, database_url: str, directory: Path, **environment: str) -> None:
        self.directory = directory
        self.ports = {name: factories.free_port() for name in ("redis", "web", "lab", "smtp")}
        self.settings = factories.create_settings(
            directory,
            DATABASE_URL=database_url,
            REDIS_URL=f"redis://127.0.0.1:{self.ports['redis']}/0",
            PORT=str(self.ports["web"]),
            CARILLON_LAB_URL=f"http://127.0.0.1:{self.ports['lab']}",
            LAB_SMTP_PORT=str(self.ports["smtp"]),
            CARILLON_ENV="development",
            CARILLON_LEASE="9",
            CARILLON_PROVIDER_TIMEOUT="4",
            **environment,
        )
        self.environment = {
            **{n: v for n, v in os.environ.items() if n in ("PATH", "HOME", "LANG", "TMPDIR")},
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "DATABASE_URL": database_url,
            "REDIS_URL": self.settings.redis_url,
            "BROKER_URL": self.settings.redis_url,
            "PORT": str(self.ports["web"]),
            "LAB_PORT": str(self.ports["lab"]),
            "LAB_SMTP_PORT": str(self.ports["smtp"]),
            "CARILLON_LAB_URL": str(self.settings.lab_url),
            "CARILLON_JWKS_FILE": str(self.settings.jwks_file),
            "CARILLON_VAR": str(directory),
            "CARILLON_ENV": "development",
            "CARILLON_LEASE": "9",
            "CARILLON_PROVIDER_TIMEOUT": "4",
            **environment,
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        engine = connect(database_url)
        now = utc_now()
        factories.create_tenant(engine, "acme", now)
        self.key = factories.create_api_key(engine, "acme")
        factories.create_users(engine, ["alice"], email=True, device=True, now=now)
        self.engine = engine

    # Processes

    def start(self, *names: str) -> None:
        """Start the processes and wait until they answer."""
        for name in names:
            kind = name.split("-")[0]
            log = open(self.directory / f"{name}.log", "ab")  # noqa: SIM115 - the child owns it
            self.processes[name] = subprocess.Popen(
                self._command(kind),
                cwd=ROOT,
                env=self.environment | {"PORT": str(self._port(name))},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            log.close()
        for name in names:
            eventually(lambda name=name: self._answers(name.split("-")[0], name), within=40)

    def _port(self, name: str) -> int:
        # A process that takes the place of another answers where that one did, unless it was given a port.
        return self.ports.get(name, self.ports["web"])

    def _command(self, kind: str) -> list[str]:
        bin_ = Path(sys.executable).parent
        return {
            "redis": [redis_program(), *REDIS, "--port", str(self.ports["redis"]), "--dir", str(self.directory)],
            "lab": [sys.executable, "-m", "lab"],
            "web": [str(bin_ / "gunicorn"), "-c", "web/gunicorn.py", "web.app:create_app()"],
            "worker": [str(bin_ / "celery"), *WORKER.split()[1:], "-Q", QUEUES, "-n", f"{time.time_ns()}@%h"],
            "relay": [sys.executable, "-m", "workers.relay"],
        }[kind]

    def _answers(self, kind: str, name: str) -> bool:
        assert self.processes[name].poll() is None, (self.directory / f"{name}.log").read_text()[-3000:]
        try:
            if kind == "redis":
                return bool(self.redis.ping())
            if kind == "lab":
                return requests.get(f"{self.settings.lab_url}/messages", timeout=1).ok
            if kind == "web":
                return requests.get(f"http://127.0.0.1:{self._port(name)}/healthz", timeout=1).ok
        except (requests.RequestException, redis.RedisError):
            return False
        text = (self.directory / f"{name}.log").read_text()
        return "ready" in text or "relay started" in text

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to the process and all its children."""
        os.killpg(self.processes[name].pid, number)

    def kill(self, name: str) -> None:
        """SIGKILL, at once, with all children."""
        self.signal(name, signal.SIGKILL)
        self.processes.pop(name).wait()

    def stop(self) -> None:
        """End everything that was started."""
        for name in list(self.processes):
            if self.processes[name].poll() is None:
                self.signal(name, signal.SIGCONT)
                self.kill(name)
        self.engine.dispose()
        left = psutil.process_iter(["cmdline"])
        assert not [p for p in left if str(self.directory) in str(p.info["cmdline"])]

    # What its users see

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['web']}"

    @property
    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.settings.redis_url, socket_timeout=2)

    def post(self, key: str | None = None, **body: Any) -> requests.Response:
        """Enqueue a notification to alice, or as `body` says."""
        body = {"audience": {"users": ["alice"]}, "title": "Hello", "message": "World"} | body
        headers = {"Authorization": f"Bearer {self.key}"} | ({"Idempotency-Key": key} if key else {})
        return requests.post(f"{self.url}/v1/notifications", json=body, headers=headers, timeout=10)

    def get(self, path: str) -> Any:
        response = requests.get(f"{self.url}{path}", headers={"Authorization": f"Bearer {self.key}"}, timeout=10)
        response.raise_for_status()
        return response.json()

    def delete(self, path: str) -> requests.Response:
        return requests.delete(f"{self.url}{path}", headers={"Authorization": f"Bearer {self.key}"}, timeout=10)

    def deliveries(self, notification: str) -> dict[str, dict[str, Any]]:
        """The notification's deliveries by channel (of one recipient)."""
        page = self.get(f"/v1/notifications/{notification}/deliveries")
        return {d["channel"]: d for d in page["data"]}

    def received(self, **filters: str) -> list[dict[str, Any]]:
        """What the lab received and accepted."""
        query = {"outcome": "accepted", "limit": "10000"} | filters
        response = requests.get(f"{self.settings.lab_url}/messages", params=query, timeout=10)
        messages: list[dict[str, Any]] = response.json()["messages"]
        return messages

    @contextmanager
    def screen(self, user: str = "alice") -> Iterator[Screen]:
        """An open page of the user."""
        screen = Screen(self.url, factories.create_token(self.settings, subject=user, tenant="acme"))
        yield screen
        screen.client.disconnect()


class Screen:
    """A Socket.IO client that keeps what it hears."""

    def __init__(self, url: str, token: str) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.client = SocketClient(reconnection_delay=0.2, reconnection_delay_max=0.5)
        self.client.on("*", lambda event, data=None: self.heard.append((event, data)))
        self.client.connect(url, auth={"token": token}, transports=["websocket"], wait_timeout=5)

    def titles(self) -> list[str]:
        """The titles of the notifications shown, in order of arrival."""
        return [data["title"] for event, data in self.heard if event == "notification:new"]

    def acknowledge(self, *ids: str) -> Any:
        return self.client.call("notification:ack", {"ids": list(ids)}, timeout=5)
