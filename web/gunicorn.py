"""gunicorn -c web/gunicorn.py 'web.app:create_app()': one process for each port, thousands of connections in each.

Another address is given on the command line (-b), which counts before this file.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

# gunicorn is started by its script, whose directory is not that of the checkout.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from config.logging_setup import configure_logging
from config.settings import Settings, SettingsError

try:
    _settings = Settings.from_env()
except SettingsError as error:
    # The list of what is wrong, and not the traceback that gunicorn would print.
    sys.exit(str(error))

_host = "127.0.0.1" if _settings.env == "development" else "0.0.0.0"
bind = f"{_host}:{_settings.port}"

# Flask-SocketIO keeps its connections in the process: more of it means more processes behind a balancer, not workers.
workers = 1
if _settings.socketio_async_mode == "gevent":
    worker_class = "web.gevent_worker.Worker"
else:
    worker_class = "gthread"
    # A WebSocket holds its thread for as long as it is open.
    threads = 100

# gunicorn's own default of 1000 would be the limit of open sockets.
worker_connections = 10_000

# A request that waits for SQLite's write lock may hold the process for 10 s; that is no reason to kill it.
timeout = 60
# Longer than any request, shorter than the 30 s after which orchestrators send SIGKILL.
graceful_timeout = 20
# Longer than the idle time-out of common balancers (60 s), so that they close first and never write into a closed one.
keepalive = 75

# The access log is ours (web/middleware.py); /dev/shm, because a heartbeat must not wait for a disk.
accesslog = None
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - gunicorn makes its own private file
control_socket_disable = True


def post_worker_init(worker: Any) -> None:
    """The application is loaded in its own process."""
    # Imported here: the arbiter must not load what a worker patches first.
    from web.realtime import listen

    listen(worker.wsgi)


class JsonLogger(Logger):  # type: ignore[misc]
    """gunicorn's own lines go the way of all others. Workers inherit it."""

    def setup(self, cfg: Any) -> None:
        """Called before the first line is written, and again on SIGHUP."""
        super().setup(cfg)
        configure_logging(_settings.log_level)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


logger_class = JsonLogger
