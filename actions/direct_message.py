"""Send a message to one open connection, now or never."""

from __future__ import annotations

import re
from typing import Any

from actions.installation import Installation
from actions.principal import Principal, require_live
from actions.problems import Problem, invalid, not_found
from bus.redis import UNAVAILABLE
from carillon.payload import payload_error

# The ids that Engine.IO and Socket.IO make. A room of ours has a colon, so none can be addressed as a connection.
_CONNECTION = re.compile(r"[A-Za-z0-9_\-]{8,64}")


def send_direct_message(
    installation: Installation, caller: Principal, connection: str, message: dict[str, Any]
) -> None:
    """Send a message to a connection of the caller's tenant, as `direct_message`. It is not stored and has no number.

    Nothing happens if the connection is gone, or belongs to another tenant. Raises Problem (403, 404, 422, 503).
    """
    require_live(caller, "reach open pages")
    if not _CONNECTION.fullmatch(connection):
        raise not_found("connection")
    wrong = payload_error(message)
    if wrong:
        raise invalid("message", "payload", wrong)
    try:
        installation.publisher.send_direct(caller.tenant, connection, message)
    except UNAVAILABLE as error:
        detail = "open connections cannot be reached at the moment; try again"
        raise Problem(503, "bus_unavailable", detail, headers={"Retry-After": "1"}) from error
