"""Rows for tests, made through the ledger's own functions; settings, keys and tokens."""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Engine

from actions.installation import Installation, utc_now
from actions.meter import Meter
from actions.quotas import Quotas
from actions.tokens import Claims, mint
from actions.usage import UsageCounts
from bus.bells import Bells
from bus.counters import Counters
from bus.publisher import Publisher
from config.audiences import CLIENT, OPERATOR, SERVICE
from config.jwt_keys import JwtKeys
from config.settings import Settings
from models.addresses import devices
from models.catalogue.source import built_in
from models.deliveries.expand import Page, Written, read_page, write_page
from models.deliveries.lifecycle import Failure, State, Transition
from models.deliveries.message import Batch
from models.deliveries.record import correct
from models.notifications.accept import NewNotification, accept
from models.sql.engine import write
from models.tenants import api_keys
from models.tenants import queries as tenant_queries
from models.users.queries import Person, upsert_users
from tests.bells import RecordingBells

# One key of 32 bytes, which may sign for everybody.
JWKS: dict[str, list[dict[str, Any]]] = {
    "keys": [
        {
            "kty": "oct",
            "kid": "test",
            "alg": "HS256",
            "k": "dGVzdC1rZXktdGVzdC1rZXktdGVzdC1rZXktdGVzdC0",
            "carillon:audiences": [CLIENT, SERVICE, OPERATOR],
        }
    ]
}


def bus_secret() -> bytes:
    """What processes sign with that have no database."""
    return b"a secret of thirty-two bytes....."


# A fixed moment: time is an argument everywhere below web/ and workers/.
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def create_tenant(engine: Engine, tenant: str = "acme", now: datetime = NOW) -> str:
    with write(engine) as connection:
        tenant_queries.create_tenant(connection, tenant, tenant.title(), now)
    return tenant


def create_users(
    engine: Engine,
    names: Sequence[str],
    *,
    tenant: str = "acme",
    email: bool = False,
    device: bool = False,
    now: datetime = NOW,
) -> dict[str, int]:
    """Users by name with their row ids; a mailbox is `<name>@example.test`, a device's token `<name>-phone`."""
    with write(engine) as connection:
        ids = {}
        for name in names:
            person = Person(name, f"{name}@example.test" if email else None)
            [ids[name]] = upsert_users(connection, tenant, [person], now)
            if device:
                devices.add_device(connection, tenant, ids[name], "token", f"{name}-phone", "android", now)
    return ids


def notification(**other: Any) -> NewNotification:
    values: dict[str, Any] = {
        "tenant_id": "acme",
        "mode": "live",
        "audience": {"users": [{"id": "alice"}]},
        "title": "Hello",
        "message": "World",
        "data": {"n": 1},
        "expires_at": NOW + timedelta(days=1),
        "body_sha256": "0" * 64,
    }
    return NewNotification(**(values | other))


def accept_one(engine: Engine, now: datetime = NOW, **other: Any) -> UUID:
    with write(engine) as connection:
        return accept(connection, notification(**other), now).id


class ExpandedPage(NamedTuple):
    """A page that was read and written."""

    page: Page
    written: Written

    @property
    def end(self) -> int:
        return self.page.end

    @property
    def finished(self) -> bool:
        return self.page.finished

    @property
    def lane(self) -> int:
        return self.page.lane

    @property
    def recipients(self) -> int:
        return len(self.page.user_ids)

    @property
    def channels(self) -> frozenset[str]:
        return self.written.channels

    @property
    def in_app(self) -> Batch | None:
        return self.written.in_app


def expand_page(
    connection: Connection, notification_id: UUID, now: datetime, size: int = 1000, start: int | None = None
) -> ExpandedPage | None:
    """Read a page and write it, in one transaction."""
    page = read_page(connection, notification_id, now, size, start)
    return ExpandedPage(page, write_page(connection, page, now)) if page is not None else None


