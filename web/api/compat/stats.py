"""The path under which services of tenant events find what `io.getStats()` returned in their own process."""

from __future__ import annotations

from actions.principal import Principal
from web.api.connections import counted
from web.api.endpoint import Api
from web.api.fields import View

api = Api("stats", "Numbers of connections under the names of the systems before this one.", prefix="/api")


class ConnectionStats(View):
    """Numbers of the tenant, on all web processes."""

    totalConnections: int  # noqa: N815 - the names that services read
    rooms: int


@api.declare("GET", "/stats", auth=["service", "operator"], answers={200: ConnectionStats})
def get_stats_alias(caller: Principal) -> ConnectionStats:
    """Count the tenant's open connections: GET /v1/connections/count."""
    count = counted(caller)
    return ConnectionStats(totalConnections=count.connections, rooms=count.rooms)
