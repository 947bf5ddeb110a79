"""The last use of API keys, written beside the requests and at most once a minute for each key."""

from __future__ import annotations

import logging
import threading
from datetime import datetime

from sqlalchemy import Engine

from models.sql.engine import UNAVAILABLE, write
from models.tenants.api_keys import USE_INTERVAL, FoundKey, note_use

log = logging.getLogger(__name__)


class KeyUses:
    """Notes uses of keys. No request waits for the write."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._noted: dict[str, datetime] = {}

    def note(self, key: FoundKey, now: datetime) -> None:
        """Write that the key was used now, in a thread, unless that was written within the last minute."""
        last = max(filter(None, (key.last_used_at, self._noted.get(key.prefix))), default=None)
        if last is not None and now - last < USE_INTERVAL:
            return
        self._noted[key.prefix] = now
        threading.Thread(target=self._write, args=(key.prefix, now), name="key use", daemon=True).start()

    def _write(self, prefix: str, now: datetime) -> None:
        try:
            with write(self._engine) as connection:
                note_use(connection, prefix, now)
        except UNAVAILABLE as error:
            log.info("use of a key not written", extra={"error": type(error).__name__})
