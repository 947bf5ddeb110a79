"""Health and description of the process: /healthz, /readyz, /metrics, /version, /openapi.json."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Blueprint, Flask, Response, current_app, jsonify
from sqlalchemy import Engine

from bus.bells import Bells
from bus.redis import connect
from config.settings import Settings
from models.sql.engine import read
from web import VERSION
from web.context import context
from web.documents import Document
from web.examples import with_examples

# A dependency that does not answer within this time (seconds) counts as unavailable.
PATIENCE = 2.0

_ROOT = Path(__file__).resolve().parents[1]


def alembic_config() -> Config:
    """Return the configuration of the migrations of this checkout, whatever the working directory is."""
    config = Config(str(_ROOT / "alembic.ini"))
    config.set_main_option("script_location", str(_ROOT / "migrations"))
    return config


class Schema(NamedTuple):
    """The revision that the database is at, and the one that this code needs."""

    present: str | None
    needed: str

    @property
    def fits(self) -> bool:
        """Whether this code can work with the database.

        Revisions are numbered, and a later one lets the version before run beside it (docs/adr/0020). So during an
        upgrade the processes of the release before stay ready.
        """
        return self.present is not None and self.present >= self.needed


def schema_of(engine: Engine) -> Schema:
    """Read the revision of the database."""
    with read(engine) as connection:
        present = MigrationContext.configure(connection).get_current_revision()
    return Schema(present, str(ScriptDirectory.from_config(alembic_config()).get_current_head()))


class Probe:
    """Checks a dependency, and gives up after PATIENCE.

    The question goes on in its thread until the time-outs of its client end it; meanwhile no second one is started, so
    that a dependency that hangs does not collect threads.
    """

    def __init__(self, ask: Callable[[], None]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._asking: threading.Thread | None = None
        self._error: str | None = None

    def begin(self) -> None:
        """Start a check, unless an earlier one is still running."""
        with self._lock:
            if self._asking is None or not self._asking.is_alive():
                self._asking = threading.Thread(target=self._run, daemon=True)
                self._asking.start()

    def result(self, until: float) -> str | None:
        """Return the error, or None. Waits until the monotonic time `until` at most."""
        asking = self._asking
        if asking is None:
            return "not asked"
        asking.join(max(0.0, until - time.monotonic()))
        return f"no answer within {PATIENCE:g} s" if asking.is_alive() else self._error

    def _run(self) -> None:
        try:
            self._ask()
        except Exception as error:  # noqa: BLE001 - any error of a client means "unavailable"
            # The class only: messages of clients quote URLs, which can contain passwords.
            self._error = type(error).__name__
        else:
            self._error = None


class WrongSchema(Exception):
    """The database does not have the schema that this code needs: run db upgrade."""


def probes(settings: Settings, engine: Engine, bells: Bells) -> dict[str, Probe]:
    """Return one probe for each dependency of this process. None is started yet."""

    def ask_database() -> None:
        if not schema_of(engine).fits:
            raise WrongSchema

    def ask_redis() -> None:
        # One that is full answers questions, and takes nothing.
        with connect(settings.redis_url, PATIENCE) as client:
            client.set(f"{settings.bus_topic}:readyz", "", ex=60)

    return {"database": Probe(ask_database), "redis": Probe(ask_redis), "broker": Probe(bells.check)}


def register(app: Flask, settings: Settings, engine: Engine, bells: Bells) -> None:
    """Add the routes."""
    routes = Blueprint("health", __name__)
    asked = probes(settings, engine, bells)

    @routes.get("/healthz")
    def healthz() -> tuple[Response, int]:
        checks = {name: check() for name, check in context().alive.items()}
        failed = any(checks.values())
        body = {"status": "failed" if failed else "ok", "checks": _described(checks)}
        return jsonify(body), 503 if failed else 200

    @routes.get("/readyz")
    def readyz() -> tuple[Response, int]:
        until = time.monotonic() + PATIENCE
        for probe in asked.values():
            probe.begin()
        checks = {name: probe.result(until) for name, probe in asked.items()}
        # Without Redis or the broker, requests are still committed, and the relay delivers.
        status = "unavailable" if checks["database"] else "degraded" if any(checks.values()) else "ok"
        return jsonify(status=status, checks=_described(checks)), 200 if status == "ok" else 503

    @routes.get("/metrics")
    def metrics() -> Response:
        return Response(context().metrics.exposition(), content_type="text/plain; version=0.0.4; charset=utf-8")

    @routes.get("/version")
    def version() -> Response:
        return jsonify(name="carillon", version=VERSION)

    document = Document(lambda: with_examples(current_app.api_doc))  # type: ignore[attr-defined]
    routes.get("/openapi.json", endpoint="openapi")(document.answer)

    app.register_blueprint(routes)


def _described(checks: dict[str, str | None]) -> dict[str, dict[str, object]]:
    return {name: {"ok": not error, **({"error": error} if error else {})} for name, error in checks.items()}
