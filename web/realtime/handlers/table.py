"""Which module answers which event of a client, by its canonical name, and what each costs.

How clients of other dialects call the events is said in web/dialects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from actions.installation import Installation
from actions.principal import Principal
from web.realtime.gateway.sessions import Session
from web.realtime.handlers import posts, rooms
from web.realtime.presence.presence import Presence

# From whom an event is, and its payload, to what is added to the answer {ok: true}. Raises Refused, or
# models.sql.engine.UNAVAILABLE.
Handler = Callable[[Principal, Any], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ClientEvent:
    """What answers an event. Whose it is comes from the session, never from the payload.

    `cost` is what it takes from the client's bucket: one that asks or writes much counts for several.
    """

    handler: Callable[[Session, Any], dict[str, Any]]
    cost: int = 1


def client_events(
    installation: Installation, presence: Presence, others: Mapping[str, Handler]
) -> dict[str, ClientEvent]:
    """All but those of the connection itself, which are the hub's. `others` know no more of it than whose it is."""
    return {
        **{name: ClientEvent(partial(_for_principal, handler), cost=2) for name, handler in others.items()},
        "room:join": ClientEvent(rooms.join),
        "room:leave": ClientEvent(rooms.leave),
        "presence:set": ClientEvent(presence.choose, cost=2),
        "presence:list": ClientEvent(presence.tell, cost=4),
        "test": ClientEvent(_echo),
        "sns:publish_start": ClientEvent(partial(posts.start, installation), cost=4),
    }


def _echo(_session: Session, payload: Any) -> dict[str, Any]:
    return {"received": payload}


def _for_principal(handler: Handler, session: Session, payload: Any) -> dict[str, Any]:
    return handler(session.principal, payload)
