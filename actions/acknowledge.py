"""Acknowledge what a client has shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from actions.installation import Installation
from actions.principal import Principal
from models.deliveries import acknowledge as deliveries
from models.inbox.queries import items_named
from models.polling.queries import acknowledge_events
from models.sql.engine import write


def acknowledge(
    installation: Installation, caller: Principal, *, names: Sequence[str | int] = (), up_to_seq: int | None = None
) -> int:
    """Acknowledge notifications, by id or up to a number in the user's room. Returns how many were not before.

    `names` are their ids, or the service's own.
    """
    now = installation.now()
    with write(installation.engine) as connection:
        texts = [str(name) for name in names]
        ids = items_named(connection, caller.tenant, caller.id, texts) if texts else []
        new = deliveries.acknowledge(connection, caller.tenant, caller.id, now, ids=ids, up_to_seq=up_to_seq)
    installation.meter.acknowledged(new, now)
    return len(new)


def acknowledge_polled(installation: Installation, caller: Principal, seqs: Mapping[str, Iterable[int]]) -> int:
    """Acknowledge events by room and number, for clients that poll by time. Returns how many were not before.

    Unknown users are created. Raises Problem (409).
    """
    with write(installation.engine) as connection:
        installation.quotas.require_users(connection, caller.tenant, [caller.id])
        return acknowledge_events(connection, caller.tenant, caller.id, seqs, installation.now())
