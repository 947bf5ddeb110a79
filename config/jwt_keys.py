"""The keys that sign and verify tokens: a JWKS (RFC 7517), from a file and from an identity provider's URL."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import jwt

from config.audiences import Binding, known_audiences, tenant_ids
from config.settings import Settings, SettingsError

log = logging.getLogger(__name__)

_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
_ALGORITHMS = {
    "oct": ("HS256", "HS384", "HS512"),
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA",),
}

# Seconds in which the provider must have answered, and bytes that the answer may have: a request waits for it.
FETCH_TIMEOUT = 5.0
MAX_JWKS = 256 * 1024
# Seconds between two fetches, whatever becomes of them: tokens with unknown keys must not make us flood the provider.
COOLDOWN = 30.0
# Seconds after which the keys are fetched again, so that a key that the provider has removed stops to count.
LIFESPAN = 600.0
# Members of a key in the file that bind it. RFC 7517 (section 4) lets a JWK have members that others ignore.
_PREFIX = "carillon:"
AUDIENCES_MEMBER = "carillon:audiences"
TENANTS_MEMBER = "carillon:tenants"
# What PyJWT raises for a key that it cannot use.
_UNUSABLE = (jwt.PyJWTError, ValueError, TypeError, KeyError, NotImplementedError)


@dataclass(frozen=True, slots=True)
class Key:
    """A key and for whom it may sign. `signing` is None for a public key, which can only verify."""

    verifying: jwt.PyJWK
    signing: jwt.PyJWK | None
    binding: Binding


@dataclass(frozen=True, slots=True)
class JwtKeys:
    """The keys of a JWKS by their kid, each bound to one algorithm, and to audiences and tenants.

    Several keys at once are how keys are rotated.
    """

    by_kid: Mapping[str, Key]

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
        keys: dict[str, Key] = {}
        wrong: list[str] = []
        for number, entry in enumerate(entries, 1):
            try:
                kid, verifying, signing = _parse_key(entry)
                if kid in keys:
                    raise ValueError(f"the kid {kid!r} is used twice")
                keys[kid] = Key(verifying, signing, _parse_binding(entry))
            except _UNUSABLE as error:
                wrong.append(f"CARILLON_JWKS_FILE: key {number}: {_without_material(error)}")
        if wrong:
            raise SettingsError("\n".join(wrong))
        return cls(keys)

    @classmethod
    def usable(cls, document: object, binding: Binding) -> JwtKeys:
        """Take the public keys of a provider's JWKS, and leave out what cannot verify, such as keys for encryption.

        Each key gets this binding; a binding in the document is ignored. Raises ValueError if none is left.
        """
        entries = document.get("keys") if isinstance(document, dict) else None
        keys: dict[str, Key] = {}
        for entry in entries if isinstance(entries, list) else []:
            try:
                kid, verifying, _ = _parse_key(entry)
            except _UNUSABLE:
                continue
            # A secret that can be read at a URL is none.
            if entry["kty"] != "oct":
                keys.setdefault(kid, Key(verifying, None, binding))
        if not keys:
            raise ValueError("the answer is no JWKS with a public key for signatures")
        return cls(keys)

    def find(self, kid: str) -> Key | None:
        """Return the key with this id, or None."""
        return self.by_kid.get(kid)

    def signer(self, audience: str, tenant: str) -> tuple[str, jwt.PyJWK]:
        """(kid, key) of the first key that can and may sign for the audience and tenant. Raises LookupError."""
        for kid, key in self.by_kid.items():
            if key.signing is not None and key.binding.allows(audience, tenant):
                return kid, key.signing
        if any(key.signing is not None for key in self.by_kid.values()):
            raise LookupError(
                f"no key in CARILLON_JWKS_FILE may sign for {audience} of tenant {tenant}: "
                f"{AUDIENCES_MEMBER} and {TENANTS_MEMBER} of a key say what it may"
            )
        raise LookupError(f"no key in CARILLON_JWKS_FILE can sign for {audience}: add an oct key, or a private one")


def _parse_key(entry: object) -> tuple[str, jwt.PyJWK, jwt.PyJWK | None]:
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
    return entry["kid"], verifying, jwt.PyJWK(entry) if can_sign else None


def _parse_binding(entry: Mapping[str, object]) -> Binding:
    # A member that is not understood must not leave a key unbound.
    for name in entry:
        if name.startswith(_PREFIX) and name not in (AUDIENCES_MEMBER, TENANTS_MEMBER):
            raise ValueError(f"{name} is not known: a key is bound by {AUDIENCES_MEMBER} and {TENANTS_MEMBER}")
    audiences, tenants = (_member(entry, name, parse) for name, parse in _MEMBERS.items())
    usual = Binding()
    return Binding(usual.audiences if audiences is None else audiences, tenants)


_MEMBERS = {AUDIENCES_MEMBER: known_audiences, TENANTS_MEMBER: tenant_ids}


def _member(
    entry: Mapping[str, object], name: str, parse: Callable[[list[object]], list[str]]
) -> frozenset[str] | None:
    if name not in entry:
        return None
    given = entry[name]
    if not isinstance(given, list):
        raise ValueError(f"{name} must be an array of strings")
    try:
        return frozenset(parse(given))
    except ValueError as error:
        raise ValueError(f"{name} {error}") from error


def _without_material(error: Exception) -> str:
    # PyJWT quotes the whole key in some of its messages.
    text = str(error)
    return "it is malformed" if "{" in text or not text else text


class KeySource:
    """The keys as they are now: those of CARILLON_JWKS_FILE, read again when it changes, and of CARILLON_JWKS_URL.

    Keys that were good stay in use while the file is unusable or the provider does not answer. Threads may share one.
    """

    def __init__(
        self,
        file: Path | None,
        url: str | None = None,
        *,
        binding: Binding | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read the file. The URL is fetched when a token first needs it; `binding` is that of its keys.

        Raises SettingsError.
        """
        self._file = file
        self._stamp = _stamp(file)
        self._own = JwtKeys.load(file)
        self._url = url
        self._binding = binding or Binding()
        self._transport = transport
        self._clock = clock
        self._provided = JwtKeys({})
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._fetching = threading.Lock()

    @classmethod
    def of(cls, settings: Settings) -> KeySource:
        """Return the keys that the settings name. Raises SettingsError."""
        return cls(settings.jwks_file, settings.jwks_url, binding=settings.jwks_url_binding)

    def own(self) -> JwtKeys:
        """Return the keys of the file. Only they can sign."""
        stamp = _stamp(self._file)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._own = JwtKeys.load(self._file)
                log.info("keys read again", extra={"kids": list(self._own.by_kid)})
            except SettingsError as error:
                log.error("the changed keys are unusable, the old ones stay in use", extra={"error": str(error)})
        return self._own

    def find(self, kid: str) -> Key | None:
        """Return the key with this id, or None. May fetch the provider's keys, for at most FETCH_TIMEOUT."""
        found = self.own().find(kid)
        if found is None and self._url is not None:
            known = kid in self._provided.by_kid
            if not known or self._clock() - self._fetched_at > LIFESPAN:
                # Who can go on with the key at hand does not wait for another request that is fetching.
                self._refresh(self._url, kid, wait=not known)
            found = self._provided.find(kid)
        return found

    def _refresh(self, url: str, kid: str, *, wait: bool) -> None:
        if not self._fetching.acquire(timeout=2 * FETCH_TIMEOUT if wait else 0):
            return
        try:
            if (wait and kid in self._provided.by_kid) or self._clock() - self._tried_at < COOLDOWN:
                return
            self._tried_at = self._clock()
            self._provided = JwtKeys.usable(self._fetch(url), self._binding)
            self._fetched_at = self._clock()
        except (httpx.HTTPError, ValueError, RecursionError) as error:
            log.warning("no keys from CARILLON_JWKS_URL, the old ones stay in use", extra={"error": str(error)})
        finally:
            self._fetching.release()

    def _fetch(self, url: str) -> object:
        deadline = time.monotonic() + FETCH_TIMEOUT
        body = b""
        with (
            httpx.Client(timeout=FETCH_TIMEOUT, transport=self._transport, follow_redirects=False) as client,
            client.stream("GET", url, headers={"Accept": "application/json"}) as response,
        ):
            if response.status_code != 200:
                raise ValueError(f"the answer was {response.status_code}")
            for part in response.iter_bytes():
                body += part
                if len(body) > MAX_JWKS:
                    raise ValueError(f"the answer is longer than {MAX_JWKS} bytes")
                if time.monotonic() > deadline:
                    raise ValueError(f"the answer took longer than {FETCH_TIMEOUT} seconds")
        return json.loads(body)


def _stamp(file: Path | None) -> tuple[int, int, int] | None:
    """What differs when a file was changed or replaced; None if it cannot be read."""
    try:
        found = file.stat() if file is not None else None
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino) if found is not None else None
