"""Accept notifications: committed first, then counted, then rung for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from actions.installation import Installation
from actions.parsing import parse
from actions.principal import Mode, Principal
from actions.problems import Problem, id_in_use, idempotency_key_reused, invalid
from actions.quotas import Quotas
from actions.users import require_mailbox
from carillon.requests import Audience, BulkItem, Message, Notification
from models.channels import CHANNELS
from models.lanes import Lane
from models.notifications.accept import Accepted, NewNotification, accept_all, key_is_used
from models.sql.engine import write
from models.tenants.quotas import Quota
from models.topics.queries import topic_exists
from models.users.queries import known_users

# The error names at most this many unknown users.
_NAMED = 5


class Asked(NamedTuple):
    """A request that is a notification as far as can be said without the database, and when it came."""

    caller: Principal
    request: Notification
    new: NewNotification
    at: datetime


class Committed(NamedTuple):
    """A notification that was accepted in a transaction, for `announce` after the commit."""

    accepted: Accepted
    audience: Audience
    tenant: str
    mode: Mode
    priority: str


def send(
    installation: Installation, caller: Principal, request: Notification, idempotency_key: str | None = None
) -> Accepted:
    """Accept one notification. Raises Problem (409, 422, 429); nothing is written then.

    With a known idempotency key and the same body, the earlier notification is returned.
    """
    require_lab(installation, caller)
    asked = ask(installation, caller, request, installation.now(), idempotency_key=idempotency_key)
    committed: Committed | Problem = installation.accepting.do(caller.tenant, asked, partial(_commit, installation))
    if isinstance(committed, Problem):
        raise committed
    announce(installation, [committed])
    return committed.accepted


def send_many(
    installation: Installation, caller: Principal, items: Sequence[object], idempotency_key: str | None = None
) -> list[Accepted | Problem]:
    """Accept notifications in one transaction, each on its own: a bad item does not affect the others.

    An item without a key of its own gets `idempotency_key`, followed by # and its position from 0. Raises Problem if
    the caller may not send at all, or has used up the quota of recipients (429); nothing is written then.
    """
    require_lab(installation, caller)
    now = installation.now()
    results: list[Accepted | Problem | Asked] = []
    for number, item in enumerate(items):
        own = f"{idempotency_key}#{number}" if idempotency_key is not None else None
        try:
            request = parse(BulkItem, item)
            asked = ask(installation, caller, request, now, idempotency_key=request.idempotency_key or own)
        except Problem as problem:
            results.append(problem)
        else:
            results.append(asked)
    with write(installation.engine) as connection:
        done = _accept(connection, installation.quotas, [one for one in results if isinstance(one, Asked)])
    announce(installation, [one for one in done if isinstance(one, Committed)])
    rest = iter(done)
    settled = [next(rest) if isinstance(one, Asked) else one for one in results]
    return [one.accepted if isinstance(one, Committed) else one for one in settled]


def ask(
    installation: Installation,
    caller: Principal,
    request: Notification,
    now: datetime,
    *,
    idempotency_key: str | None = None,
    notification_id: UUID | None = None,
) -> Asked:
    """Check what can be checked without the database. Raises Problem (422)."""
    unknown = [n for n, name in enumerate(request.channels or ()) if name not in CHANNELS]
    if unknown:
        raise invalid(f"channels.{unknown[0]}", "unknown_channel", f"must be one of {', '.join(CHANNELS)}")
    for number, recipient in enumerate(request.audience.users or ()):
        require_mailbox(installation, f"audience.users.{number}.email", recipient.email)
    new = NewNotification(
        id=notification_id,
        tenant_id=caller.tenant,
        mode=caller.mode,
        audience=request.audience.model_dump(mode="json", exclude_none=True),
        title=request.title,
        message=request.message,
        expires_at=now + lifetime(installation, request),
        body_sha256=request.sha256(),
        data=request.client_data(),
        level=request.level,
        priority=request.priority,
        type=request.type,
        category=request.category,
        channels=list(request.channels) if request.channels is not None else None,
        collapse_key=request.collapse_key,
        reference=request.reference,
        url=request.url,
        idempotency_key=idempotency_key,
    )
    return Asked(caller, request, new, now)


def accept_in(connection: Connection, quotas: Quotas, asked: Sequence[Asked]) -> list[Committed | Problem]:
    """Accept notifications in the caller's transaction, each on its own; call `announce` after the commit."""
    results: list[Committed | Problem | Asked] = []
    for one in asked:
        try:
            _require(connection, quotas, one)
        except Problem as problem:
            results.append(problem)
        else:
            results.append(one)
    possible = [one for one in results if isinstance(one, Asked)]
    accepted = iter(accept_all(connection, [(one.new, one.at) for one in possible]) if possible else ())
    return [_committed(one, next(accepted)) if isinstance(one, Asked) else one for one in results]


