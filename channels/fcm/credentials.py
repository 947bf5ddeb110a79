"""Whose FCM project we send to, and the OAuth access token that lets us: fetched once, shared by all threads."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from firebase_admin.credentials import Certificate
from google.auth.credentials import TokenState
from google.auth.exceptions import GoogleAuthError, RefreshError

from channels.failures import CREDENTIALS_RETRY_AFTER
from channels.http_batch import fetch
from models.channels import PUSH
from models.deliveries.lifecycle import Failure, RetryLater

# While the old token still holds, a failing token endpoint is asked this often and not for every batch.
PAUSE = 15.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A project, and a token good for at least the length of a send."""

    project: str
    token: str


class AccessTokens:
    """Hands out the current grant; `load` gives the service account, and is asked again after `forget`.

    `load` raises Refused where the account is unusable and Unreachable where it cannot be had now.
    """

    def __init__(self, load: Callable[[], Certificate], timeout: float) -> None:
        self._load = load
        self._timeout = timeout
        self._request = TokenRequest(timeout / 2)
        self._lock = threading.Lock()
        self._account: Certificate | None = None
        self._refusal = RetryLater("no access token yet")
        self._refused_at = float("-inf")

    def grant(self) -> AccessToken | RetryLater:
        """The grant, or what to answer for every message. Takes at most the time-out, for all waiting threads alike."""
        grant = self._held(TokenState.FRESH)
        if grant:
            return grant
        asked_at = time.monotonic()
        if not self._lock.acquire(timeout=self._timeout):
            return RetryLater("the token endpoint has not answered")
        try:
            # Whoever held the lock has done the work meanwhile, or found that it cannot be done.
            grant = self._held(TokenState.FRESH)
            if grant:
                return grant
            old = self._held(TokenState.STALE)
            if old and time.monotonic() < self._refused_at + PAUSE:
                return old
            if self._refused_at < asked_at and self._refresh():
                return self._held(TokenState.FRESH) or self._held(TokenState.STALE) or self._refusal
            return old or self._refusal
        finally:
            self._lock.release()

    def forget(self, token: str) -> None:
        """FCM did not accept `token`: fetch account and token anew, as the key may have been rotated."""
        # Whoever holds the lock is fetching already.
        if self._lock.acquire(blocking=False):
            if self._account is not None and self._account.get_credential().token == token:
                self._account = None
            self._lock.release()

    def _held(self, state: TokenState) -> AccessToken | None:
        account = self._account
        if account is None:
            return None
        credential = account.get_credential()
        return AccessToken(account.project_id, credential.token) if credential.token_state is state else None

    def _refresh(self) -> bool:
        account = self._account
        try:
            account = account or self._load()
            account.get_credential().refresh(self._request)
        except (CredentialsRejected, RefreshError) as error:
            # The lab has a new key after each start, and a key file may have been replaced.
            if not self._held(TokenState.STALE):
                self._account = None
            self._refuse(
                RetryLater(f"credentials refused: {_short(error)}", Failure.CREDENTIALS, CREDENTIALS_RETRY_AFTER, True),
                logging.ERROR,
            )
            return False
        except (Unreachable, GoogleAuthError) as error:
            self._refuse(RetryLater(f"no access token: {_short(error)}"), logging.WARNING)
            return False
        self._account = account
        return True

    def _refuse(self, refusal: RetryLater, level: int) -> None:
        self._refusal, self._refused_at = refusal, time.monotonic()
        _log.log(level, "no access token", extra={"channel": PUSH, "failure": refusal.failure, "error": refusal.reason})


class CredentialsRejected(Exception):
    """The credentials are not accepted, or are none."""


class Unreachable(Exception):
    """There was no usable answer."""


class TokenRequest:
    """What google-auth sends requests with: bounded, and not repeated, as google-auth would do after a 5xx."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout

    def __call__(
        self, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, **_: Any
    ) -> TokenResponse:
        """The token. Raises Refused or Unreachable, which pass through google-auth."""
        lines = [f"{name}: {value}" for name, value in (headers or {}).items()]
        answer = fetch(url, timeout=self._timeout, headers=lines, body=body)
        if answer.status in (400, 401, 403):
            error = _object(answer.body)
            raise CredentialsRejected(f"{error.get('error', answer.status)}: {error.get('error_description', '')}")
        if answer.status != 200:
            raise Unreachable(answer.error or f"the token endpoint answered {answer.status}")
        # Google-auth trusts the shape of the answer, and would raise a TypeError.
        token = _object(answer.body)
        if not isinstance(token.get("access_token"), str) or not isinstance(token.get("expires_in"), int):
            raise Unreachable("the token endpoint did not answer with a token")
        return TokenResponse(answer.body)


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """A 200, as google-auth wants it."""

    data: bytes
    status: int = 200


def load_file(path: str) -> Certificate:
    """The service account in a file. Raises Refused, which says what is wrong with it, and no more."""
    try:
        return checked(Certificate(path))
    except OSError as error:
        raise CredentialsRejected(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, AttributeError):
        # The cause may quote the file, which is a private key.
        raise CredentialsRejected(f"{path} is not the key file of a service account") from None


def load_lab(lab_url: str, timeout: float) -> Certificate:
    """The lab's service account. Raises Unreachable while the lab is away."""
    answer = fetch(f"{lab_url}/service-account.json", timeout=timeout)
    if answer.status != 200:
        raise Unreachable(f"the lab is away: {answer.error or answer.status}")
    try:
        return checked(Certificate(_object(answer.body)))
    except ValueError:
        raise Unreachable("the lab did not answer with a service account") from None


def checked(account: Certificate) -> Certificate:
    """`account`, if it names its project. Raises ValueError."""
    if not account.project_id:
        raise ValueError("no project_id")
    return account


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _short(error: Exception) -> str:
    return str(error)[:200]
