"""A migrated database for one test: a copied SQLite file, or a database cloned inside a private PostgreSQL."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config

from models.sql.engine import connect
from tests.missing import skip_unless_ci

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = "carillon_template"

# Databases that live for a second need no disk: a tenth of the time, and no wear.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def migrate(url: str) -> None:
    """Bring the database at `url` to the newest schema."""
    config = Config(str(ROOT / "alembic.ini"))
    config.set_main_option("script_location", str(ROOT / "migrations"))
    engine = connect(url)
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


class PostgreSQL:
    """A server of our own on a Unix socket, with a migrated template to clone."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._numbers = count(1)
        migrate(self._create(TEMPLATE))

    def _url(self, name: str) -> str:
        return f"postgresql+psycopg://postgres@/{name}?host={self._directory}"

    def _create(self, name: str, template: str = "template0") -> str:
        # Copying files beats copying through the log, which is for templates much larger than ours.
        self._say(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return self._url(name)

    def _say(self, statement: str) -> None:
        with psycopg.connect(host=str(self._directory), user="postgres", dbname="postgres", autocommit=True) as own:
            own.execute(statement)

    @contextmanager
    def empty_database(self) -> Iterator[str]:
        """The URL of a fresh database without a schema, dropped afterwards."""
        name = f"test_{next(self._numbers)}"
        yield self._create(name)
        self._say(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def database(self, template: str = TEMPLATE) -> Iterator[str]:
        """The URL of a fresh migrated database, or of a copy of another one, dropped afterwards."""
        name = f"test_{next(self._numbers)}"
        yield self._create(name, template)
        self._say(f"DROP DATABASE {name} WITH (FORCE)")


def _programs() -> Path | None:
    found = [str(p.parent) for p in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)]
    initdb = shutil.which("initdb", path=os.pathsep.join([*found, os.environ.get("PATH", "")]))
    return Path(initdb).resolve().parent if initdb else None


# Nothing outlives a test, so nothing has to be safe.
CARELESS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "shared_buffers=32MB")


@contextmanager
def postgresql_server(options: Sequence[str] = CARELESS, parent: str | None = MEMORY) -> Iterator[PostgreSQL]:
    """Run a private PostgreSQL. Skips the test where it is not installed; in CI that is a failure."""
    programs = _programs()
    if programs is None:
        skip_unless_ci("PostgreSQL is not installed: apt-get install postgresql")
    # Not pytest's own directory: that one is closed to the user postgres, whom the server insists on instead of root.
    directory = Path(tempfile.mkdtemp(prefix="carillon-pg-", dir=parent))
    user = "postgres" if getpass.getuser() == "root" else None
    if user:
        shutil.chown(directory, user)
    try:
        # fmt: off
        subprocess.run(
            [programs / "initdb", "-D", directory / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--locale=C", "--no-sync"],
            check=True, user=user, stdout=subprocess.DEVNULL,
        )
        server = subprocess.Popen(
            [programs / "postgres", "-D", directory / "data", "-k", directory, "-h", "", "-c", "max_connections=200",
             *[argument for option in options for argument in ("-c", option)]],
            user=user, stdout=subprocess.DEVNULL, stderr=(directory / "log").open("w"),
        )
        # fmt: on
        try:
            _wait_until_up(directory, server)
            yield PostgreSQL(directory)
        finally:
            # SIGINT: a fast shutdown, which waits for no client.
            server.send_signal(2)
            server.wait(timeout=20)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _wait_until_up(directory: Path, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end and server.poll() is None:
        try:
            psycopg.connect(host=str(directory), user="postgres", dbname="postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"PostgreSQL did not start: {(directory / 'log').read_text()}")


@contextmanager
def sqlite_file(template: Path) -> Iterator[str]:
    """The URL of a copy of the template, deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="carillon-sqlite-", dir=MEMORY) as directory:
        path = Path(directory) / "carillon.db"
        shutil.copyfile(template, path)
        yield f"sqlite:///{path}"
