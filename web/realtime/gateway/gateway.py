"""The doors of the socket: who is let in, what is asked of us, who leaves."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, MutableMapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from engineio.exceptions import EngineIOError
from socketio.exceptions import ConnectionRefusedError as Refusal

from actions.acknowledge import acknowledge
from actions.installation import Installation
from actions.principal import Principal
from actions.problems import TITLES
from models.sql.engine import UNAVAILABLE, read
from models.tenants.queries import dialect_of
from web.auth import Authenticator, AuthError
from web.dialects import DialectView, view_of
from web.dialects.dialect import RequestMapping
from web.realtime import metrics
from web.realtime.gateway.counts import CountNotifier
from web.realtime.gateway.handshake import Origins, credential, wish
from web.realtime.gateway.janitor import Janitor
from web.realtime.gateway.rate_limits import Allowance
from web.realtime.gateway.sessions import Session, Sessions
from web.realtime.handlers.table import ClientEvent
from web.realtime.limits import MAX_FAILED_HANDSHAKES, REFUSALS_BEFORE_DISCONNECT
from web.realtime.payloads import Acknowledge, Code, Handshake, Refresh, Refused, Sync, parse
from web.realtime.presence.presence import Presence
from web.realtime.replay.bookmarks import Bookmarks
from web.realtime.replay.healer import Healer
from web.realtime.replay.progress import ResumeRequest
from web.realtime.replay.replayer import Replayer
from web.realtime.timing import Timing
from web.realtime.transport import fanout

log = logging.getLogger(__name__)

SESSION_CLOSING = "session:closing"

# Where a connection's failed handshakes are counted, for each namespace: in the environment of its first request, which
# ends with it. A page that opens all namespaces with a token that has expired must be able to come back.
_FAILED = "carillon.failed_handshakes"


class Gateway:
    """What the Socket.IO server asks of us. Registered with the server itself, not with Flask-SocketIO.

    That one makes a Flask request for every event, in which hooks for HTTP do not run anyway.
    """

    def __init__(
        self,
        server: Any,
        installation: Installation,
        authenticator: Authenticator,
        origins: Origins,
        presence: Presence,
        bookmarks: Bookmarks,
        timing: Timing,
    ) -> None:
        self._server = server
        self._installation = installation
        self._engine = engine = installation.engine
        self._authenticator = authenticator
        self._origins = origins
        self._presence = presence
        self._bookmarks = bookmarks
        self.sessions = Sessions()
        self._allowance = Allowance()
        self._teller = CountNotifier(engine, self.sessions, timing)
        self.replayer = Replayer(installation, timing, self._teller.ask)
        self.healer = Healer(engine, self.sessions, self.replayer, timing)
        self._keeper = Janitor(server, self.sessions, self.healer, self.close, timing)
        self._events: dict[str, ClientEvent] = {
            "notification:ack": ClientEvent(self._acknowledge),
            "sync": ClientEvent(self._sync, cost=4),
            "auth:refresh": ClientEvent(self._refresh, cost=4),
        }

    def serve(self, events: Mapping[str, ClientEvent]) -> None:
        """Let clients send these events too."""
        self._events.update(events)

    def register(self, namespace: str) -> None:
        """Open a namespace."""
        self._server.on("connect", partial(self.connect, namespace), namespace=namespace)
        self._server.on("disconnect", partial(self.disconnected, namespace), namespace=namespace)
        self._server.on("*", self.dispatch, namespace=namespace)

    # What the queue manager tells.

    def started(self) -> None:
        """Begin the background work of this process."""
        for worker in (self.healer, self._keeper, self._teller, self._presence, self._bookmarks):
            self._server.start_background_task(worker.run)

    def subscribed(self) -> None:
        """Whatever was published while nobody listened is in the log."""
        self.healer.look_soon()

    def tenant_of(self, sid: str) -> str | None:
        """The tenant of a session, or None if there is no such session."""
        session = self.sessions.get(sid)
        return session.tenant if session is not None else None

    def deliver(self, groups: list[dict[str, Any]]) -> None:
        """Live events."""
        fanout.deliver(self.sessions, groups)
        self._teller.heard(groups)
        self._bookmarks.moved()

    def connected(self, sid: str) -> None:
        """The client knows that it is connected: tell it what it has missed."""
        session = self.sessions.get(sid)
        if session is None:
            return
        self._presence.enter(session)
        try:
            served = self.replayer.welcome(session)
        except UNAVAILABLE as error:
            # The keeper sees to it that it is tried again.
            log.warning("not served", extra={"session": sid, "error": type(error).__name__})
            return
        fields: dict[str, Any] = {"session": sid, "namespace": session.namespace, "dialect": session.view.dialect}
        if served is not None:
            fields |= {"replayed": served.replayed, "complete": served.complete, "more": served.more}
        log.info("connected", extra=fields)

    # What the server tells.

    def connect(self, namespace: str, sid: str, environ: MutableMapping[str, Any], auth: Any = None) -> None:
        """Let a client in, or raise Refusal. It joins its rooms before its log is read, so nothing falls between."""
        try:
            session = self._admit(namespace, sid, environ, auth)
        except Refused as refused:
            environ[_FAILED + namespace] = environ.get(_FAILED + namespace, 0) + 1
            raise _refusal(refused.code, str(refused)) from None
        except Exception:
            log.exception("handshake failed", extra={"session": sid})
            raise _refusal("internal", "something went wrong here") from None
        log.debug("authenticated", extra={"session": sid, "tenant": session.tenant, "user": session.user})

    def disconnected(self, _namespace: str, sid: str, reason: str) -> None:
        """A connection has ended."""
        session = self.sessions.remove(sid)
        if session is not None:
            self._presence.leave(session)
            self._bookmarks.close(session, reason)
            seconds = round(time.monotonic() - session.opened_at, 1)
            log.info("disconnected", extra={"session": sid, "reason": reason, "seconds": seconds})

    def dispatch(self, event: str, sid: str, *args: Any) -> dict[str, Any]:
        """Answer one event of a client. Never raises: an exception would leave it without an answer."""
        session = self.sessions.get(sid)
        if session is None:
            metrics.REFUSED_EVENTS.labels("forbidden").inc()
            return _failure("forbidden", "the connection is not authenticated")
        asked = session.view.asked(event)
        try:
            answer = {"ok": True, **self._handle(session, asked, args)}
        except Refused as refused:
            answer = self._refuse(session, event, refused.code, str(refused))
        except UNAVAILABLE as error:
            log.warning("event not handled", extra={"session": sid, "error": type(error).__name__})
            answer = self._refuse(session, event, "unavailable", "the database is away; try again")
        except Exception:
            log.exception("event not handled", extra={"session": sid})
            answer = self._refuse(session, event, "internal", "something went wrong here")
        return asked.answered(answer)

    def close(self, session: Session, code: Code, message: str) -> None:
        """Tell the client why, and end its connection."""
        try:
            session.emit(SESSION_CLOSING, {"code": code, "message": message})
            self._server.disconnect(session.sid, namespace=session.namespace, ignore_queue=True)
        except EngineIOError:
            # It went by itself at the same moment.
            return

    def _admit(self, namespace: str, sid: str, environ: MutableMapping[str, Any], auth: Any) -> Session:
        eio_sid = self._server.manager.eio_sid_from_sid(sid, namespace)
        socket = self._server.eio.sockets.get(eio_sid)
        if socket is None:
            raise Refused("forbidden", "the connection has ended")
        if environ.get(_FAILED + namespace, 0) >= MAX_FAILED_HANDSHAKES:
            socket.close(wait=False, reason=self._server.reason.SERVER_DISCONNECT)
            raise Refused("rate_limited", "too many failed handshakes on one connection")
        greeting = parse(Handshake, auth)
        token = credential(greeting, environ, self._origins)
        principal, expires_at = self._authenticate(token)
        view = self._view(namespace, greeting.dialect, principal.tenant)
        session = Session(sid, view, socket, principal, expires_at, wish(greeting, f"user:{principal.id}"))
        for room in session.channel_rooms():
            self._server.enter_room(sid, room, namespace=namespace)
        if not self.sessions.add(session):
            raise Refused("too_many_connections", "this user has too many connections to this process")
        if not view.conforming and session.wish == ResumeRequest():
            self._bookmarks.open(session, token)
        return session

    def _authenticate(self, token: str) -> tuple[Principal, datetime]:
        try:
            principal = self._authenticator.user(token)
        except AuthError as error:
            raise Refused(error.code, error.detail) from error
        except UNAVAILABLE as error:
            raise Refused("unavailable", "the database is away; try again") from error
        if principal.expires_at is None:
            raise Refused("invalid_token", "the token does not expire")
        # The verifier allows for clocks that differ; here the connection would be closed again at once.
        if principal.expires_at <= datetime.now(UTC):
            raise Refused("token_expired", "the token has expired")
        return principal, principal.expires_at

    def _view(self, namespace: str, wanted: str | None, tenant: str) -> DialectView:
        if wanted is None and namespace == "/":
            try:
                with read(self._engine) as connection:
                    wanted = dialect_of(connection, tenant)
            except UNAVAILABLE as error:
                raise Refused("unavailable", "the database is away; try again") from error
        try:
            return view_of(namespace, wanted)
        except LookupError as error:
            raise Refused("bad_request", f"dialect: {error.args[0]}") from None

    def _handle(self, session: Session, asked: RequestMapping, args: Sequence[Any]) -> dict[str, Any]:
        event = self._events.get(asked.operation, _UNKNOWN)
        # Names that nobody knows are one event: a client can invent any number of them.
        name = asked.operation if event is not _UNKNOWN else ""
        if not self._allowance.take(session.bucket, session.tenant, session.user, name, event.cost, time.monotonic()):
            if session.bucket.refused >= REFUSALS_BEFORE_DISCONNECT:
                self.close(session, "rate_limited", "too many events")
            raise Refused("rate_limited", "too many events; slow down")
        if not session.ready:
            raise Refused("unavailable", "the session is not ready; wait for session:ready")
        if session.expires_at <= datetime.now(UTC) and asked.operation != "auth:refresh":
            raise Refused("token_expired", "the token has expired")
        if len(args) > 1:
            raise Refused("bad_request", "an event has one payload")
        return event.handler(session, asked.payload(args[0] if args else None))

    def _refuse(self, session: Session, event: str, code: Code, message: str) -> dict[str, Any]:
        metrics.REFUSED_EVENTS.labels(code).inc()
        # Many clients ask for no answer. Of a flood one refusal is enough.
        if code != "rate_limited" or session.bucket.refused == 1:
            problem = {"type": f"urn:carillon:problem:{code}", "title": TITLES.get(code, "The event was refused")}
            told = problem | {"code": code, "detail": message, "message": message, "event": event[:64]}
            fanout.send_unlogged([session], "error", told)
        return _failure(code, message)

    # What clients ask. Whose it is comes from the session, never from the payload.

    def _acknowledge(self, session: Session, payload: Any) -> dict[str, Any]:
        request = parse(Acknowledge, payload)
        if not request.ids and request.seq is None:
            raise Refused("bad_request", "ids or seq is required")
        acked = acknowledge(self._installation, session.principal, ids=request.ids, up_to_seq=request.seq)
        return {"acked": acked}

    def _sync(self, session: Session, payload: Any) -> dict[str, Any]:
        request = parse(Sync, payload)
        position: ResumeRequest | None = None
        if request.cursor is not None or request.positions:
            try:
                position = ResumeRequest.of(request.cursor, request.positions)
            except ValueError:
                raise Refused("bad_request", "cursor: not a cursor of this server") from None
        served, answer = self.replayer.next_page(session, position)
        log.info("replayed", extra={"session": session.sid, "replayed": served.replayed, "more": served.more})
        return answer

    def _refresh(self, session: Session, payload: Any) -> dict[str, Any]:
        principal, expires_at = self._authenticate(parse(Refresh, payload).token)
        if (principal.tenant, principal.id, principal.mode) != (session.tenant, session.user, session.principal.mode):
            raise Refused("forbidden", "the token is another user's")
        session.principal, session.expires_at, session.warned = principal, expires_at, False
        return {"exp": int(expires_at.timestamp())}


def _unknown(_session: Session, _payload: Any) -> dict[str, Any]:
    raise Refused("unknown_event", "there is no such event")


_UNKNOWN = ClientEvent(_unknown)


def _failure(code: Code, message: str) -> dict[str, Any]:
    return {"ok": False, "error": {"code": code, "message": message}}


def _refusal(code: Code, message: str) -> Refusal:
    metrics.CONNECT_ERRORS.labels(code).inc()
    log.info("refused", extra={"code": code, "detail": message})
    return Refusal(message, {"code": code, "message": message})
