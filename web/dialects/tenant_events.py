"""Tenant events (seed S1): the events of the catalogue by their names, and a room that is joined with an answer."""

from __future__ import annotations

from functools import partial

from web.dialects.dialect import Dialect, EventMapping, RequestMapping, in_room, of

_told = partial(EventMapping, times=("createdAt", "timestamp"))

TENANT = Dialect(
    "tenant",
    events={
        "/": {
            "notification:new": (_told("notification:created"),),
            "error": (_told("error:occurred"),),
            # Their clients poll until "reconnect", which socket.io-client 3 and later do not tell them.
            "session:resumed": (EventMapping("reconnect"),),
            "*": (_told(),),
        }
    },
    requests={
        "/": {
            "join-tenant": RequestMapping(
                "room:join",
                {"room": in_room("tenant", "tenantId", "tenant_id", "tenant", "id")},
                bare="tenantId",
                answer={"success": of("ok")},
            )
        }
    },
)
