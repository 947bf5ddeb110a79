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
from sqlalchemy import make_url

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

    @contextmanager
    def standby(self) -> Iterator[Standby]:
        """A database here, and a server that will take over for it with what there is when it is `taken`."""
        with self.database() as url, tempfile.TemporaryDirectory(prefix="carillon-standby-", dir=MEMORY) as place:
            os.chmod(place, 0o755)
            standby = Standby(self._directory, Path(place), url)
            try:
                yield standby
            finally:
                standby.stop()


class Standby:
    """A server that takes over after an asynchronous replication that was behind.

    `url` leads to the one that is in charge.
    """

    def __init__(self, primary: Path, place: Path, url: str) -> None:
        self._primary = primary
        self._own = place / "own"
        self._current = place / "current"
        self._current.symlink_to(primary)
        self._name = make_url(url).database
        self.url = url.replace(str(primary), str(self._current))
        self._server: subprocess.Popen[bytes] | None = None

    def take(self) -> None:
        """Take over what is committed on the primary. What is committed after that is lost."""
        self._own.mkdir()
        if _user():
            shutil.chown(self._own, _user())
        backup = ["-h", self._primary, "-U", "postgres", "-D", self._own / "data", "-c", "fast", "--no-sync"]
        subprocess.run([_required_programs() / "pg_basebackup", *backup], check=True, user=_user())

    def promote(self) -> None:
        """Be the server to which the URL leads. Connections to the other one end."""
        data = self._own / "data"
        (data / "standby.signal").touch()
        self._server = _start(self._own, CARELESS)
        subprocess.run(
            [_required_programs() / "pg_ctl", "promote", "-w", "-D", data],
            check=True,
            user=_user(),
            stdout=subprocess.DEVNULL,
        )
        self._current.unlink()
        self._current.symlink_to(self._own)
        with psycopg.connect(host=str(self._primary), user="postgres", dbname="postgres", autocommit=True) as own:
            own.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s", [self._name]
            )

    def stop(self) -> None:
        if self._server is not None:
            self._server.send_signal(2)
            self._server.wait(timeout=20)


def _user() -> str | None:
    """Whom the server insists on instead of root."""
    return "postgres" if getpass.getuser() == "root" else None


def _required_programs() -> Path:
    programs = _programs()
    if programs is None:
        skip_unless_ci("PostgreSQL is not installed: apt-get install postgresql")
    return programs


def _programs() -> Path | None:
    found = [str(p.parent) for p in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)]
    initdb = shutil.which("initdb", path=os.pathsep.join([*found, os.environ.get("PATH", "")]))
    return Path(initdb).resolve().parent if initdb else None


# Nothing outlives a test, so nothing has to be safe.
CARELESS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "shared_buffers=32MB")


@contextmanager
def postgresql_server(options: Sequence[str] = CARELESS, parent: str | None = MEMORY) -> Iterator[PostgreSQL]:
    """Run a private PostgreSQL. Skips the test where it is not installed; in CI that is a failure."""
    programs = _required_programs()
    # Not pytest's own directory: that one is closed to the user postgres.
    directory = Path(tempfile.mkdtemp(prefix="carillon-pg-", dir=parent))
    user = _user()
    if user:
        shutil.chown(directory, user)
    try:
        # fmt: off
        subprocess.run(
            [programs / "initdb", "-D", directory / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--locale=C", "--no-sync"],
            check=True, user=user, stdout=subprocess.DEVNULL,
        )
        # fmt: on
        server = _start(directory, options)
        try:
            yield PostgreSQL(directory)
        finally:
            # SIGINT: a fast shutdown, which waits for no client.
            server.send_signal(2)
            server.wait(timeout=20)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _start(directory: Path, options: Sequence[str]) -> subprocess.Popen[bytes]:
    # fmt: off
    server = subprocess.Popen(
        [_required_programs() / "postgres", "-D", directory / "data", "-k", directory, "-h", "",
         "-c", "max_connections=200", *[argument for option in options for argument in ("-c", option)]],
        user=_user(), stdout=subprocess.DEVNULL, stderr=(directory / "log").open("w"),
    )
    # fmt: on
    _wait_until_up(directory, server)
    return server


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
