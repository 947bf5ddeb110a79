"""Take in rows of the outbox: the same actions as at every other door, in the transaction that removes the row."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from actions import alerts, change_inbox, publish_event, recall, send
from actions.installation import Installation
from actions.parsing import parse
from actions.principal import Principal
from actions.problems import Problem, invalid, not_found
from carillon.requests import Alert, Event, InboxChange, Notification, Recall
from models.inbox.changes import DELETE, READ, Changed
from models.outbox import queries as outbox
from models.outbox.queries import Entry
from models.retry import RetryPolicy
from models.sql.engine import UNAVAILABLE, write
from models.tenants.queries import tenant_exists

log = logging.getLogger(__name__)

# Notifications lock no room, so many of them are accepted in one transaction.
_BATCH = 100

# For a row that raises an unexpected error, such as a bug that the next version fixes.
_POLICY = RetryPolicy(base=1, cap=300, max_attempts=10)

# Clocks of services may be ahead of ours by this much. An id sorts by its time, so it has to be about right.
_MAX_AHEAD = timedelta(minutes=5)


@dataclass(slots=True)
class _Work:
    """What follows from a batch once it is committed."""

    committed: list[send.Committed] = field(default_factory=list)
    recalled: list[tuple[UUID, int]] = field(default_factory=list)
    changed: list[Changed] = field(default_factory=list)
    events: bool = False
    rejected: int = 0
    accepted: list[UUID] = field(default_factory=list)


def take_in(installation: Installation, rng: Callable[[], float]) -> int:
    """Take in one batch of due rows. Returns how many were looked at. Raises models.sql.engine.UNAVAILABLE.

    A row that cannot be accepted is kept as rejected, with the problem document that an HTTP request would have got.
    Rows are taken in the order of insertion: first notifications by the hundred, which lock no room, then alerts,
    events and recalls one by one.
    """
    done = _transact(installation, rng, lambda c, now: outbox.take(c, now, _BATCH, ["notification"]))
    return done or _transact(
        installation,
        rng,
        # One process at a time: events keep the order in which services wrote them.
        lambda c, now: outbox.take(c, now, 1, ["notification"], other=True) if outbox.take_turn(c) else [],
    )


def _transact(
    installation: Installation,
    rng: Callable[[], float],
    take: Callable[[Connection, datetime], list[Entry]],
) -> int:
    work = _Work()
    now = installation.now()
    with write(installation.engine) as connection:
        entries = take(connection, now)
        for entry in entries:
            _one(connection, installation, entry, now, work, rng)
        outbox.remove(connection, work.accepted)
    send.announce(installation, work.committed)
    for notification_id, lane in work.recalled:
        installation.bells.expand(notification_id, lane)
    for changed in work.changed:
        change_inbox.ring(installation, changed)
    if work.events:
        installation.bells.publish()
    if work.rejected:
        installation.meter.rejected(work.rejected)
    if entries:
        log.info("taken in", extra={"rows": len(entries), "rejected": work.rejected})
    return len(entries)


def _one(
    connection: Connection,
    installation: Installation,
    entry: Entry,
    now: datetime,
    work: _Work,
    rng: Callable[[], float],
) -> None:
    try:
        with connection.begin_nested():
            _act(connection, installation, entry, now, work)
    except Problem as problem:
        _reject(connection, entry, problem, now, work)
    except UNAVAILABLE:
        raise
    except Exception as error:
        # One bad row must not hold up the others.
        log.exception("row not taken in", extra={"row": str(entry.id), "kind": entry.kind})
        attempts = entry.attempts + 1
        if _POLICY.exhausted(attempts):
            detail = f"gave up after {attempts} attempts: {type(error).__name__}"
            _reject(connection, entry, Problem(500, "internal", detail), now, work)
        else:
            outbox.put_off(connection, entry.id, now + timedelta(seconds=_POLICY.delay(attempts, 0.1, rng)))
    else:
        work.accepted.append(entry.id)


def _reject(connection: Connection, entry: Entry, problem: Problem, now: datetime, work: _Work) -> None:
    log.warning("row rejected", extra={"row": str(entry.id), "kind": entry.kind, "code": problem.code})
    outbox.reject(connection, entry.id, problem.document().model_dump(mode="json", exclude_none=True), now)
    work.rejected += 1


def _act(connection: Connection, installation: Installation, entry: Entry, now: datetime, work: _Work) -> None:
    if not tenant_exists(connection, entry.tenant_id):
        raise invalid("tenant_id", "unknown_tenant", "is not the id of a tenant")
    _check_id(entry.id, now, installation.retention)
    caller = Principal("service", entry.tenant_id, "outbox", "live")
    match entry.kind:
        case "notification":
            request = parse(Notification, entry.body)
            asked = send.ask(
                installation,
                caller,
                request,
                now,
                idempotency_key=entry.idempotency_key,
                notification_id=entry.id,
            )
            [committed] = send.accept_in(connection, installation.quotas, [asked])
            if isinstance(committed, Problem):
                raise committed
            work.committed.append(committed)
        case "alert":
            alert = parse(Alert, entry.body)
            alerts.raise_in(
                connection,
                installation,
                caller,
                alert,
                now,
                idempotency_key=entry.idempotency_key,
                alert_id=entry.id,
            )
            work.events = True
        case "event":
            publish_event.publish_in(connection, installation, caller, parse(Event, entry.body), now, event_id=entry.id)
            work.events = True
        case "recall":
            wanted = parse(Recall, entry.body)
            result, lane = recall.recall_in(connection, installation, caller, UUID(wanted.id))
            work.recalled.append((result.id, lane))
        case "inbox":
            work.changed.append(_change_inbox(connection, caller, parse(InboxChange, entry.body), now))
        case _:
            raise invalid("kind", "kind", "must be notification, alert, event, recall or inbox")


def _change_inbox(connection: Connection, caller: Principal, wanted: InboxChange, now: datetime) -> Changed:
    user = change_inbox.acting_as(caller, wanted.user)
    if wanted.notification is None:
        return change_inbox.change_all_in(connection, user, READ, now)
    operation = READ if wanted.change == "read" else DELETE
    changed = change_inbox.change_in(connection, user, operation, [wanted.notification], now)
    if not changed.known:
        raise not_found("notification")
    return changed


def _check_id(row_id: UUID, now: datetime, retention: timedelta) -> None:
    """Raise Problem unless the id is a UUIDv7 of about now: lists are ordered by the time in it."""
    seconds = (row_id.int >> 80) / 1000
    oldest, newest = (now - retention).timestamp(), (now + _MAX_AHEAD).timestamp()
    if row_id.version != 7 or not oldest <= seconds <= newest:
        raise invalid("id", "id", "must be a UUIDv7 made at the time of the insert: leave it out for the default")
