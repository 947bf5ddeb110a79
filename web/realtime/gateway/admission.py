"""Admission: what a connection has to show before it becomes a session."""

from __future__ import annotations

from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine

from actions.principal import Principal
from models.rooms.names import user_room
from models.sql.engine import UNAVAILABLE, read
from models.tenants.queries import dialect_of
from web.auth import Authenticator, AuthError
from web.dialects import DialectView, view_of
from web.realtime.gateway.handshake import Origins, credential, keeps_position, resume_request
from web.realtime.gateway.sessions import Session, Sessions
from web.realtime.limits import MAX_FAILED_HANDSHAKES
from web.realtime.payloads import Handshake, Refused, parse
from web.realtime.replay.bookmarks import Bookmarks
from web.realtime.transport.closing import end
from web.realtime.transport.strangers import Strangers

# Where a connection's failed handshakes are counted, for each namespace: in the environment of its first request, which
# ends with it. A page that opens all namespaces with a token that has expired must be able to come back.
_FAILED = "carillon.failed_handshakes"


class Admission:
    """Authenticates connections and adds them to the sessions of this process."""

    def __init__(
        self,
        server: Any,
        engine: Engine,
        authenticator: Authenticator,
        origins: Origins,
        sessions: Sessions,
        bookmarks: Bookmarks,
        strangers: Strangers,
    ) -> None:
        self._server = server
        self._engine = engine
        self._authenticator = authenticator
        self._origins = origins
        self._sessions = sessions
        self._bookmarks = bookmarks
        self._strangers = strangers

    def admit(self, namespace: str, sid: str, environ: MutableMapping[str, Any], auth: Any) -> Session:
        """Make a session of a connection. It joins its rooms before its log is read, so no event falls in between.

        Raises Refused. After MAX_FAILED_HANDSHAKES of them the connection is closed.
        """
        socket = self._server.eio.sockets.get(self._server.manager.eio_sid_from_sid(sid, namespace))
        if socket is None:
            raise Refused("forbidden", "the connection has ended")
        failures = environ.get(_FAILED + namespace, 0)
        if failures >= MAX_FAILED_HANDSHAKES:
            end(self._server.eio, socket)
            raise Refused("rate_limited", "too many failed handshakes on one connection")
        try:
            return self._admit(namespace, sid, environ, auth, socket)
        except Refused:
            environ[_FAILED + namespace] = failures + 1
            raise

    def _admit(self, namespace: str, sid: str, environ: MutableMapping[str, Any], auth: Any, socket: Any) -> Session:
        handshake = parse(Handshake, auth)
        token = credential(handshake, environ, self._origins)
        principal, expires_at, issued_at = self.authenticate(token)
        view = self._view(namespace, handshake.dialect, principal.tenant)
        resume = resume_request(handshake, user_room(principal.id))
        session = Session(sid, view, socket, principal, expires_at, resume)
        for room in session.channel_rooms():
            self._server.enter_room(sid, room, namespace=namespace)
        if not self._sessions.add(session):
            raise Refused("too_many_connections", "this user has too many connections to this process")
        self._strangers.authenticated(socket.sid, getattr(socket, "wire", None))
        if not keeps_position(handshake):
            self._bookmarks.open(session, token, issued_at)
        return session

    def authenticate(self, token: str) -> tuple[Principal, datetime, datetime]:
        """Return a token's user, when it expires and when it was issued. Raises Refused."""
        try:
            principal = self._authenticator.user(token)
        except AuthError as error:
            raise Refused(error.code, error.detail) from error
        except UNAVAILABLE as error:
            raise Refused("unavailable", "the database is not available; try again") from error
        if principal.expires_at is None or principal.issued_at is None:
            raise Refused("invalid_token", "the token does not expire")
        # The verifier allows for clocks that differ; here the connection would be closed again at once.
        if principal.expires_at <= datetime.now(UTC):
            raise Refused("token_expired", "the token has expired")
        return principal, principal.expires_at, principal.issued_at

    def _view(self, namespace: str, dialect: str | None, tenant: str) -> DialectView:
        if dialect is None and namespace == "/":
            try:
                with read(self._engine) as connection:
                    dialect = dialect_of(connection, tenant)
            except UNAVAILABLE as error:
                raise Refused("unavailable", "the database is not available; try again") from error
        try:
            return view_of(namespace, dialect)
        except LookupError as error:
            raise Refused("bad_request", f"dialect: {error.args[0]}") from None
