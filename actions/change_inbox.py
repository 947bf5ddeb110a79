"""Change items of a user's inbox, by id or all that match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from actions.installation import Installation
from actions.principal import Principal
from models.channels import withdrawable
from models.inbox.changes import Changed, Operation, change_items, change_page
from models.inbox.queries import Counts, Filter, counts_for, newest
from models.sql.engine import read, write

# Pages in one request. Each is a transaction of its own, so that others can write in between.
MAX_PAGES = 20


@dataclass(frozen=True, slots=True)
class Swept:
    """How many items a request changed, and the counts after it. `more`: there are more than one request changes."""

    count: int
    counts: Counts
    more: bool


def change(installation: Installation, caller: Principal, operation: Operation, ids: Sequence[UUID]) -> Changed:
    """Change these items of the caller. Ids of items that are not the caller's are ignored."""
    with write(installation.engine) as connection:
        changed = change_items(connection, caller.tenant, caller.id, operation, ids, installation.now())
    _ring(installation, changed)
    return changed


def change_all(installation: Installation, caller: Principal, operation: Operation, which: Filter) -> Swept:
    """Change all items of the caller that match, page by page. Items that arrive meanwhile are left alone."""
    now = installation.now()
    count, more = 0, True
    counts: Counts | None = None
    if which.up_to is None:
        with read(installation.engine) as connection:
            which = replace(which, up_to=newest(connection, caller.tenant, caller.id))
    for _ in range(MAX_PAGES):
        with write(installation.engine) as connection:
            changed = change_page(connection, caller.tenant, caller.id, operation, which, now)
        _ring(installation, changed)
        count += len(changed.ids)
        counts = changed.counts or counts
        more = changed.more
        if not more:
            break
    return Swept(count, counts or count_inbox(installation, caller), more)


def count_inbox(installation: Installation, caller: Principal) -> Counts:
    """The counts of the caller's inbox."""
    with read(installation.engine) as connection:
        return counts_for(connection, caller.tenant, [caller.id], installation.now())[caller.id]


def _ring(installation: Installation, changed: Changed) -> None:
    if changed.ids:
        installation.bells.publish()
    if changed.push_due:
        for channel in withdrawable():
            installation.bells.deliver(channel)
