"""Change items of a user's inbox, by id or all that match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from actions.installation import Installation
from actions.principal import Principal, require_live
from models.channels import withdrawable
from models.inbox.changes import Changed, Operation, change_items, change_page
from models.inbox.queries import Counts, Filter, counts_for, items_named, newest, were_theirs
from models.sql.engine import read, write

# Pages in one request. Each is a transaction of its own, so that others can write in between.
MAX_PAGES = 20


@dataclass(frozen=True, slots=True)
class Swept:
    """How many items a request changed, and the counts after it. `more`: there are more than one request changes."""

    count: int
    counts: Counts
    more: bool


def acting_as(caller: Principal, user: str) -> Principal:
    """Return the user of the service's tenant, as the service acts for them. Raises Problem (403) for a test key."""
    require_live(caller, "change inboxes")
    return replace(caller, kind="user", id=user)


def change(
    installation: Installation, caller: Principal, operation: Operation, names: Sequence[str | int | UUID]
) -> Changed:
    """Change these items of the caller, named by their ids or by the service's own. Others are ignored."""
    with write(installation.engine) as connection:
        changed = change_in(connection, caller, operation, names, installation.now())
    ring(installation, changed)
    return changed


def change_in(
    connection: Connection,
    caller: Principal,
    operation: Operation,
    names: Sequence[str | int | UUID],
    now: datetime,
) -> Changed:
    """Change these items in the caller's transaction; call `ring` after the commit."""
    ids = items_named(connection, caller.tenant, caller.id, [str(name) for name in names])
    changed = change_items(connection, caller.tenant, caller.id, operation, ids, now)
    if changed.ids or not ids:
        return changed
    return replace(changed, known=were_theirs(connection, caller.tenant, caller.id, ids))


def change_all(installation: Installation, caller: Principal, operation: Operation, which: Filter) -> Swept:
    """Change all items of the caller that match, page by page. Items that arrive meanwhile are left alone."""
    now = installation.now()
    count, more = 0, True
    counts: Counts | None = None
    with read(installation.engine) as connection:
        which = _bounded(connection, caller, which)
    for _ in range(MAX_PAGES):
        with write(installation.engine) as connection:
            changed = change_page(connection, caller.tenant, caller.id, operation, which, now)
        ring(installation, changed)
        count += len(changed.ids)
        counts = changed.counts or counts
        more = changed.more
        if not more:
            break
    return Swept(count, counts or count_inbox(installation, caller), more)


def change_all_in(connection: Connection, caller: Principal, operation: Operation, now: datetime) -> Changed:
    """Change all items in the caller's transaction; call `ring` with the result after the commit."""
    which = _bounded(connection, caller, Filter())
    changed = change_page(connection, caller.tenant, caller.id, operation, which, now)
    push_due, last = changed.push_due, changed
    while last.more:
        last = change_page(connection, caller.tenant, caller.id, operation, which, now)
        push_due |= last.push_due
    return replace(changed, push_due=push_due, more=False)


def _bounded(connection: Connection, caller: Principal, which: Filter) -> Filter:
    if which.up_to is not None:
        return which
    return replace(which, up_to=newest(connection, caller.tenant, caller.id))


def count_inbox(installation: Installation, caller: Principal) -> Counts:
    """The counts of the caller's inbox."""
    with read(installation.engine) as connection:
        return counts_for(connection, caller.tenant, [caller.id], installation.now())[caller.id]


def ring(installation: Installation, changed: Changed) -> None:
    """Ring for what a change has published and withdrawn, after its commit."""
    if changed.ids:
        installation.bells.publish()
    if changed.push_due:
        for channel in withdrawable():
            installation.bells.deliver(channel)
