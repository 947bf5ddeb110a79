"""Authentication: turns JWTs and API keys into a Principal, for HTTP and for the handshake of the socket."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, Protocol, cast

import jwt
from sqlalchemy import Engine

from actions.batches import Batches
from actions.key_uses import KeyUses
from actions.principal import Kind, Mode, Principal
from actions.tokens import LONGEST, Claims
from carillon.fields import TenantId, UserId
from carillon.problems import ValidationError
from carillon.validation import checked
from config.audiences import CLIENT, EVERY_TENANT, OPERATOR, SERVICE
from config.jwt_keys import Key
from models.sql.clock import utc_now
from models.sql.engine import read
from models.tenants.api_keys import FoundKey, find_api_key
from models.tenants.queries import tenant_exists
from models.timestamps import iso

# Clocks of issuer and server may differ by this many seconds.
LEEWAY = 10
# Far longer than our tokens, and short enough to parse quickly.
_TOKEN_BYTES = 8192

_API_KEY = re.compile(r"ck_(?:live|test)_[0-9a-f]{8}_[A-Za-z0-9_-]{43}")

_OPTIONS: Any = {
    "require": ["exp", "iat", "aud", "iss"],
    # RFC 7519 allows several audiences; _kind has the rule.
    "verify_aud": False,
    "enforce_minimum_key_length": True,
}
_JWT = jwt.PyJWT(_OPTIONS)

Code = Literal["token_missing", "token_expired", "invalid_token", "forbidden"]

_KINDS: dict[str, Kind] = {CLIENT: "user", SERVICE: "service", OPERATOR: "operator"}
_AUDIENCES = {kind: audience for audience, kind in _KINDS.items()}


class AuthError(Exception):
    """The token is not accepted. `code` is for programs, `detail` for people; neither repeats the token."""

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(detail)
        self.code: Code = code
        self.detail = detail


class Keys(Protocol):
    """What finds the key of a token."""

    def find(self, kid: str) -> Key | None:
        """Return the key with this id, or None."""


class Authenticator:
    """Identifies the principal of a token. Its only state is the keys; API keys and tenants are in the database."""

    def __init__(self, keys: Keys, claims: Claims, engine: Engine, now: Callable[[], datetime] = utc_now) -> None:
        """`now` is the time of the installation, by which API keys expire. JWTs expire by the machine's clock."""
        self._keys = keys
        self._names = claims
        self._engine = engine
        self._now = now
        self._key_uses = KeyUses(engine)
        self._looking: Batches[str, FoundKey | None] = Batches()

    def principal(self, token: str, kinds: Collection[Kind]) -> Principal:
        """Return the principal of a token, if it is of one of these kinds. Raises AuthError.

        An operator's tenant may be EVERY_TENANT.
        """
        if not token:
            raise AuthError("token_missing", "a token is required")
        if token.startswith("ck_"):
            if "service" not in kinds:
                raise AuthError("forbidden", "an API key does not open this; it needs a JWT")
            return self._from_api_key(token)
        return self._from_jwt(token, kinds)

    def user(self, token: str) -> Principal:
        """Return the user of a client's JWT. Raises AuthError."""
        return self.principal(token, ["user"])

    def _from_api_key(self, token: str) -> Principal:
        found = None
        # The pattern keeps NUL and lone surrogates, which PostgreSQL refuses, out of the query.
        if _API_KEY.fullmatch(token):
            # Every request reads the key anew, so that a revoked one opens nothing. Those that wait read it together.
            found = self._looking.do(token, token, self._find)
        if found is None:
            raise AuthError("invalid_token", "the API key is unknown or revoked")
        now = self._now()
        if found.expires_at is not None and found.expires_at <= now:
            until = iso(found.expires_at)
            raise AuthError("token_expired", f"the API key expired at {until}: ask an operator for a new one")
        self._key_uses.note(found, now)
        return Principal("service", found.tenant_id, found.prefix, cast(Mode, found.mode), None)

    def _find(self, same: Sequence[str]) -> list[FoundKey | None]:
        with read(self._engine) as connection:
            return [find_api_key(connection, same[0])] * len(same)

    def _from_jwt(self, token: str, kinds: Collection[Kind]) -> Principal:
        key, claims = self._verified(token)
        kind = _kind(claims["aud"])
        if _AUDIENCES[kind] not in key.binding.audiences:
            raise AuthError(
                "invalid_token",
                f"the key that kid names may not sign for aud {_AUDIENCES[kind]}: "
                "see carillon:audiences in docs/sign-in.md",
            )
        if kind not in kinds:
            wanted = " or ".join(_AUDIENCES[kind] for kind in kinds)
            raise AuthError("forbidden", f"this needs a token with aud {wanted}, not {_AUDIENCES[kind]}")
        user, tenant = (self._claim(claims, name) for name in (self._names.user, self._names.tenant))
        # Before the tenant is looked for: the holder of a key learns nothing about others.
        if not key.binding.allows(_AUDIENCES[kind], tenant):
            raise AuthError("invalid_token", "the key that kid names may not sign for this tenant")
        self._check_subject(kind, user, tenant)
        expires_at = datetime.fromtimestamp(int(claims["exp"]), UTC)
        issued_at = datetime.fromtimestamp(int(claims["iat"]), UTC)
        return Principal(kind, tenant, user, "live", expires_at, issued_at)

    def _claim(self, claims: dict[str, Any], name: str) -> str:
        value = find_claim(claims, name)
        if value is None:
            raise AuthError("invalid_token", f"the token lacks the claim {name}")
        if not isinstance(value, str):
            raise AuthError("invalid_token", f"the claim {name} must be a string")
        return value

    def _verified(self, token: str) -> tuple[Key, dict[str, Any]]:
        try:
            # A lone surrogate has no UTF-8 form; it is a ValueError here, not a surprise further in.
            if len(token.encode()) > _TOKEN_BYTES:
                raise AuthError("invalid_token", "the token is too long")
            header = jwt.get_unverified_header(token)
            key = self._keys.find(header["kid"]) if isinstance(header.get("kid"), str) else None
            if key is None:
                raise AuthError("invalid_token", "the token was signed with no key known here (kid)")
            # We support no extension, so a header that requires one must fail (RFC 7515, 4.1.11).
            if "crit" in header:
                raise AuthError("invalid_token", "the token has a crit header")
            claims = _JWT.decode(
                token,
                key.verifying,
                # From the key, never from the header: otherwise a public key could be used as an HMAC secret.
                algorithms=[key.verifying.algorithm_name],
                issuer=self._names.issuer,
                leeway=LEEWAY,
            )
            if int(claims["exp"]) - int(claims["iat"]) > LONGEST.total_seconds():
                raise AuthError("invalid_token", "the token lives longer than 24 hours (exp - iat)")
        except jwt.ExpiredSignatureError as error:
            raise AuthError("token_expired", "the token has expired") from error
        except jwt.MissingRequiredClaimError as error:
            raise AuthError("invalid_token", f"the token lacks the claim {error.claim}") from error
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise AuthError("invalid_token", _in_words(error, self._names.issuer)) from error
        return key, claims

    def _check_subject(self, kind: Kind, subject: str, tenant: str) -> None:
        _check(self._names.user, UserId, subject)
        if kind == "operator" and tenant == EVERY_TENANT:
            return
        _check(self._names.tenant, TenantId, tenant)
        with read(self._engine) as connection:
            known = tenant_exists(connection, tenant)
        if not known:
            raise AuthError("invalid_token", f"the tenant that {self._names.tenant} names does not exist")


