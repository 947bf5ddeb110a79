"""How much one connection can send."""

from __future__ import annotations

import time
from typing import Any

from bus.token_bucket import Bucket, Limit
from web.realtime.transport.strangers import Strangers
from web.realtime.transport.wire import Malformed

# A packet costs 1, and 1 for each kilobyte of it. A handshake is two packets with a token of at most 8 kB, and a
# connection can try several (MAX_FAILED_HANDSHAKES in web/realtime/limits.py).
STRANGER = Limit(1, 100)
# More than the limits of events (web/realtime/limits.py) let through, so that those answer first.
CLIENT = Limit(200, 2_000)

# How long (seconds) a client that has sent too much is not read before its bucket is looked at again.
_PAUSE = 0.1


class Budget:
    """How much one connection can send. A stranger that sends more is disconnected; a client is read more slowly."""

    def __init__(self, strangers: Strangers, eio: Any, sid: str) -> None:
        self._strangers = strangers
        self._eio = eio
        self._sid = sid
        self._stranger = True
        self._bucket = Bucket(STRANGER, time.monotonic())

    def spend(self, packets: int, size: int) -> None:
        """Wait until so many packets, of `size` bytes together, are within the limit. Raises Malformed."""
        if self._stranger and self._sid not in self._strangers:
            self._stranger = False
            self._bucket = Bucket(CLIENT, time.monotonic())
        cost = packets + size // 1024
        while not self._bucket.take(cost, time.monotonic()):
            if self._stranger or cost > CLIENT.burst:
                raise Malformed("more than a client has a reason to send")
            self._eio.sleep(_PAUSE)
