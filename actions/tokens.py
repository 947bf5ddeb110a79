"""Mint tokens (JWTs), signed with our own key, and record those that a command mints."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Self
from uuid import uuid4

import jwt

from actions.audit import record
from actions.installation import Installation
from actions.principal import Principal, require_live
from actions.problems import Problem
from config.audiences import CLIENT
from config.jwt_keys import JwtKeys
from config.settings import Settings
from models.sql.engine import write

# A token with a longer lifetime would be a password that cannot be revoked.
LONGEST = timedelta(hours=24)
# Long enough for a visit, and a page gets the next one by itself.
USUAL = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Claims:
    """Who issues tokens, and the names of the claims that hold the user and the tenant."""

    issuer: str
    user: str = "sub"
    tenant: str = "tenant"

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return what the settings say."""
        return cls(settings.jwt_issuer, settings.jwt_user_claim, settings.jwt_tenant_claim)


class Minted(NamedTuple):
    """A new token."""

    token: str
    expires_at: datetime


def mint(keys: JwtKeys, claims: Claims, *, audience: str, subject: str, tenant: str, lifetime: timedelta) -> Minted:
    """Return a token signed with the first key that can and may sign it. Raises LookupError if there is none."""
    kid, key = keys.signer(audience, tenant)
    now = int(datetime.now(UTC).timestamp())
    expires = now + int(lifetime.total_seconds())
    payload = {
        "iss": claims.issuer,
        "aud": audience,
        "sub": subject,
        claims.user: subject,
        claims.tenant: tenant,
        "iat": now,
        "exp": expires,
        # Two tokens of one second must differ: a connection's position is kept by its token.
        "jti": uuid4().hex,
    }
    token = jwt.encode(payload, key, headers={"kid": kid})
    return Minted(token, datetime.fromtimestamp(expires, UTC))


def mint_for_user(keys: JwtKeys, claims: Claims, caller: Principal, user: str, lifetime: timedelta) -> Minted:
    """Return a token for the clients of a user of the caller's tenant. The user need not exist yet.

    Raises Problem: 403 for a test key, because the token would open the user's real inbox; 409 if no key can sign.
    """
    require_live(caller, "mint tokens")
    try:
        return mint(keys, claims, audience=CLIENT, subject=user, tenant=caller.tenant, lifetime=lifetime)
    except LookupError:
        detail = (
            "this installation has no key that signs for users of this tenant: have its operator put a key of "
            "`jwks create` into CARILLON_JWKS_FILE, or let your identity provider issue the tokens"
        )
        raise Problem(409, "no_signing_key", detail) from None


def record_token(
    installation: Installation, caller: Principal, audience: str, subject: str, lifetime: timedelta
) -> None:
    """Record a token before it is given out. The token itself is not in the record.

    For tokens of commands. Services mint a token for each visit of a user, which are too many to record.
    """
    seconds = int(lifetime.total_seconds())
    with write(installation.engine) as connection:
        record(connection, installation, caller, "token.mint", subject, audience=audience, expires_in=seconds)
