"""The unified hub (seed S0): everything on "/", and single domains in namespaces of their own."""

from __future__ import annotations

from functools import partial

from web.dialects.canonical import PERSON
from web.dialects.dialect import Dialect, EventMapping, RequestMapping, always

_told = partial(EventMapping, times=("createdAt", "timestamp"))


def _presence(status: str, in_chat: str) -> tuple[EventMapping, ...]:
    # Chat knows only whether somebody can be reached.
    return (
        _told(f"presence:{status}", PERSON),
        _told("chat:presence", {**PERSON, "status": always(in_chat)}),
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
            "*": (_told(),),
        },
        "/notification": {"notification:*": (_told("notification:*"),)},
        "/alert": {"alert:*": (_told("alert:*"),)},
        "/presence": {"presence:*": (_told("presence:*", PERSON),)},
        "/stream": {"stream:*": (_told("stream:*"),)},
    },
    requests={
        "/": {
            name: RequestMapping(name)
            for name in (
                "chat:send",
                "chat:read",
                "chat:delivered",
                "chat:typing",
                "chat:edit",
                "chat:delete",
                "chat:conversation:create",
            )
        }
    },
)
