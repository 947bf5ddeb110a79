"""Groups (seed S3): rooms that a page joins and leaves as it is opened and closed."""

from __future__ import annotations

from functools import partial

from web.dialects.dialect import Dialect, EventMapping, RequestMapping, in_room, member

_event = partial(EventMapping, times=("createdAt", "timestamp"))


def _about(operation: str) -> RequestMapping:
    return RequestMapping(
        operation,
        {"room": in_room("conversation", "groupId", "group_id", "id")},
        bare="groupId",
        answer={"success": member("ok")},
    )


GROUP = Dialect(
    "group",
    events={"/": {"chat:message": (_event("new-message"),), "*": (_event(),)}},
    requests={"/": {"join-group": _about("room:join"), "leave-group": _about("room:leave")}},
)