def _commit(installation: Installation, asked: Sequence[Asked]) -> list[Committed | Problem]:
    with write(installation.engine) as connection:
        return _accept(connection, installation.quotas, asked)


def _accept(connection: Connection, quotas: Quotas, asked: Sequence[Asked]) -> list[Committed | Problem]:
    """`accept_in` for callers of one tenant, who use its quota. Raises Problem (429) if that is used up."""
    results = accept_in(connection, quotas, asked)
    _spend(connection, quotas, [one for one in results if isinstance(one, Committed)])
    return results


def _require(connection: Connection, quotas: Quotas, asked: Asked) -> None:
    """Check what depends on what there is. Raises Problem (409, 422)."""
    tenant, audience = asked.caller.tenant, asked.request.audience
    if audience.users is not None:
        quotas.require_users(connection, tenant, [user.id for user in audience.users])
    if asked.request.require_known and not key_is_used(
        connection, tenant, asked.caller.mode, asked.new.idempotency_key
    ):
        _require_known(connection, tenant, audience)


def _committed(asked: Asked, accepted: Accepted | None) -> Committed | Problem:
    if accepted is None:
        return id_in_use()
    if not accepted.same_body:
        return idempotency_key_reused()
    return Committed(accepted, asked.request.audience, asked.caller.tenant, asked.caller.mode, asked.request.priority)


def _spend(connection: Connection, quotas: Quotas, committed: Sequence[Committed]) -> None:
    """Use the quota of recipients for what is new. Raises Problem (429); the transaction has to be rolled back then."""
    number = 0
    for one in committed:
        if one.accepted.replayed:
            continue
        if one.audience.users is not None:
            number += len(one.audience.users)
        else:
            number += quotas.audience(connection, one.tenant, one.audience.topic)
    if number:
        quotas.spend(committed[0].tenant, Quota.RECIPIENTS, number, connection)


def _require_known(connection: Connection, tenant: str, audience: Audience) -> None:
    """Raise Problem (422) that names the first users of the audience, or the topic, that do not exist."""
    if audience.topic is not None and not topic_exists(connection, tenant, audience.topic):
        raise invalid("audience.topic", "not_known", f"there is no topic {audience.topic}")
    ids = list(dict.fromkeys(user.id for user in audience.users or ()))
    known = known_users(connection, tenant, ids)
    unknown = [user for user in ids if user not in known]
    if unknown:
        more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
        raise invalid("audience.users", "not_known", f"there are no users {', '.join(unknown[:_NAMED])}{more}")


def announce(installation: Installation, committed: Sequence[Committed]) -> None:
    """Count and ring after the commit. The relay replaces a bell that is lost."""
    for accepted, _, tenant, mode, priority in committed:
        if not accepted.replayed:
            installation.meter.accepted(tenant, mode, priority)
        # A replay rings too: the first request may have died between its commit and its bell.
        installation.bells.expand(accepted.id, Lane[priority])


def lifetime(installation: Installation, request: Message) -> timedelta:
    """How long a request lives from its acceptance. Raises Problem if it asks for more than the retention."""
    try:
        return request.lifetime(installation.retention)
    except ValueError as error:
        raise invalid("expires_in", "less_than_equal", str(error)) from error


def require_lab(installation: Installation, caller: Principal) -> None:
    """Raise Problem (409) for a test key if there is no lab: its notifications would go nowhere."""
    if caller.mode == "test" and not installation.has_lab:
        detail = "a test key sends to the lab only: set CARILLON_LAB_URL (make lab prints it), or use a live key"
        raise Problem(409, "no_lab", detail)
