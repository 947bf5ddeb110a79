"""The callbacks of the Socket.IO server: connections, disconnections, events of clients, messages of the queue."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, MutableMapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from engineio.exceptions import EngineIOError
from socketio.exceptions import ConnectionRefusedError as Refusal

from actions.installation import Installation
from actions.problems import TITLES
from models.events.user_rooms import members_among
from models.sql.engine import UNAVAILABLE, read
from web.auth import Authenticator
from web.dialects.dialect import RequestMapping
from web.realtime import metrics
from web.realtime.gateway.admission import Admission
from web.realtime.gateway.counts import CountNotifier
from web.realtime.gateway.handshake import Origins
from web.realtime.gateway.janitor import Janitor
from web.realtime.gateway.membership import Membership
from web.realtime.gateway.rate_limits import RateLimits
from web.realtime.gateway.sessions import Session, Sessions
from web.realtime.handlers import session as session_events
from web.realtime.handlers.table import ClientEvent
from web.realtime.limits import REFUSALS_BEFORE_DISCONNECT
from web.realtime.payloads import Code, Refused
from web.realtime.presence.presence import Presence
from web.realtime.presence.typing import Typing
from web.realtime.replay.bookmarks import Bookmarks
from web.realtime.replay.healer import Healer
from web.realtime.replay.replayer import Replayer
from web.realtime.timing import Timing
from web.realtime.transport import fanout
from web.realtime.transport.closing import end
from web.realtime.transport.strangers import Strangers
from web.realtime.transport.wire import BINARY

log = logging.getLogger(__name__)

SESSION_CLOSING = "session:closing"

# In a user's own room: which conversations the user is in has changed.
CHANGE_ROOMS = frozenset(("chat:conversation:created", "chat:conversation:joined", "chat:conversation:left"))


class Gateway:
    """Handles what the Socket.IO server and the queue manager report.

    Registered with the Socket.IO server itself: Flask-SocketIO makes a Flask request for every event, and the hooks for
    HTTP do not run in it anyway.
    """

    def __init__(
        self,
        server: Any,
        installation: Installation,
        authenticator: Authenticator,
        origins: Origins,
        presence: Presence,
        typing: Typing,
        bookmarks: Bookmarks,
        strangers: Strangers,
        timing: Timing,
    ) -> None:
        self._server = server
        self._presence = presence
        self._typing = typing
        self._engine = installation.engine
        self._bookmarks = bookmarks
        self.sessions = Sessions()
        self._rate_limits = RateLimits()
        self._admission = Admission(
            server, installation.engine, authenticator, origins, self.sessions, bookmarks, strangers
        )
        self._counts = CountNotifier(installation.engine, installation.now, self.sessions, timing)
        self.replayer = Replayer(installation, self.sessions, timing, self._counts.ask)
        self.healer = Healer(installation.engine, self.sessions, self.replayer, timing)
        self._membership = Membership(installation.engine, self.sessions, self._deliver, timing)
        self._janitor = Janitor(server, self.sessions, self.healer, self.close, timing)
        self._events: dict[str, ClientEvent] = {
            "notification:ack": ClientEvent(partial(session_events.acknowledge_events, installation)),
            "sync": ClientEvent(partial(session_events.sync, self.replayer), cost=4),
            "auth:refresh": ClientEvent(
                partial(session_events.refresh, self._admission.authenticate, bookmarks.renamed), cost=4
            ),
        }

    def serve(self, events: Mapping[str, ClientEvent]) -> None:
        """Add events that clients can send."""
        self._events.update(events)

    @property
    def handled(self) -> frozenset[str]:
        """The canonical names of the events that clients can send."""
        return frozenset(self._events)

    def register(self, namespace: str) -> None:
        """Open a namespace."""
        self._server.on("connect", partial(self.connect, namespace), namespace=namespace)
        self._server.on("disconnect", partial(self.disconnected, namespace), namespace=namespace)
        self._server.on("*", self.dispatch, namespace=namespace)

    # Called by the queue manager, and at the end of the process.

    def started(self) -> None:
        """Start the background tasks of this process."""
        for worker in (
            self.healer,
            self._janitor,
            self._counts,
            self._presence,
            self._bookmarks,
            self._membership,
            self._typing,
        ):
            self._server.start_background_task(worker.run)

    def subscribed(self) -> None:
        """Look for events that were published before the process subscribed: they are in the log."""
        self.healer.look_soon()

    def tenant_of(self, sid: str) -> str | None:
        """The tenant of a session, or None if there is no such session."""
        session = self.sessions.get(sid)
        return session.tenant if session is not None else None

    def deliver(self, groups: list[dict[str, Any]]) -> None:
        """Send live events to the connections of this process."""
        self._membership.deliver(groups)

    def _deliver(self, groups: list[dict[str, Any]]) -> None:
        fanout.deliver(self.sessions, groups)
        self._counts.observe(groups)
        self._bookmarks.moved()
        for group in groups:
            if group["event"] in CHANGE_ROOMS:
                for address, _ in group["rooms"]:
                    self._change_rooms(address)

    def _change_rooms(self, address: str) -> None:
        """The user of this room is in other conversations now."""
        if not address.partition("/")[2].startswith("user:"):
            return
        for session in self.sessions.members(address):
            session.rooms_changed = True
            self.healer.ask(session)

    def connected(self, sid: str) -> None:
        """Send a client that has just connected what it has missed."""
        session = self.sessions.get(sid)
        if session is None:
            return
        self._presence.enter(session)
        try:
            served = self.replayer.welcome(session)
        except UNAVAILABLE as error:
            # The janitor tries again.
            log.warning("not served", extra={"session": sid, "error": type(error).__name__})
            return
        self._bookmarks.moved()
        fields: dict[str, Any] = {"session": sid, "namespace": session.namespace, "dialect": session.view.dialect}
        if served is not None:
            fields |= {"replayed": served.replayed, "complete": served.complete, "more": served.more}
        log.info("connected", extra=fields)

    def check_room(self, session: Session, room: str) -> None:
        """Correct whether the session is in a conversation, by what the database says now. Raises UNAVAILABLE."""
        with read(self._engine) as connection:
            _, there = members_among(connection, session.tenant, room, {session.user})
        if (session.user in there) != (room in session.rooms):
            self.replayer.heal(session)

    def stop(self) -> None:
        """Close all connections, when the process is about to end."""
        self._bookmarks.stop()
        for socket in list(self._server.eio.sockets.values()):
            end(self._server.eio, socket)

    # Called by the Socket.IO server.

    def connect(self, namespace: str, sid: str, environ: MutableMapping[str, Any], auth: Any = None) -> None:
        """Admit a client. Raises Refusal, which the server sends to it."""
        try:
            session = self._admission.admit(namespace, sid, environ, auth)
        except Refused as refused:
            raise _refusal(refused.code, str(refused)) from None
        except Exception:
            log.exception("handshake failed", extra={"session": sid})
            raise _refusal("internal", "something went wrong here") from None
        log.debug("authenticated", extra={"session": sid, "tenant": session.tenant, "user": session.user})

    def disconnected(self, _namespace: str, sid: str, reason: str) -> None:
        """Forget a connection that has ended."""
        session = self.sessions.remove(sid)
        if session is not None:
            self._presence.leave(session)
            self._typing.leave(session)
            self._bookmarks.close(session, reason)
            seconds = round(time.monotonic() - session.opened_at, 1)
            log.info("disconnected", extra={"session": sid, "reason": reason, "seconds": seconds})

    def dispatch(self, event: str, sid: str, *args: Any) -> dict[str, Any]:
        """Answer one event of a client. Never raises: an exception would leave it without an answer."""
        session = self.sessions.get(sid)
        if session is None:
            metrics.REFUSED_EVENTS.labels("forbidden").inc()
            return _failure("forbidden", "the connection is not authenticated")
        asked = session.view.request(event)
        try:
            answer = {"ok": True, **self._handle(session, asked, args)}
        except Refused as refused:
            answer = self._refuse(session, event, asked.operation, args, refused)
        except UNAVAILABLE as error:
            log.warning("event not handled", extra={"session": sid, "error": type(error).__name__})
            away = Refused("unavailable", "the database is not available; try again")
            answer = self._refuse(session, event, asked.operation, args, away)
        except Exception:
            log.exception("event not handled", extra={"session": sid})
            wrong = Refused("internal", "something went wrong here")
            answer = self._refuse(session, event, asked.operation, args, wrong)
        return asked.answered(answer)

    def close(self, session: Session, code: Code, message: str) -> None:
        """Send the client the reason, and end its connection."""
        try:
            session.emit(SESSION_CLOSING, {"code": code, "message": message})
            self._server.disconnect(session.sid, namespace=session.namespace, ignore_queue=True)
        except EngineIOError:
            # It has just ended by itself.
            return

    def _handle(self, session: Session, asked: RequestMapping, args: Sequence[Any]) -> dict[str, Any]:
        event = self._events.get(asked.operation, _UNKNOWN)
        # All unknown names share one bucket: a client can invent any number of them.
        name = asked.operation if event is not _UNKNOWN else ""
        if not self._rate_limits.take(session.bucket, session.tenant, session.user, name, event.cost, time.monotonic()):
            if session.bucket.refused >= REFUSALS_BEFORE_DISCONNECT:
                self.close(session, "rate_limited", "too many events")
            raise Refused("rate_limited", "too many events; slow down")
        if not session.ready:
            raise Refused("unavailable", "the session is not ready; wait for session:ready")
        if session.expires_at <= datetime.now(UTC) and asked.operation != "auth:refresh":
            raise Refused("token_expired", "the token has expired")
        if BINARY in args:
            raise Refused("bad_request", "binary data is not accepted: send JSON")
        if len(args) > 1:
            raise Refused("bad_request", "an event has one payload")
        return event.handler(session, asked.payload(args[0] if args else None))

    def _refuse(
        self, session: Session, event: str, operation: str, args: Sequence[Any], refused: Refused
    ) -> dict[str, Any]:
        code, message = refused.code, str(refused)
        metrics.REFUSED_EVENTS.labels(code).inc()
        # Many clients ask for no answer, so the refusal is an event as well. In a flood one is enough.
        if code != "rate_limited" or session.bucket.refused == 1:
            problem = {"type": f"urn:carillon:problem:{code}", "title": TITLES.get(code, "The event was refused")}
            payload = problem | {"code": code, "detail": message, "message": message, "event": event[:64]}
            fanout.send_unlogged([session], "error", payload)
            if operation.startswith("chat:"):
                fanout.send_unlogged([session], "chat:error", _chat_error(code, message, args))
        return _failure(code, message)


def _unknown(_session: Session, _payload: Any) -> dict[str, Any]:
    raise Refused("unknown_event", "there is no such event")


_UNKNOWN = ClientEvent(_unknown)


def _chat_error(code: str, message: str, args: Sequence[Any]) -> dict[str, Any]:
    temp_id = args[0].get("tempId") if args and isinstance(args[0], dict) else None
    # Only what can be the id of a message is sent back.
    known = {"tempId": temp_id} if isinstance(temp_id, str) and len(temp_id) <= 128 else {}
    return {"code": code, "message": message, **known}


def _failure(code: str, message: str) -> dict[str, Any]:
    return {"ok": False, "error": {"code": code, "message": message}}


def _refusal(code: str, message: str) -> Refusal:
    metrics.CONNECT_ERRORS.labels(code).inc()
    log.info("refused", extra={"code": code, "detail": message})
    return Refusal(message, {"code": code, "message": message})
