"""The Socket.IO client of the tests: it handles what comes in the order in which it comes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import engineio
import socketio


class _InOrder(engineio.Client):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._messages = ThreadPoolExecutor(1)

    def _trigger_event(self, event: str, *args: Any, run_async: bool = False, **options: Any) -> Any:
        if run_async:
            return self._messages.submit(super()._trigger_event, event, *args, **options)
        return super()._trigger_event(event, *args, **options)


class SocketClient(socketio.Client):
    """The library's client starts a thread for each message, and threads overtake one another; this one has one.

    Not the thread that reads, so that a connection can be closed by what it brings. A handler must not `call`.
    """

    def _engineio_client_class(self) -> type[engineio.Client]:
        return _InOrder
