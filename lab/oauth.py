"""The stand-in for a Google service account and its OAuth 2 token endpoint (the JWT bearer grant, RFC 7523)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lab.faults import Cut, OauthError, Slow
from lab.script import Script
from lab.wire import hang_up, json_response

PROJECT = "carillon-lab"
CLIENT_EMAIL = f"carillon@{PROJECT}.iam.gserviceaccount.com"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# google-auth always uses this audience, whatever the token_uri of the credentials is.
GOOGLE_AUDIENCE = "https://oauth2.googleapis.com/token"
SCOPES = frozenset(
    {"https://www.googleapis.com/auth/firebase.messaging", "https://www.googleapis.com/auth/cloud-platform"}
)
# The lifetime of an access token, in seconds.
LIFETIME = 3599
_MAX_TOKENS = 10_000


class Oauth:
    """Issues access tokens for assertions signed with the service account's key. The key is new at every start."""

    def __init__(self, script: Script, clock: Callable[[], float]) -> None:
        self._script = script
        self._clock = clock
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._key_id = secrets.token_hex(20)
        self._expiries: dict[str, float] = {}

    def routes(self) -> list[web.RouteDef]:
        """Return the endpoints."""
        return [web.post("/token", self.token), web.get("/service-account.json", self.service_account)]

    def accepts(self, authorization: str | None) -> bool:
        """Return whether this `Authorization` header has an access token that was issued here and has not expired."""
        if authorization is None or not authorization.startswith("Bearer "):
            return False
        expiry = self._expiries.get(authorization[7:])
        return expiry is not None and self._clock() < expiry

    async def service_account(self, request: web.Request) -> web.Response:
        """Return the credentials file. Its token_uri has the host name that the client used for this request."""
        origin = request.url.origin()
        key = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return json_response(
            {
                "type": "service_account",
                "project_id": PROJECT,
                "private_key_id": self._key_id,
                "private_key": key.decode(),
                "client_email": CLIENT_EMAIL,
                "client_id": "100000000000000000000",
                "auth_uri": f"{origin}/auth",
                "token_uri": f"{origin}/token",
                "auth_provider_x509_cert_url": f"{origin}/certs",
                "client_x509_cert_url": f"{origin}/certs",
                "universe_domain": "googleapis.com",
            }
        )

    async def token(self, request: web.Request) -> web.Response:
        """Return an access token for a valid assertion, or an OAuth error."""
        form = parse_qs((await request.read()).decode(errors="replace"))
        match self._script.oauth():
            case OauthError() as error:
                return _error_response(error)
            case Cut():
                return hang_up(request)
            case Slow(seconds):
                await asyncio.sleep(seconds)
        invalid = self._validation_error(form, f"{request.url.origin()}/token")
        return _error_response(invalid) if invalid else json_response(self._issue())

    def _issue(self) -> dict[str, Any]:
        token = f"ya29.{secrets.token_urlsafe(48)}"
        self._expiries[token] = self._clock() + LIFETIME
        if len(self._expiries) > _MAX_TOKENS:
            del self._expiries[next(iter(self._expiries))]
        return {"access_token": token, "expires_in": LIFETIME, "token_type": "Bearer"}

    def _validation_error(self, form: dict[str, list[str]], audience: str) -> OauthError | None:
        if form.get("grant_type") != [GRANT]:
            return OauthError(400, "unsupported_grant_type", f"Invalid grant_type: it must be {GRANT}")
        try:
            claims = jwt.decode(
                form.get("assertion", [""])[0],
                self._key.public_key(),
                algorithms=["RS256"],
                audience=[GOOGLE_AUDIENCE, audience],
                issuer=CLIENT_EMAIL,
                leeway=60,
                options={"require": ["iat", "exp", "iss", "aud"]},
            )
        except jwt.InvalidTokenError as error:
            return OauthError(400, "invalid_grant", f"Invalid JWT: {error}")
        if SCOPES.isdisjoint(str(claims.get("scope", "")).split()):
            return OauthError(400, "invalid_scope", f"The scope must contain one of {', '.join(sorted(SCOPES))}")
        return None


def _error_response(error: OauthError) -> web.Response:
    return json_response({"error": error.error, "error_description": error.description}, error.status)
