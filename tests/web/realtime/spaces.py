"""A page as clients of several namespaces open it: one connection, a session in each namespace."""

from __future__ import annotations

from typing import Any

from tests.sockets import SocketClient
from tests.waiting import eventually
from tests.web.realtime.stack import Stack


class Spaces:
    """What one connection hears, namespace by namespace."""

    def __init__(self, stack: Stack, *namespaces: str, user: str = "alice", **auth: Any) -> None:
        self.heard: dict[str, list[tuple[str, Any]]] = {namespace: [] for namespace in namespaces}
        self.sio = SocketClient(reconnection=False, websocket_extra_options={"suppress_origin": True})
        for namespace in namespaces:
            self.sio.on("*", self._hear(namespace), namespace=namespace)
        auth = {"token": stack.token(user), **auth}
        self.sio.connect(
            stack.web.url, auth=auth, transports=["websocket"], namespaces=[*namespaces], wait=True, wait_timeout=10
        )
        for namespace in namespaces:
            eventually(lambda namespace=namespace: self.all(namespace, "session:ready"))

    def _hear(self, namespace: str) -> Any:
        return lambda event, payload=None: self.heard[namespace].append((event, payload))

    def all(self, namespace: str, event: str) -> list[Any]:
        return [payload for name, payload in list(self.heard[namespace]) if name == event]

    def names(self, namespace: str) -> list[str]:
        """The events of the log, by name and in order."""
        return [name for name, data in list(self.heard[namespace]) if isinstance(data, dict) and "room" in data]

    def call(self, namespace: str, event: str, payload: Any = None) -> Any:
        return self.sio.call(event, payload, namespace=namespace, timeout=10)

    def close(self) -> None:
        self.sio.disconnect()
        self.sio.shutdown()
