"""FCM credentials: the service account and its OAuth access token, fetched once and shared by all threads."""

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

from carillon.text import cut
from channels.failures import CREDENTIALS_RETRY_AFTER
from channels.http_batch import fetch
from models.channels import PUSH
from models.deliveries.lifecycle import Failure, RetryLater

# Seconds between refresh attempts after a failure, while the old token is still valid. Without it, every batch would
# call the failing token endpoint.
REFRESH_RETRY_AFTER = 15.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token that stays valid long enough to send a batch, and the project it is for."""

    project: str
    token: str


class AccessTokens:
    """Caches the access token of a service account and refreshes it.

    `load` returns the service account; it is called again after `forget`. It raises CredentialsRejected if the account
    is unusable, and Unreachable if it cannot be fetched now.
    """

    def __init__(self, load: Callable[[], Certificate], timeout: float) -> None:
        self._load = load
        self._timeout = timeout
        self._request = TokenRequest(timeout / 2)
        self._lock = threading.Lock()
        self._account: Certificate | None = None
        self._failure = RetryLater("no access token yet")
        self._failed_at = float("-inf")

    def get(self) -> AccessToken | RetryLater:
        """Return a token, or the outcome for every message if there is none. Takes at most the timeout.

        One thread refreshes the token; the others wait for it and share its result.
        """
        token = self._cached(TokenState.FRESH)
        if token:
            return token
        called_at = time.monotonic()
        if not self._lock.acquire(timeout=self._timeout):
            return RetryLater("the token endpoint has not answered")
        try:
            # Another thread may have refreshed the token, or failed to, while this one waited for the lock.
            token = self._cached(TokenState.FRESH)
            if token:
                return token
            stale = self._cached(TokenState.STALE)
            if stale and time.monotonic() < self._failed_at + REFRESH_RETRY_AFTER:
                return stale
            if self._failed_at < called_at and self._refresh():
                return self._cached(TokenState.FRESH) or self._cached(TokenState.STALE) or self._failure
            return stale or self._failure
        finally:
            self._lock.release()

    def forget(self, token: str) -> None:
        """Discard `token`, which FCM rejected, and its account: the key may have been rotated."""
        # If another thread holds the lock, it is refreshing the token already.
        if self._lock.acquire(blocking=False):
            if self._account is not None and self._account.get_credential().token == token:
                self._account = None
            self._lock.release()

    def _cached(self, state: TokenState) -> AccessToken | None:
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
            # Load the account again next time: a key file may be replaced, and the lab has a new key after each start.
            if not self._cached(TokenState.STALE):
                self._account = None
            self._fail(
                RetryLater(
                    f"credentials rejected: {_truncate(error)}", Failure.CREDENTIALS, CREDENTIALS_RETRY_AFTER, True
                ),
                logging.ERROR,
            )
            return False
        except (Unreachable, GoogleAuthError) as error:
            self._fail(RetryLater(f"no access token: {_truncate(error)}"), logging.WARNING)
            return False
        self._account = account
        return True

    def _fail(self, failure: RetryLater, level: int) -> None:
        self._failure, self._failed_at = failure, time.monotonic()
        _log.log(level, "no access token", extra={"channel": PUSH, "failure": failure.failure, "error": failure.reason})


class CredentialsRejected(Exception):
    """The credentials were not accepted, or are not a service account's."""


class Unreachable(Exception):
    """There was no usable answer."""


class TokenRequest:
    """The transport given to google-auth. It has a timeout and does not retry after a 5xx, unlike google-auth's own."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout

    def __call__(
        self, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, **_: Any
    ) -> TokenResponse:
        """Request a token. Raises CredentialsRejected or Unreachable, which google-auth lets through."""
        lines = [f"{name}: {value}" for name, value in (headers or {}).items()]
        answer = fetch(url, timeout=self._timeout, headers=lines, body=body)
        if answer.status in (400, 401, 403):
            error = _object(answer.body)
            raise CredentialsRejected(f"{error.get('error', answer.status)}: {error.get('error_description', '')}")
        if answer.status != 200:
            raise Unreachable(answer.error or f"the token endpoint answered {answer.status}")
        # google-auth does not check these fields and would raise a TypeError.
        token = _object(answer.body)
        if not isinstance(token.get("access_token"), str) or not isinstance(token.get("expires_in"), int):
            raise Unreachable("the token endpoint did not answer with a token")
        return TokenResponse(answer.body)


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """A successful response in the shape that google-auth expects."""

    data: bytes
    status: int = 200


def load_file(path: str) -> Certificate:
    """Load the service account from a file. Raises CredentialsRejected; its text does not quote the file."""
    try:
        return require_project(Certificate(path))
    except OSError as error:
        raise CredentialsRejected(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, AttributeError):
        # The cause may quote the file, which is a private key.
        raise CredentialsRejected(f"{path} is not the key file of a service account") from None


def load_lab(lab_url: str, timeout: float) -> Certificate:
    """Fetch the lab's service account. Raises Unreachable while the lab is down."""
    answer = fetch(f"{lab_url}/service-account.json", timeout=timeout)
    if answer.status != 200:
        raise Unreachable(f"the lab is down: {answer.error or answer.status}")
    try:
        return require_project(Certificate(_object(answer.body)))
    except ValueError:
        raise Unreachable("the lab did not answer with a service account") from None


def require_project(account: Certificate) -> Certificate:
    """Return `account`. Raises ValueError if it does not name its project."""
    if not account.project_id:
        raise ValueError("no project_id")
    return account


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _truncate(error: Exception) -> str:
    return cut(str(error), 200)