def _check(claim: str, type_: Any, value: str) -> None:
    try:
        checked(claim, type_, value)
    except ValidationError as error:
        raise AuthError("invalid_token", f"the claim {error}") from error


def find_claim(claims: Mapping[str, Any], name: str) -> Any:
    """Return a claim by its name, or by its path with dots, such as `organization.id`; None if there is none.

    The whole name counts first, because the names of namespaced claims are URLs.
    """
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _kind(audience: object) -> Kind:
    """Return the one kind that `aud` names. Identity providers add audiences of their own to an array."""
    named = audience if isinstance(audience, list) else [audience]
    kinds = {_KINDS[one] for one in named if isinstance(one, str) and one in _KINDS}
    if not kinds:
        raise AuthError("invalid_token", f"aud must be or contain one of {', '.join(_KINDS)}")
    if len(kinds) > 1:
        # A token that pages hold must not open what services may do.
        raise AuthError("invalid_token", f"aud must contain only one of {', '.join(_KINDS)}")
    return kinds.pop()


def _in_words(error: Exception, issuer: str) -> str:
    """What is wrong with the token, and what to do."""
    says: list[tuple[type[Exception], str]] = [
        (jwt.InvalidIssuerError, f"iss must be {issuer}, as CARILLON_JWT_ISSUER says"),
        (jwt.ImmatureSignatureError, "iat or nbf lies in the future: check the clock of the token's issuer"),
        (jwt.InvalidIssuedAtError, "iat must be a number of seconds since 1970"),
        (jwt.exceptions.InvalidSubjectError, "sub must be a string"),
        (jwt.InvalidAlgorithmError, "alg in the token's header is not the algorithm of the key that kid names"),
        (jwt.InvalidSignatureError, "the signature is not of the key that kid names"),
    ]
    return next(
        (words for kind, words in says if isinstance(error, kind)),
        "it is not a well-formed JWT: send the token unchanged, as it was issued",
    )
