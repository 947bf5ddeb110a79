"""The names that Carillon uses itself. They are those of the unified hub, so its clients understand them too."""

from __future__ import annotations

from web.dialects.dialect import Dialect, EventMapping, RequestMapping, always, in_room, of

# Whose presence it is, under every name that clients look for.
PERSON = {"userKey": of("user"), "user_key": of("user")}

# Understood in every dialect.
REQUESTS = {
    **{
        f"presence:{status}": RequestMapping("presence:set", {"status": always(status)})
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
            # Whoever speaks canonically asks for an answer and is told there.
            "error": (),
            "*": (EventMapping(),),
        }
    },
    requests={"/": REQUESTS},
)
