"""FCM credentials: an account, and its OAuth access token, fetched once and shared by all threads.

An account is a service account's key file, a credentials file of Google's for workload identity federation or
impersonation, or what the environment offers (Application Default Credentials), such as the metadata server.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import google.auth
from google.auth import aws, identity_pool, impersonated_credentials, pluggable
from google.auth.credentials import TokenState
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, RefreshError
from google.oauth2 import service_account

from carillon.text import cut, printable
from channels.failures import CREDENTIALS_RETRY_AFTER
from channels.http_batch import fetch
from models.channels import PUSH
from models.deliveries.lifecycle import Failure, RetryLater

# Seconds between refresh attempts after a failure, while the old token is still valid. Without it, every batch would
# call the failing token endpoint.
REFRESH_RETRY_AFTER = 15.0
# The one that sending needs (firebase.google.com/docs/cloud-messaging/auth-server).
SCOPES = ("https://www.googleapis.com/auth/firebase.messaging",)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token that stays valid long enough to send a batch, and the project it is for."""

    project: str
    token: str


@dataclass(frozen=True, slots=True)
class Account:
    """The project to send for, and the credential to do it with. `key` differs if the credentials were replaced."""

    project: str
    credential: Any
    key: str = ""


class AccessTokens:
    """Caches the access token of an account and refreshes it.

    `load` returns the account, and is called again when its credentials are refused. It raises CredentialsRejected if
    the account is unusable, and Unreachable if it cannot be fetched now.
    """

    def __init__(self, load: Callable[[TokenRequest], Account], timeout: float) -> None:
        self._load = load
        self._timeout = timeout
        self._lock = threading.Lock()
        self._account: Account | None = None
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

    def renew(self, token: str) -> bool:
        """Discard `token`, which FCM rejected, and load the account again.

        Returns whether its key was replaced: then it is worth trying again with a new token.
        """
        # This is time in addition to sending. If it is not enough, the messages are tried again later.
        if not self._lock.acquire(timeout=1.0):
            return False
        try:
            old = self._account
            if old is not None and old.credential.token != token:
                # Another thread was here first.
                return True
            try:
                self._account = self._load(TokenRequest(self._timeout / 2))
            except (CredentialsRejected, Unreachable, GoogleAuthError):
                self._account = None
            return old is not None and self._account is not None and self._account.key != old.key
        finally:
            self._lock.release()

    def _cached(self, state: TokenState) -> AccessToken | None:
        account = self._account
        if account is None or account.credential.token_state is not state:
            return None
        return AccessToken(account.project, account.credential.token)

    def _refresh(self) -> bool:
        request, known = TokenRequest(self._timeout), self._account
        try:
            account = known or self._load(request)
            try:
                _fetch_token(account, request)
            except (CredentialsRejected, RefreshError):
                # The key may have been replaced since it was loaded.
                account = self._load(request) if known else account
                if known is None or account.key == known.key:
                    raise
                _fetch_token(account, request)
        except (CredentialsRejected, RefreshError, DefaultCredentialsError) as error:
            # Load the account again next time: the lab has a new key after each start.
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


def _fetch_token(account: Account, request: TokenRequest) -> None:
    try:
        account.credential.refresh(request)
    except (ValueError, TypeError, KeyError, AttributeError):
        # google-auth does not check the types of what it is given.
        raise Unreachable("the token endpoint did not answer with a token") from None
    if not isinstance(account.credential.token, str):
        raise Unreachable("the token endpoint did not answer with a token")


class CredentialsRejected(Exception):
    """The credentials were not accepted, or are not a service account's."""


class Unreachable(Exception):
    """There was no usable answer."""