def expand_all(engine: Engine, notification_id: UUID, now: datetime = NOW, size: int = 1000) -> list[ExpandedPage]:
    """Write every page, and publish none."""
    pages = []
    while True:
        with write(engine) as connection:
            page = expand_page(connection, notification_id, now, size)
        assert page is not None
        pages.append(page)
        if page.finished:
            return pages


def fail_to_publish(engine: Engine, pages: Sequence[ExpandedPage], due_at: datetime = NOW) -> None:
    """Record what a worker does that could not publish these pages: their in-app deliveries are to be claimed."""
    again = Transition(State.PENDING, 0, due_at, Failure.PROVIDER_DOWN, "redis: ConnectionError")
    with write(engine) as connection:
        for page in pages:
            if page.in_app is not None:
                correct(connection, [(m.delivery_id, again) for m in page.in_app.messages], due_at)


def create_settings(directory: Path, **environ: str) -> Settings:
    """Settings as read from the environment, with a JWKS file, a lab, and a directory of their own for attachments."""
    jwks = directory / "jwks.json"
    jwks.write_text(json.dumps(JWKS))
    return Settings.from_env(
        {
            "CARILLON_ENV": "development",
            "CARILLON_VAR": str(directory),
            "CARILLON_JWKS_FILE": str(jwks),
            "CARILLON_LAB_URL": "http://127.0.0.1:8025",
            "CARILLON_ATTACHMENTS_URL": (directory / "attachments").as_uri(),
        }
        | environ
    )


def create_api_key(engine: Engine, tenant: str = "acme", mode: Literal["live", "test"] = "live") -> str:
    """A key of the tenant, as its service would send it."""
    with write(engine) as connection:
        return api_keys.create_api_key(connection, tenant, mode, "tests", NOW, "operator tests")


def create_token(
    settings: Settings,
    *,
    subject: str = "alice",
    tenant: str = "acme",
    audience: str = CLIENT,
    lifetime: timedelta = timedelta(minutes=5),
) -> str:
    """A JWT signed with the key of the settings."""
    keys = JwtKeys.load(settings.jwks_file)
    claims = Claims.of(settings)
    return mint(keys, claims, audience=audience, subject=subject, tenant=tenant, lifetime=lifetime).token


# Below the ports that the kernel gives to outgoing connections and to port 0, so that none of these takes a port
# between the choice here and the start of the server. Each worker of pytest-xdist has a part of its own.
_FIRST_PORT, _PORTS_OF_A_WORKER = 12_000, 2_000
_given_ports: set[int] = set()


def free_port() -> int:
    """Return a port of the loopback on which nothing listens, and which was not returned before."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 10
    first = _FIRST_PORT + worker * _PORTS_OF_A_WORKER
    while True:
        port = first + secrets.randbelow(_PORTS_OF_A_WORKER)
        if port in _given_ports:
            continue
        with socket.socket() as own:
            try:
                own.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given_ports.add(port)
        return port


class Uncounted(UsageCounts):
    """Counts nothing, so that no thread outlives the database of a test."""

    def count(self, *_: Any, **__: Any) -> None:
        """See UsageCounts."""


def create_installation(engine: Engine, bells: Bells | None = None, **other: Any) -> Installation:
    """What actions work with, on this engine. Nothing is counted, and bells are recorded unless others are given."""
    given: dict[str, Any] = {
        "engine": engine,
        "bells": bells or RecordingBells(),
        "publisher": Publisher("redis://127.0.0.1:1/0", "carillon", bus_secret),
        "meter": Meter(Counters("redis://127.0.0.1:1/0", "carillon"), Uncounted(engine, utc_now)),
        "quotas": Quotas(engine, "redis://127.0.0.1:1/0"),
        "catalogue": built_in(),
        "retention": timedelta(days=30),
        "has_lab": True,
        "mail_takes_utf8": False,
    }
    return Installation(**given | other)
