"""The simple kind (seed S4): one event, `notification`, which is a message, a type, and whatever else was given."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from web.dialects.dialect import ABSENT, Dialect, EventMapping, RequestMapping, in_room, of

_told = partial(EventMapping, times=("timestamp",))

# What a notification is called that was given no type.
_UNTYPED = "notification"


def _type(payload: Mapping[str, Any]) -> Any:
    # Here a type is info, success or warning, unless the sender had one of its own.
    type_ = payload.get("type", _UNTYPED)
    return payload.get("level", ABSENT) if type_ == _UNTYPED else type_


SIMPLE = Dialect(
    "simple",
    events={
        "/": {
            "notification:new": (_told("notification", {"type": _type}, spread="data"),),
            "*": (_told(),),
        }
    },
    requests={
        "/": {
            "register": RequestMapping(
                "room:join",
                {"room": in_room("user", "user_id", "userId", "id")},
                bare="user_id",
                answer={"success": of("ok")},
            ),
            "mark_read": RequestMapping("notification:read", answer={"success": of("ok")}),
        }
    },
)
