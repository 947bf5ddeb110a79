"""A server of python-socketio without anything of ours, to compare with."""

from __future__ import annotations

import os
from typing import Any

import socketio

_server = socketio.Server(
    async_mode="gevent",
    ping_interval=int(os.environ["SOCKETIO_PING_INTERVAL"]),
    ping_timeout=int(os.environ["SOCKETIO_PING_TIMEOUT"]),
    max_http_buffer_size=64 * 1024,
)


def _connect(_sid: str, _environ: Any, _auth: Any = None) -> None:
    return


def _echo(_event: str, _sid: str, *data: Any) -> Any:
    return {"ok": True, "received": data[0] if data else None}


for _namespace in ("/", "/notification"):
    _server.on("connect", _connect, namespace=_namespace)
    _server.on("*", _echo, namespace=_namespace)

application = socketio.WSGIApp(_server)
