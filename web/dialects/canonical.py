"""Carillon's own names. They are those of the unified hub, so its clients understand them too."""

from __future__ import annotations

from web.dialects.dialect import Dialect, EventMapping, RequestMapping, constant, in_room, member

# The user of a presence event, under every name that clients read.
PERSON = {"userKey": member("user"), "user_key": member("user")}

# Understood in every dialect.
REQUESTS = {
    **{
        f"presence:{status}": RequestMapping("presence:set", {"status": constant(status)})
        for status in ("online", "away", "busy")
    },
    "chat:conversation:join": RequestMapping(
        "room:join", {"room": in_room("conversation", "conversationId")}, "conversationId"
    ),
}

CANONICAL = Dialect(
    "canonical",
    events={
        "/": {
            "presence:*": (EventMapping("presence:*", PERSON, times=("timestamp",)),),
            # Canonical clients get errors in the answer to their event.
            "error": (),
            "*": (EventMapping(),),
        }
    },
    requests={"/": REQUESTS},
)
