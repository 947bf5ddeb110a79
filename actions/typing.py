"""Tell the members of a conversation that a user types. It is not stored and has no number."""

from __future__ import annotations

from actions.installation import Installation
from actions.principal import Principal
from actions.problems import not_found
from bus.envelope import Group, room_name
from models.events.user_rooms import members_among
from models.rooms.names import conversation_room
from models.sql.engine import read
from models.timestamps import iso


def tell_typing(installation: Installation, caller: Principal, conversation: str, is_typing: bool) -> None:
    """Tell all members but the user. Raises Problem (404), or bus.redis.UNAVAILABLE."""
    room = conversation_room(conversation)
    with read(installation.engine) as connection:
        version, there = members_among(connection, caller.tenant, room, {caller.id})
    if caller.id not in there:
        raise not_found("conversation")
    told = {"conversationId": conversation, "userKey": caller.id, "timestamp": iso(installation.now())}
    name = "chat:typing:start" if is_typing else "chat:typing:stop"
    place = [(room_name(caller.tenant, room), 0)]
    installation.publisher.publish([Group(name, told, place, without=caller.id, members_version=version)])
