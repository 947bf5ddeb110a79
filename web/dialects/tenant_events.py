"""Tenant events (seed S1): the events of the catalogue by their names, and a room that is joined with an answer."""

from __future__ import annotations

from functools import partial

from web.dialects.dialect import Dialect, EventMapping, RequestMapping, in_room, member

_event = partial(EventMapping, times=("createdAt", "timestamp"))

TENANT = Dialect(
    "tenant",
    events={
        "/": {
            "notification:new": (_event("notification:created"),),
            "error": (_event("error:occurred"),),
            # Their clients poll until "reconnect", which socket.io-client 3 and later do not emit.
            "session:resumed": (EventMapping("reconnect"),),
            "*": (_event(),),
        }
    },
    requests={
        "/": {
            "join-tenant": RequestMapping(
                "room:join",
                {"room": in_room("tenant", "tenantId", "tenant_id", "tenant", "id")},
                bare="tenantId",
                answer={"success": member("ok")},
            )
        }
    },
)