class TokenRequest:
    """The transport given to google-auth. All its requests together end within `seconds`, and none is repeated.

    A server that is down raises Unreachable, which google-auth lets through: it would try up to five times, with
    back-off.
    """

    def __init__(self, seconds: float) -> None:
        self._longest = seconds / 2
        self._deadline = time.monotonic() + seconds

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> TokenResponse:
        """Make one request. Raises CredentialsRejected or Unreachable."""
        left = min(self._deadline - time.monotonic(), self._longest, timeout or self._longest)
        if left <= 0:
            raise Unreachable("no answer in time")
        lines = [f"{name}: {value}" for name, value in (headers or {}).items()]
        content = body.encode() if isinstance(body, str) else body
        answer = fetch(url, timeout=left, headers=lines, body=content, method=method)
        if answer.status == 0 or answer.status >= 500 or answer.status in (407, 429):
            raise Unreachable(answer.error or f"the token endpoint answered {answer.status}")
        if answer.status in (400, 401, 403):
            error = _object(answer.body)
            if "error" not in error:
                # A proxy's page.
                raise Unreachable(f"something that is not the token endpoint answered {answer.status}")
            raise CredentialsRejected(_describe(error))
        asks_for_token = method == "POST" and answer.status == 200
        if asks_for_token and not {"access_token", "accessToken"} & _object(answer.body).keys():
            # google-auth would take this for a refusal.
            raise Unreachable("the token endpoint did not answer with a token")
        return TokenResponse(answer.body, answer.status, answer.headers)


def _describe(error: dict[str, Any]) -> str:
    # OAuth's errors have a code and a description, those of Google's other services are objects.
    inner = error["error"]
    if isinstance(inner, dict):
        return f"{inner.get('status', '')}: {inner.get('message', '')}"
    return f"{inner}: {error.get('error_description', '')}"


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """A response in the shape that google-auth expects."""

    data: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def load_file(path: str, project: str | None, _request: TokenRequest | None = None) -> Account:
    """Load the account from a file, for `project` or the one that it names.

    Raises CredentialsRejected; its text does not quote the file.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise CredentialsRejected(f"{path} cannot be read: {error.strerror}") from None
    try:
        return _account(json.loads(content), project, hashlib.sha256(content).hexdigest())
    except (ValueError, TypeError, KeyError, AttributeError, GoogleAuthError):
        # The cause may quote the file, which is a private key.
        raise CredentialsRejected(
            f"{path} is not a credentials file of Google's for a service account, workload identity or impersonation, "
            "or it names no project: then set FIREBASE_PROJECT_ID"
        ) from None


def load_default(project: str, request: TokenRequest) -> Account:
    """Return what the environment offers. Raises google-auth's DefaultCredentialsError, or Unreachable."""
    # google-auth calls its transport as TokenRequest can be called, but its base class promises more.
    transport: Any = request
    credential, _ = google.auth.default(scopes=SCOPES, request=transport)
    return Account(project, credential)


def load_lab(lab_url: str, timeout: float, _request: TokenRequest | None = None) -> Account:
    """Fetch the lab's service account. Raises Unreachable while the lab is down."""
    answer = fetch(f"{lab_url}/service-account.json", timeout=timeout)
    if answer.status != 200:
        raise Unreachable(f"the lab is down: {answer.error or answer.status}")
    try:
        return _account(_object(answer.body), None, hashlib.sha256(answer.body).hexdigest())
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Unreachable("the lab did not answer with a service account") from None


def _account(info: dict[str, Any], project: str | None, key: str) -> Account:
    named = project or info.get("project_id")
    if not named:
        raise ValueError("no project")
    return Account(named, _KINDS[info["type"]](info), key)


def _federated(info: dict[str, Any]) -> Any:
    # As google.auth.default chooses. It would also ask Google for the project.
    source = info["credential_source"]
    if info.get("subject_token_type") == "urn:ietf:params:aws:token-type:aws4_request":
        return aws.Credentials.from_info(info, scopes=SCOPES)
    kind = pluggable.Credentials if "executable" in source else identity_pool.Credentials
    return kind.from_info(info, scopes=SCOPES)


_KINDS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "service_account": lambda info: service_account.Credentials.from_service_account_info(info, scopes=SCOPES),
    "external_account": _federated,
    "impersonated_service_account": lambda info: (
        impersonated_credentials.Credentials.from_impersonated_service_account_info(info, scopes=SCOPES)
    ),
}


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _truncate(error: Exception) -> str:
    return cut(printable(str(error)), 200)
