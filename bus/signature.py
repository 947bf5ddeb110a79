"""Signatures of what is published to the Socket.IO message queue, so that web processes believe nobody else.

The signature is the last member of the JSON object that is signed, so the message stays one that other readers of the
queue understand (docs/adr/0033).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import cached_property, partial

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from config.settings import Settings
from models.events.bus_key import bus_key
from models.sql.engine import connect

_BEFORE = b', "mac": "'
_AFTER = b'"}'
_DIGITS = 64
_LENGTH = len(_BEFORE) + _DIGITS + len(_AFTER)


class KeyUnavailable(OSError):
    """The key is in the database, and the database does not answer."""


class Signature:
    """Signs the messages of one installation's topic, and recognises them. Usable from any number of threads.

    `secret` is called when it is first needed.
    """

    def __init__(self, secret: Callable[[], bytes], topic: str) -> None:
        self._secret = secret
        self._topic = topic

    def sign(self, message: bytes) -> bytes:
        """Return a JSON object with its signature as the last member. Raises KeyUnavailable."""
        signed = memoryview(message)[:-1]
        return b"".join((signed, _BEFORE, self._mac(signed), _AFTER))

    def is_on(self, data: bytes) -> bool:
        """Whether `data` was signed here. Raises KeyUnavailable."""
        expected = _BEFORE + self._mac(memoryview(data)[:-_LENGTH]) + _AFTER
        return hmac.compare_digest(data[-_LENGTH:], expected)

    @cached_property
    def _key(self) -> bytes:
        # Of the topic, so that a message does not count on that of another installation with the same secret.
        return hmac.digest(self._secret(), self._topic.encode(), "sha256")

    def _mac(self, message: memoryview) -> bytes:
        return hmac.digest(self._key, message, "sha256").hex().encode()


def secret_of(settings: Settings) -> Callable[[], bytes]:
    """What reads the secret of an installation from its database. Raises KeyUnavailable when it is called."""
    return partial(_read, settings.database_url)


def _read(database_url: str) -> bytes:
    engine = connect(database_url, pool_size=1)
    try:
        return bus_key(engine)
    except (DBAPIError, PoolTimeout) as error:
        raise KeyUnavailable(type(error).__name__) from error
    finally:
        engine.dispose()
