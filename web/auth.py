"""Authentication: turns JWTs and API keys into a Principal, for HTTP and for the handshake of the socket."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, cast

import jwt
from sqlalchemy import Engine

from actions.key_uses import KeyUses
from actions.principal import Kind, Mode, Principal
from config.settings import SettingsError
from models.sql.engine import read
from models.tenants.api_keys import find_api_key
from models.tenants.queries import tenant_exists
from models.timestamps import iso

CLIENT = "carillon:client"
SERVICE = "carillon:service"
OPERATOR = "carillon:operator"

# Clocks of issuer and server may differ by this many seconds.
LEEWAY = 10
# A token with a longer lifetime would be a password that cannot be revoked.
LONGEST = timedelta(hours=24)
# Far longer than our tokens, and short enough to parse quickly.
_TOKEN_BYTES = 8192

_API_KEY = re.compile(r"ck_(?:live|test)_[0-9a-f]{8}_[A-Za-z0-9_-]{43}")
# Not . or .., which a URL cannot name.
TENANT = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.:-]{1,64}")
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
_ALGORITHMS = {
    "oct": ("HS256", "HS384", "HS512"),
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA",),
}

_OPTIONS: Any = {
    "require": ["exp", "iat", "sub", "aud", "iss", "tenant"],
    "enforce_minimum_key_length": True,
}
_JWT = jwt.PyJWT(_OPTIONS)

Code = Literal["token_missing", "token_expired", "invalid_token", "forbidden"]

_KINDS: dict[str, Kind] = {CLIENT: "user", SERVICE: "service", OPERATOR: "operator"}
_AUDIENCES = {kind: audience for audience, kind in _KINDS.items()}

# The tenant of an operator of all tenants.
EVERY_TENANT = "*"


class AuthError(Exception):
    """The token is not accepted. `code` is for programs, `detail` for people; neither repeats the token."""

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(detail)
        self.code: Code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class _Key:
    """`signing` is None for a public key, which can only verify."""

    verifying: jwt.PyJWK
    signing: jwt.PyJWK | None


@dataclass(frozen=True, slots=True)
class JwtKeys:
    """The keys of a JWKS by their kid, each bound to one algorithm. Several keys at once are how keys are rotated."""

    by_kid: Mapping[str, _Key]

    @classmethod
    def load(cls, path: Path | None) -> JwtKeys:
        """Read a JWKS file; no path means no keys. Raises SettingsError with one line for each unusable key."""
        if path is None:
            return cls({})
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SettingsError(f"CARILLON_JWKS_FILE: {path} is not readable as JSON: {error}") from error
        return cls.parse(document)

    @classmethod
    def parse(cls, document: object) -> JwtKeys:
        """Take the keys of a JWKS. Raises SettingsError with one line for each unusable key."""
        entries = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(entries, list):
            raise SettingsError('CARILLON_JWKS_FILE: expected a JWKS: {"keys": [...]}')
        keys: dict[str, _Key] = {}
        wrong: list[str] = []
        for number, entry in enumerate(entries, 1):
            try:
                kid, key = _parse_key(entry)
                if kid in keys:
                    raise ValueError(f"the kid {kid!r} is used twice")
                keys[kid] = key
            except (jwt.PyJWTError, ValueError, TypeError, KeyError, NotImplementedError) as error:
                wrong.append(f"CARILLON_JWKS_FILE: key {number}: {_without_material(error)}")
        if wrong:
            raise SettingsError("\n".join(wrong))
        return cls(keys)

    def signer(self) -> tuple[str, jwt.PyJWK]:
        """(kid, key) of the first key that can sign. Raises LookupError if all are public."""
        for kid, key in self.by_kid.items():
            if key.signing is not None:
                return kid, key.signing
        raise LookupError("no key in CARILLON_JWKS_FILE can sign: add an oct key, or a private one")


def _parse_key(entry: object) -> tuple[str, _Key]:
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str) or not entry["kid"]:
        raise ValueError("it has no kid")
    kty = entry.get("kty")
    if kty not in _ALGORITHMS:
        raise ValueError(f"kty must be one of {', '.join(_ALGORITHMS)}")
    if entry.get("use", "sig") != "sig":
        raise ValueError('it is not for signatures (use is not "sig")')
    public = {name: value for name, value in entry.items() if name not in _PRIVATE_MEMBERS}
    verifying = jwt.PyJWK(public)
    if verifying.algorithm_name not in _ALGORITHMS[kty]:
        raise ValueError(f"alg must be one of {', '.join(_ALGORITHMS[kty])} for kty {kty}")
    too_short = verifying.Algorithm.check_key_length(verifying.key)
    if too_short:
        raise ValueError(too_short)
    can_sign = kty == "oct" or "d" in entry
    return entry["kid"], _Key(verifying, jwt.PyJWK(entry) if can_sign else None)


def _without_material(error: Exception) -> str:
    # PyJWT quotes the whole key in some of its messages.
    text = str(error)
    return "it is malformed" if "{" in text or not text else text


class Authenticator:
    """Identifies the principal of a token. Its only state is the keys; API keys and tenants are in the database."""

    def __init__(self, keys: JwtKeys, issuer: str, engine: Engine) -> None:
        self._keys = keys
        self._issuer = issuer
        self._engine = engine
        self._key_uses = KeyUses(engine)

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
            with read(self._engine) as connection:
                found = find_api_key(connection, token)
        if found is None:
            raise AuthError("invalid_token", "the API key is unknown or revoked")
        now = datetime.now(UTC)
        if found.expires_at is not None and found.expires_at <= now:
            until = iso(found.expires_at)
            raise AuthError("token_expired", f"the API key expired at {until}: ask an operator for a new one")
        self._key_uses.note(found, now)
        return Principal("service", found.tenant_id, found.prefix, cast(Mode, found.mode), None)

    def _from_jwt(self, token: str, kinds: Collection[Kind]) -> Principal:
        claims = self._verified(token)
        kind = _KINDS.get(claims["aud"]) if isinstance(claims["aud"], str) else None
        if kind is None:
            raise AuthError("invalid_token", f"aud must be one of {', '.join(_KINDS)}")
        if kind not in kinds:
            wanted = " or ".join(_AUDIENCES[kind] for kind in kinds)
            raise AuthError("forbidden", f"this needs a token with aud {wanted}, not {claims['aud']}")
        self._check_subject(kind, claims["sub"], claims["tenant"])
        expires_at = datetime.fromtimestamp(int(claims["exp"]), UTC)
        issued_at = datetime.fromtimestamp(int(claims["iat"]), UTC)
        return Principal(kind, claims["tenant"], claims["sub"], "live", expires_at, issued_at)

    def _verified(self, token: str) -> dict[str, Any]:
        try:
            # A lone surrogate has no UTF-8 form; it is a ValueError here, not a surprise further in.
            if len(token.encode()) > _TOKEN_BYTES:
                raise AuthError("invalid_token", "the token is too long")
            header = jwt.get_unverified_header(token)
            key = self._keys.by_kid.get(header["kid"]) if isinstance(header.get("kid"), str) else None
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
                audience=list(_KINDS),
                issuer=self._issuer,
                leeway=LEEWAY,
            )
            if int(claims["exp"]) - int(claims["iat"]) > LONGEST.total_seconds():
                raise AuthError("invalid_token", "the token lives longer than 24 hours (exp - iat)")
        except jwt.ExpiredSignatureError as error:
            raise AuthError("token_expired", "the token has expired") from error
        except jwt.MissingRequiredClaimError as error:
            raise AuthError("invalid_token", f"the token lacks the claim {error.claim}") from error
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise AuthError("invalid_token", f"the token is not valid: {type(error).__name__}") from error
        return claims

    def _check_subject(self, kind: Kind, subject: str, tenant: object) -> None:
        if not 1 <= len(subject) <= 128 or not subject.isprintable():
            raise AuthError("invalid_token", "sub must have 1 to 128 printable characters")
        if kind == "operator" and tenant == EVERY_TENANT:
            return
        if not isinstance(tenant, str) or not TENANT.fullmatch(tenant):
            raise AuthError("invalid_token", "tenant is not the name of a tenant")
        with read(self._engine) as connection:
            known = tenant_exists(connection, tenant)
        if not known:
            raise AuthError("invalid_token", "the tenant does not exist")


def mint(keys: JwtKeys, issuer: str, *, audience: str, subject: str, tenant: str, lifetime: timedelta) -> str:
    """Return a token signed with the first key that can sign. Raises LookupError if there is none."""
    kid, key = keys.signer()
    now = datetime.now(UTC)
    claims = {
        "iss": issuer,
        "aud": audience,
        "sub": subject,
        "tenant": tenant,
        "iat": int(now.timestamp()),
        "exp": int((now + lifetime).timestamp()),
    }
    return _JWT.encode(claims, key, headers={"kid": kid})
