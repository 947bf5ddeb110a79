"""Single connections: a word to one of them, and how many there are."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from bus.envelope import DIRECT_MESSAGE
from bus.presence_keys import connections, count
from bus.publisher import Publisher
from carillon.installation import installation
from models.payload import fault_of

# The library's ids of sessions. A room of ours has a colon, so none can be addressed by what a client said its id is.
_SESSION = re.compile(r"[A-Za-z0-9_\-]{8,64}")


def send_direct_message(session_id: str, message: dict[str, Any]) -> None:
    """Say something to one session as `direct_message`, now or never.

    A session is one of Socket.IO, in whichever namespace it is, or one of `get_user_sessions`, then the first it has.
    It is not kept and has no number: a session that is gone does not hear it. Raises ValueError for what cannot be said
    or is no session, and redis.exceptions.RedisError where Redis is away.
    """
    wrong = fault_of(message)
    if wrong:
        raise ValueError(f"the message {wrong}")
    if not _SESSION.fullmatch(session_id):
        raise ValueError("this is not the id of a session")
    _writer().emit(DIRECT_MESSAGE, message, room=session_id)


def get_user_sessions(user_id: object, tenant: str | None = None) -> list[str]:
    """The connections that the user has open now, on every device: one id each, for `send_direct_message`.

    One that has just ended may be among them for some seconds. Raises RedisError where Redis is away.
    """
    writer = _writer()
    return connections(writer.client(), writer.channel, installation().tenant_or(tenant), str(user_id))


def get_connection_metrics(tenant: str | None = None) -> dict[str, int]:
    """How many web processes there are, and of the tenant: users who are present, their connections, their rooms.

    A connection counts once, whatever number of namespaces it has open, and for some seconds after its end. Raises
    RedisError where Redis is away.
    """
    writer = _writer()
    client = writer.client()
    [(_, processes)] = client.pubsub_numsub(writer.channel)
    users, connected = count(client, writer.channel, installation().tenant_or(tenant))
    # Each user's own, and that of the tenant.
    rooms = users + 1 if users else 0
    return {"web_processes": int(processes), "users": users, "connections": connected, "rooms": rooms}


class _Writer(Publisher):
    def client(self) -> Any:
        """The client of Redis."""
        if self.redis is None:
            self._redis_connect()
        return self.redis


def _writer() -> _Writer:
    here = installation()
    if here.redis_url is None:
        raise RuntimeError("carillon.configure was told no redis_url")
    return _writer_of(here.redis_url, here.redis_channel)


@lru_cache(maxsize=1)
def _writer_of(url: str, channel: str) -> _Writer:
    return _Writer(url, channel)
