"""Groups (seed S3): rooms that a page joins and leaves as it is opened and closed."""

from __future__ import annotations

from web.dialects.dialect import Asked, Dialect, Told, in_room, of


def _about(operation: str) -> Asked:
    return Asked(
        operation,
        {"room": in_room("conversation", "groupId", "group_id", "id")},
        bare="groupId",
        answer={"success": of("ok")},
    )


GROUP = Dialect(
    "group",
    events={"/": {"*": (Told(times=("createdAt", "timestamp")),)}},
    requests={"/": {"join-group": _about("room:join"), "leave-group": _about("room:leave")}},
)
