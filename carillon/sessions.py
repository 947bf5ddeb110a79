"""Single connections: a word to one of them, and how many there are."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from carillon.installation import installation
from channels.in_app import QueueWriter
from models.payload import fault_of

# The library's ids of sessions. A room of ours has a colon, so none can be addressed by what a client said its id is.
_SESSION = re.compile(r"[A-Za-z0-9_\-]{8,64}")


def send_direct_message(session_id: str, message: dict[str, Any]) -> None:
    """Say something to one Socket.IO session, as `direct_message`, now or never.

    It is not kept and has no number: a session that is gone does not hear it. Raises ValueError for what cannot be said
    or is no session, and redis.exceptions.RedisError where Redis is away.
    """
    wrong = fault_of(message)
    if wrong:
        raise ValueError(f"the message {wrong}")
    if not _SESSION.fullmatch(session_id):
        raise ValueError("this is not the id of a session")
    _writer().emit("direct_message", message, room=session_id)


def get_connection_metrics() -> dict[str, int]:
    """How many web processes listen to the message queue this moment. Raises RedisError where Redis is away."""
    writer = _writer()
    [(_, processes)] = writer.client().pubsub_numsub(writer.channel)
    return {"web_processes": int(processes)}


class _Writer(QueueWriter):
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
