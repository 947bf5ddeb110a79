"""The unified hub (seed S0): everything on "/", and single domains in namespaces of their own."""

from __future__ import annotations

from functools import partial

from web.dialects.canonical import PERSON
from web.dialects.dialect import Dialect, EventMapping, constant

_event = partial(EventMapping, times=("createdAt", "timestamp"))


def _presence(status: str, in_chat: str) -> tuple[EventMapping, ...]:
    # Chat has two states: online and offline.
    return (
        _event(f"presence:{status}", PERSON),
        _event("chat:presence", {**PERSON, "status": constant(in_chat)}),
    )


HUB = Dialect(
    "hub",
    events={
        "/": {
            "presence:online": _presence("online", "online"),
            "presence:away": _presence("away", "online"),
            "presence:busy": _presence("busy", "online"),
            "presence:offline": _presence("offline", "offline"),
            "session:resumed": (EventMapping("reconnect"),),
            "*": (_event(),),
        },
        "/notification": {"notification:*": (_event("notification:*"),)},
        "/alert": {"alert:*": (_event("alert:*"),)},
        "/presence": {"presence:*": (_event("presence:*", PERSON),)},
        "/stream": {"stream:*": (_event("stream:*"),)},
    },
)
