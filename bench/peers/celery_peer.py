"""How a Python program would do it: one Celery task per recipient, which stores the notification and emits it.

`celery -A bench.peers.celery_peer worker` runs the tasks; `python -m bench.peers.celery_peer PORT` serves the clients.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Any

from celery import Celery

REDIS = os.environ["REDIS_URL"]
app = Celery("peer", broker=REDIS)
app.conf.update(broker_url=REDIS, task_ignore_result=True, worker_prefetch_multiplier=64)


@cache
def _connection() -> Any:
    import psycopg

    return psycopg.connect(os.environ["PEER_DATABASE"], autocommit=True)


@cache
def _emitter() -> Any:
    from flask_socketio import SocketIO

    return SocketIO(message_queue=REDIS)


@app.task(name="notify")
def notify(user: str, content: dict[str, Any]) -> None:
    """Notify one recipient."""
    from psycopg.types.json import Jsonb

    _connection().execute(
        "INSERT INTO peer_notifications (user_name, title, message, data, sent_at) VALUES (%s, %s, %s, %s, now())",
        (user, content["title"], content["message"], Jsonb(content["data"])),
    )
    _emitter().emit("news", content, to=f"user:{user}")


def serve(port: int) -> None:
    """Serve Socket.IO clients with Flask-SocketIO on gevent."""
    from gevent import monkey

    monkey.patch_all()
    from flask import Flask
    from flask_socketio import SocketIO, join_room

    flask = Flask("peer")
    socketio = SocketIO(flask, message_queue=REDIS, async_mode="gevent", cors_allowed_origins="*")

    @socketio.on("connect")
    def _connect(auth: dict[str, str]) -> None:
        join_room(f"user:{auth['user']}")

    from gevent.pywsgi import WSGIServer

    server = WSGIServer(("127.0.0.1", port), flask, log=None)
    server.start()
    print(f'{{"port": {server.server_port}}}', flush=True)
    server.serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
