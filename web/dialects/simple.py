"""The simple kind (seed S4): one event, `notification`, which is a message, a type, and whatever else was given."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from web.dialects.dialect import Dialect, EventMapping, RequestMapping, in_room, member

_event = partial(EventMapping, times=("timestamp",))

# The type of a notification that was sent without one.
_UNTYPED = "notification"
_SEVERITY = member("severity", "level")


def _type(payload: Mapping[str, Any]) -> Any:
    # In this dialect the type is the severity, unless the sender gave a type.
    type_ = payload.get("type", _UNTYPED)
    return _SEVERITY(payload) if type_ == _UNTYPED else type_


SIMPLE = Dialect(
    "simple",
    events={
        "/": {
            "notification:new": (_event("notification", {"type": _type}, spread="data"),),
            "*": (_event(),),
        }
    },
    requests={
        "/": {
            "register": RequestMapping(
                "room:join",
                {"room": in_room("user", "user_id", "userId", "id")},
                bare="user_id",
                answer={"success": member("ok")},
            ),
            "mark_read": RequestMapping("notification:read", answer={"success": member("ok")}),
        }
    },
)
