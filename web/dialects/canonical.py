"""The names that Carillon uses itself. They are those of the unified hub, so its clients understand them too."""

from __future__ import annotations

from web.dialects.dialect import Asked, Dialect, Told, always, in_room, of

# Whose presence it is, under every name that clients look for.
PERSON = {"userKey": of("user"), "user_key": of("user")}

# Understood in every dialect.
REQUESTS = {
    **{
        f"presence:{status}": Asked("presence:set", {"status": always(status)}) for status in ("online", "away", "busy")
    },
    "chat:conversation:join": Asked("room:join", {"room": in_room("conversation", "conversationId")}, "conversationId"),
}

CANONICAL = Dialect(
    "canonical",
    events={
        "/": {
            "presence:*": (Told("presence:*", PERSON, times=("timestamp",)),),
            # Whoever speaks canonically asks for an answer and is told there.
            "error": (),
            "*": (Told(),),
        }
    },
    requests={"/": REQUESTS},
)
