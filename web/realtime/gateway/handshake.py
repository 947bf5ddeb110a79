"""The handshake: a client's token, the origins it can come from, and the position it wants to go on from."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

from web.origins import AllowedOrigins
from web.realtime.payloads import Handshake, Refused
from web.realtime.replay.progress import ResumeRequest

COOKIE = "carillon_token"


class Origins:
    """The origins whose pages may connect: our own, and those of the settings."""

    def __init__(self, allowed: AllowedOrigins) -> None:
        self._allowed = allowed

    def allow(self, origin: str | None, environ: Mapping[str, Any]) -> bool:
        """Whether a page of this origin may connect; Engine.IO asks for every request that names one."""
        return (origin is not None and origin in self._allowed) or self.allow_cookies(origin, environ)

    def allow_cookies(self, origin: str | None, environ: Mapping[str, Any]) -> bool:
        """Whether the request may be authenticated by a cookie.

        What is allowed in development is not enough: "*" would give every page on the web the user's session.
        """
        if origin is None:
            # A browser leaves Origin out of a polling GET to the page's own origin; Sec-Fetch-Site no script can set.
            return bool(environ.get("HTTP_SEC_FETCH_SITE") == "same-origin")
        scheme = environ.get("HTTP_X_FORWARDED_PROTO", environ.get("wsgi.url_scheme", "")).split(",")[0].strip()
        host = environ.get("HTTP_X_FORWARDED_HOST", environ.get("HTTP_HOST", "")).split(",")[0].strip()
        return origin == f"{scheme}://{host}" or origin in self._allowed.named


def credential(auth: Handshake, environ: Mapping[str, Any], origins: Origins) -> str:
    """The client's token: from `auth.token`, else the Authorization header, else the cookie. Raises Refused.

    Never from the query string, which ends up in logs. A browser sends the cookie with requests of any page, so it is
    accepted only from pages of an allowed origin.
    """
    if auth.token:
        return auth.token
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return str(token.strip())
    cookie = _cookie(environ)
    if not cookie:
        raise Refused("token_missing", "a token is required: auth.token, or Authorization: Bearer")
    if not origins.allow_cookies(environ.get("HTTP_ORIGIN"), environ):
        raise Refused("forbidden", "a cookie is accepted from allowed origins only")
    return cookie


def _cookie(environ: Mapping[str, Any]) -> str:
    try:
        morsel = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def keeps_position(auth: Handshake) -> bool:
    """Whether the client keeps its position: it names one, or says that it has none yet by `"cursor": null`."""
    return "cursor" in auth.model_fields_set or bool(auth.positions) or auth.last_seq is not None


def resume_request(auth: Handshake, user_room: str) -> ResumeRequest:
    """Return the position from which a client wants to go on."""
    positions = dict(auth.positions)
    if auth.last_seq is not None:
        positions[user_room] = max(auth.last_seq, positions.get(user_room, 0))
    try:
        return ResumeRequest.of(auth.cursor, positions, auth.epoch)
    except ValueError:
        # Not refused: a client whose stored cursor is damaged could never connect again.
        return ResumeRequest(lost=True)
