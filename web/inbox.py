"""What people do with their inbox, whichever way they say it: by HTTP, under a seed's paths, or on the socket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import Engine

from bus.bells import Bells
from models.inbox.changes import Changed, Operation, change_items, change_page
from models.inbox.queries import Counts, Filter, counts_for, newest
from models.sql.engine import read, write
from web.auth import Principal

# Pages in one request. Each is a transaction of its own, so others have their turn; who has more asks again.
PAGES = 20


@dataclass(frozen=True, slots=True)
class Swept:
    """How many items a request changed, and the counts after it. `more`: ask again, there were too many for one."""

    count: int
    counts: Counts
    more: bool


def change(
    engine: Engine, bells: Bells, caller: Principal, operation: Operation, ids: Sequence[UUID], now: datetime
) -> Changed:
    """Do it to these items of the caller; ids that are not theirs are passed over."""
    with write(engine) as connection:
        changed = change_items(connection, caller.tenant, caller.id, operation, ids, now)
    _ring(bells, changed)
    return changed


def change_all(
    engine: Engine, bells: Bells, caller: Principal, operation: Operation, which: Filter, now: datetime
) -> Swept:
    """Do it to all items of the caller that the filter means, page by page, and to none that comes meanwhile."""
    count, more = 0, True
    counts: Counts | None = None
    if which.up_to is None:
        with read(engine) as connection:
            which = replace(which, up_to=newest(connection, caller.tenant, caller.id))
    for _ in range(PAGES):
        with write(engine) as connection:
            changed = change_page(connection, caller.tenant, caller.id, operation, which, now)
        _ring(bells, changed)
        count += len(changed.ids)
        counts = changed.counts or counts
        more = changed.more
        if not more:
            break
    return Swept(count, counts or count_of(engine, caller, now), more)


def count_of(engine: Engine, caller: Principal, now: datetime) -> Counts:
    """The counts of the caller's inbox."""
    with read(engine) as connection:
        return counts_for(connection, caller.tenant, [caller.id], now)[caller.id]


def _ring(bells: Bells, changed: Changed) -> None:
    if changed.ids:
        bells.publish()
    if changed.push_due:
        bells.deliver("push")
