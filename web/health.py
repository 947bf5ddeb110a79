"""Is this process alive, can it work, what is it: /healthz, /readyz, /metrics, /version, /openapi.json."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Blueprint, Flask, Response, current_app, jsonify
from kombu.connection import Connection as Broker
from sqlalchemy import Engine

from bus.redis import connect
from config.settings import Settings
from models.sql.engine import read
from web import VERSION
from web.context import context
from web.examples import with_examples

# A dependency that does not answer within this time is away, in seconds.
PATIENCE = 2.0

_ROOT = Path(__file__).resolve().parents[1]


def alembic_config() -> Config:
    """The migrations of this checkout, from whatever directory the process was started."""
    config = Config(str(_ROOT / "alembic.ini"))
    config.set_main_option("script_location", str(_ROOT / "migrations"))
    return config


def schema_revisions(engine: Engine) -> tuple[str | None, str | None]:
    """(the revision the database is at, the one this code needs)."""
    with read(engine) as connection:
        present = MigrationContext.configure(connection).get_current_revision()
    return present, ScriptDirectory.from_config(alembic_config()).get_current_head()


class Probe:
    """Asks a dependency, and gives up after PATIENCE.

    The question goes on in its thread until the time-outs of its client end it; meanwhile no second one is started, so
    that a dependency that hangs does not collect threads.
    """

    def __init__(self, ask: Callable[[], None]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._asking: threading.Thread | None = None
        self._error: str | None = None

    def begin(self) -> None:
        """Ask, unless an earlier question is still open."""
        with self._lock:
            if self._asking is None or not self._asking.is_alive():
                self._asking = threading.Thread(target=self._run, daemon=True)
                self._asking.start()

    def result(self, until: float) -> str | None:
        """What is wrong, or None; waits no longer than to the monotonic time `until`."""
        asking = self._asking
        if asking is None:
            return "not asked"
        asking.join(max(0.0, until - time.monotonic()))
        return f"no answer within {PATIENCE:g} s" if asking.is_alive() else self._error

    def _run(self) -> None:
        try:
            self._ask()
        except Exception as error:  # noqa: BLE001 - whatever a client raises, it means "away"
            # The class only: messages of clients quote URLs, and those hold passwords.
            self._error = type(error).__name__
        else:
            self._error = None


class WrongSchema(Exception):
    """The database was not migrated to what this code needs: flask db upgrade."""


def probes(settings: Settings, engine: Engine) -> dict[str, Probe]:
    """One probe for each thing that this process depends on. Nothing is asked yet."""

    def ask_database() -> None:
        present, needed = schema_revisions(engine)
        if present != needed:
            raise WrongSchema

    def ask_redis() -> None:
        with connect(settings.redis_url, PATIENCE) as client:
            client.ping()

    def ask_broker() -> None:
        options = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE, "max_retries": 0}
        untyped: Any = Broker
        with untyped(settings.broker_url, connect_timeout=PATIENCE, transport_options=options) as broker:
            broker.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=PATIENCE)
            broker.default_channel.close()

    return {"database": Probe(ask_database), "redis": Probe(ask_redis), "broker": Probe(ask_broker)}


def register(app: Flask, settings: Settings, engine: Engine) -> None:
    """Add the routes."""
    routes = Blueprint("health", __name__)
    asked = probes(settings, engine)

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
        # Without Redis or the broker everything that is asked for is still committed, and the relay delivers it.
        status = "unavailable" if checks["database"] else "degraded" if any(checks.values()) else "ok"
        return jsonify(status=status, checks=_described(checks)), 200 if status == "ok" else 503

    @routes.get("/metrics")
    def metrics() -> Response:
        return Response(context().metrics.exposition(), content_type="text/plain; version=0.0.4; charset=utf-8")

    @routes.get("/version")
    def version() -> Response:
        return jsonify(name="carillon", version=VERSION)

    @routes.get("/openapi.json")
    def openapi() -> Response:
        return jsonify(with_examples(current_app.api_doc))  # type: ignore[attr-defined]

    app.register_blueprint(routes)


def _described(checks: dict[str, str | None]) -> dict[str, dict[str, object]]:
    return {name: {"ok": not error, **({"error": error} if error else {})} for name, error in checks.items()}
