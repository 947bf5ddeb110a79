"""Which handler answers which event of a client, by its canonical name, and what each costs.

web/dialects has the names by which clients of other dialects send these events.
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
from web.realtime.handlers.chat import chat_events
from web.realtime.presence.presence import Presence
from web.realtime.presence.typing import Typing

# Takes the principal and the payload of an event, and returns what is added to the answer {ok: true}. Raises Refused,
# or models.sql.engine.UNAVAILABLE.
Handler = Callable[[Principal, Any], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ClientEvent:
    """The handler of an event. The user comes from the session, never from the payload.

    `cost` is the number of tokens it takes from the client's bucket: more for an event that reads or writes much.
    """

    handler: Callable[[Session, Any], dict[str, Any]]
    cost: int = 1


def client_events(
    installation: Installation,
    presence: Presence,
    typing: Typing,
    check_room: Callable[[Session, str], None],
    others: Mapping[str, Handler],
) -> dict[str, ClientEvent]:
    """Return all but the events of the connection itself, which the gateway has. `others` need the principal alone.

    `check_room` corrects whether a session is in a conversation.
    """
    return {
        **{name: ClientEvent(partial(_for_principal, handler), cost=2) for name, handler in others.items()},
        **{name: ClientEvent(handler, cost=2) for name, handler in chat_events(installation, typing).items()},
        "room:join": ClientEvent(partial(rooms.join, check=check_room), cost=2),
        "room:leave": ClientEvent(rooms.leave),
        "presence:set": ClientEvent(presence.set_status, cost=2),
        "presence:list": ClientEvent(presence.list_users, cost=4),
        "test": ClientEvent(_echo),
        "sns:publish_start": ClientEvent(partial(posts.start, installation), cost=4),
    }


def _echo(_session: Session, payload: Any) -> dict[str, Any]:
    return {"received": payload}


def _for_principal(handler: Handler, session: Session, payload: Any) -> dict[str, Any]:
    return handler(session.principal, payload)
