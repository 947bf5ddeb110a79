"""Events that clients send about their own connection: acknowledgements, the next page of a replay, a new token."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from actions.acknowledge import acknowledge
from actions.installation import Installation
from actions.principal import Principal
from web.realtime.gateway.sessions import Session
from web.realtime.payloads import Acknowledge, Refresh, Refused, Sync, parse
from web.realtime.replay.progress import ResumeRequest
from web.realtime.replay.replayer import Replayer

log = logging.getLogger(__name__)


def acknowledge_events(installation: Installation, session: Session, payload: Any) -> dict[str, Any]:
    """Record what the client has received. Raises Refused."""
    request = parse(Acknowledge, payload)
    if not request.ids and request.seq is None:
        raise Refused("bad_request", "ids or seq is required")
    return {"acked": acknowledge(installation, session.principal, names=request.ids, up_to_seq=request.seq)}


def sync(replayer: Replayer, session: Session, payload: Any) -> dict[str, Any]:
    """Send one page of what the client is missing, from its own position if it names one. Raises Refused."""
    request = parse(Sync, payload)
    position: ResumeRequest | None = None
    if request.cursor is not None or request.positions:
        try:
            position = ResumeRequest.of(request.cursor, request.positions)
        except ValueError:
            raise Refused("bad_request", "cursor: not a cursor of this server") from None
    served, answer = replayer.next_page(session, position)
    log.info("replayed", extra={"session": session.sid, "replayed": served.replayed, "more": served.more})
    return answer


def refresh(
    authenticate: Callable[[str], tuple[Principal, datetime, datetime]],
    renamed: Callable[[Session, str], None],
    session: Session,
    payload: Any,
) -> dict[str, Any]:
    """Go on with a new token of the same user; `renamed` is told of it. Raises Refused."""
    token = parse(Refresh, payload).token
    principal, expires_at, _ = authenticate(token)
    if (principal.tenant, principal.id, principal.mode) != (session.tenant, session.user, session.principal.mode):
        raise Refused("forbidden", "the token is another user's")
    session.principal, session.expires_at, session.warned = principal, expires_at, False
    renamed(session, token)
    return {"exp": int(expires_at.timestamp())}
