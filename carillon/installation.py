"""Which installation of Carillon the helpers speak to, and whose transaction they write in."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session, scoped_session

from bus.bells import Bells
from models.catalogue.source import Catalogue, shared
from models.sql.engine import connect, read, write

Caller = Connection | Session | scoped_session[Any] | None
Bell = Callable[[], object]

# A commit takes milliseconds. One that takes longer than this (seconds) is left to the relay.
_LONGEST_COMMIT = 10.0


@dataclass(frozen=True, slots=True)
class Installation:
    """What `configure` was told."""

    engine: Engine
    bells: Bells
    redis_url: str | None
    redis_channel: str
    tenant: str | None
    catalogue: Catalogue

    def tenant_or(self, given: str | None) -> str:
        """The tenant that a call names, or else the configured one. Raises ValueError where there is neither."""
        tenant = given or self.tenant
        if not tenant:
            raise ValueError("no tenant: name one in the call, or configure one")
        return tenant


_configured: Installation | None = None


def configure(
    database: str | Engine,
    redis_url: str | None = None,
    tenant: str | None = None,
    *,
    broker_url: str | None = None,
    redis_channel: str = "carillon",
    catalogue_file: str | Path | None = None,
) -> None:
    """Say once which installation is meant: its database, its Redis, and the tenant that calls without one mean.

    `broker_url` is where bells are rung: BROKER_URL of the environment if not given, or else the Redis. Connects to
    nothing yet. Raises models.catalogue.source.CatalogueError for a file that cannot be used.
    """
    global _configured
    broker = broker_url or os.environ.get("BROKER_URL") or redis_url or "redis://127.0.0.1:6379/0"
    _configured = Installation(
        engine=connect(database) if isinstance(database, str) else database,
        bells=Bells(broker),
        redis_url=redis_url,
        redis_channel=redis_channel,
        tenant=tenant,
        catalogue=shared(Path(catalogue_file) if catalogue_file else None),
    )


def installation() -> Installation:
    """What was configured. Raises RuntimeError where nothing was."""
    if _configured is None:
        raise RuntimeError("call carillon.configure(database, redis_url, tenant) first")
    return _configured


def now() -> datetime:
    """The time."""
    return datetime.now(UTC)


@contextmanager
def transaction(caller: Caller) -> Iterator[tuple[Connection, Callable[[Bell], None]]]:
    """(the connection to write with, a function that has a bell rung once what is written is committed).

    The transaction is the caller's, and is committed by the caller; or, where there is none, one for this call.
    """
    if caller is None:
        bells: list[Bell] = []
        with write(installation().engine) as connection:
            yield connection, bells.append
        for bell in bells:
            bell()
        return
    theirs = caller if isinstance(caller, Connection) else caller.connection()
    yield theirs, lambda bell: _after_commit(theirs, bell)


@contextmanager
def reading(caller: Caller) -> Iterator[Connection]:
    """The connection to read with: the caller's, or one for this call."""
    if caller is None:
        with read(installation().engine) as connection:
            yield connection
    else:
        yield caller if isinstance(caller, Connection) else caller.connection()


# The bells of each connection's present transaction.
_pending: WeakKeyDictionary[Connection, tuple[Any, list[Bell]]] = WeakKeyDictionary()


def _after_commit(connection: Connection, bell: Bell) -> None:
    current = connection.get_transaction()
    if connection not in _pending:
        event.listen(connection, "commit", _committing)
    transaction_, bells = _pending.get(connection, (None, []))
    if transaction_ is not current:
        # Those of an earlier transaction, which was rolled back.
        bells = []
        _pending[connection] = (current, bells)
    if bell not in bells:
        bells.append(bell)


def _committing(connection: Connection) -> None:
    current, bells = _pending.get(connection, (None, []))
    if not bells or current is not connection.get_transaction():
        return
    _pending[connection] = (None, [])
    threading.Thread(target=_ring_when_over, args=(current, bells)).start()


def _ring_when_over(transaction_: Any, bells: list[Bell]) -> None:
    # SQLAlchemy tells of a commit only before it happens, and a bell rung too early finds nothing. One that is rung for
    # a commit that failed finds nothing either, and does no harm.
    end = time.monotonic() + _LONGEST_COMMIT
    while transaction_.is_active and time.monotonic() < end:
        time.sleep(0.001)
    for bell in bells:
        bell()
