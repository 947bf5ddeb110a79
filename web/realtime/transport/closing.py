"""The end of a connection of Engine.IO that we close."""

from __future__ import annotations

from typing import Any

from engineio.exceptions import EngineIOError

# In the session of a connection: that we have ended it.
ENDED = "ended"


def end(eio: Any, socket: Any) -> None:
    """Close a connection of Engine.IO now, without waiting for the client."""
    socket.session[ENDED] = True
    try:
        socket.close(wait=False, reason=eio.reason.SERVER_DISCONNECT)
    except EngineIOError:
        # It has just ended by itself.
        return
    finally:
        eio.sockets.pop(socket.sid, None)
