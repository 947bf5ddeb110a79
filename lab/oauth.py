"""A Google service account and its OAuth 2 token endpoint (the JWT bearer grant, RFC 7523)."""

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
# google-auth names this audience whatever the credentials' token_uri is.
GOOGLE_AUDIENCE = "https://oauth2.googleapis.com/token"
SCOPES = frozenset(
    {"https://www.googleapis.com/auth/firebase.messaging", "https://www.googleapis.com/auth/cloud-platform"}
)
LIFETIME = 3599
_KEPT_TOKENS = 10_000


class Oauth:
    """Issues access tokens to whoever signs with the service account's key, which is new in every lab."""

    def __init__(self, script: Script, clock: Callable[[], float]) -> None:
        self._script = script
        self._clock = clock
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._key_id = secrets.token_hex(20)
        self._expiries: dict[str, float] = {}

    def routes(self) -> list[web.RouteDef]:
        """The endpoints."""
        return [web.post("/token", self.token), web.get("/service-account.json", self.service_account)]

    def accepts(self, authorization: str | None) -> bool:
        """Whether this `Authorization` header carries an access token issued here that has not expired."""
        if authorization is None or not authorization.startswith("Bearer "):
            return False
        expiry = self._expiries.get(authorization[7:])
        return expiry is not None and self._clock() < expiry

    async def service_account(self, request: web.Request) -> web.Response:
        """The credentials file; its token_uri is this lab under the name by which the caller reached it."""
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
        """An access token for a valid assertion, or an OAuth error."""
        form = parse_qs((await request.read()).decode(errors="replace"))
        match self._script.oauth():
            case OauthError() as error:
                return _refusal(error)
            case Cut():
                return hang_up(request)
            case Slow(seconds):
                await asyncio.sleep(seconds)
        objection = self._objection(form, f"{request.url.origin()}/token")
        return _refusal(objection) if objection else json_response(self._issue())

    def _issue(self) -> dict[str, Any]:
        token = f"ya29.{secrets.token_urlsafe(48)}"
        self._expiries[token] = self._clock() + LIFETIME
        if len(self._expiries) > _KEPT_TOKENS:
            del self._expiries[next(iter(self._expiries))]
        return {"access_token": token, "expires_in": LIFETIME, "token_type": "Bearer"}

    def _objection(self, form: dict[str, list[str]], audience: str) -> OauthError | None:
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


def _refusal(error: OauthError) -> web.Response:
    return json_response({"error": error.error, "error_description": error.description}, error.status)
