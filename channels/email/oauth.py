"""Access tokens for SMTP (XOAUTH2), by OAuth's client credentials (RFC 6749 §4.4): for a program, without a person."""

from __future__ import annotations

import json
import smtplib
import threading
import time
from typing import Any
from urllib.parse import urlencode

from channels.http_batch import fetch

# Seconds before its end at which a token is replaced. Tokens of Microsoft last for about an hour.
MARGIN = 300.0


class TokenRefused(smtplib.SMTPException):
    """The token endpoint does not accept the client: a person has to correct the settings."""


class TokenUnavailable(OSError):
    """There is no token at the moment."""


class AccessTokens:
    """Fetches a token when one is needed. Threads share it."""

    def __init__(self, url: str, client_id: str, client_secret: str, scope: str) -> None:
        self._url = url
        self._body = urlencode(
            {
                "grant_type": "client_credentials",
                "client_id": client_id,
                "client_secret": client_secret,
                "scope": scope,
            }
        ).encode()
        self._lock = threading.Lock()
        self._token = ""
        self._ends_at = 0.0

    def get(self, timeout: float) -> str:
        """Return a token within `timeout` seconds. Raises TokenRefused or TokenUnavailable."""
        deadline = time.monotonic() + timeout
        if not self._lock.acquire(timeout=timeout):
            raise TokenUnavailable("the token endpoint has not answered")
        try:
            if time.monotonic() > self._ends_at - MARGIN:
                self._fetch(deadline)
            return self._token
        finally:
            self._lock.release()

    def forget(self, token: str) -> None:
        """Fetch another token next time: the mail server has refused this one."""
        with self._lock:
            if token == self._token:
                self._ends_at = 0.0

    def _fetch(self, deadline: float) -> None:
        started = time.monotonic()
        answer = fetch(self._url, timeout=max(0.001, deadline - started), body=self._body)
        found = _object(answer.body)
        if answer.status in (400, 401, 403):
            raise TokenRefused(f"{found.get('error', answer.status)}: {found.get('error_description', '')}")
        token, seconds = found.get("access_token"), found.get("expires_in")
        if answer.status != 200 or not isinstance(token, str) or not token.isascii():
            raise TokenUnavailable(answer.error or f"the token endpoint answered {answer.status} without a token")
        self._token = token
        # Without a lifetime it is used once.
        self._ends_at = started + (float(seconds) if isinstance(seconds, int | float) else 0.0)


def sasl(username: str, token: str) -> str:
    """Return the initial response of XOAUTH2, as Microsoft and Google describe it."""
    return f"user={username}\x01auth=Bearer {token}\x01\x01"


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
