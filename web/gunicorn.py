"""gunicorn -c web/gunicorn.py 'web.app:create_app()': one process per port, with thousands of connections.

To listen on another address, use -b on the command line. It overrides this file.
"""

from __future__ import annotations

import gc
import resource
import sys
import threading
import time
from pathlib import Path
from typing import Any

# The checkout is not on the path, because gunicorn is started by its own script.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gunicorn import util  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from config.logging_setup import configure_logging
from config.settings import Settings, SettingsError

try:
    _settings = Settings.from_env()
except SettingsError as error:
    # Print the list of errors. gunicorn would print a traceback.
    sys.exit(str(error))

_host = "127.0.0.1" if _settings.env == "development" else "0.0.0.0"
bind = f"{_host}:{_settings.port}"

# Must be 1, because Flask-SocketIO keeps connections in the process. To scale out, run more processes behind a load
# balancer.
workers = 1
if _settings.socketio_async_mode == "gevent":
    worker_class = "web.gevent_worker.Worker"
else:
    worker_class = "gthread"
    # Each open WebSocket occupies a thread.
    threads = 100

# gunicorn's default of 1000 would limit the number of open sockets. Files, databases and Redis need descriptors too.
_hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (_hard, _hard))
worker_connections = 10_000 if _hard == resource.RLIM_INFINITY else min(10_000, _hard - 200)

# A request that waits for SQLite's write lock can block the process for 10 s. gunicorn must not kill it for that.
timeout = 60
# Longer than any request, and shorter than the 30 s after which orchestrators send SIGKILL.
graceful_timeout = 20
# Longer than the idle timeout of common load balancers (60 s). So they close idle connections first, and never send a
# request over a connection that is already closed.
keepalive = 75

# The most that gunicorn allows. Its default is 4,094, and a URL can hold a cursor and several ids.
limit_request_line = 8190

# web/middleware.py writes the access log.
accesslog = None
# In memory, because the worker's heartbeat must not wait for a disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - gunicorn makes its own private file
control_socket_disable = True


def post_worker_init(worker: Any) -> None:
    """Called when the application is loaded in the worker process."""
    # Imported here, because the worker must patch modules (gevent) before they are loaded.
    from web.problems import write_problem
    from web.realtime import listen

    # gunicorn answers with HTML what it does not pass to the application.
    util.write_error = write_problem

    # What is loaded by now stays. To look through it costs a tenth of a second, again and again.
    gc.collect()
    gc.freeze()
    listen(worker.wsgi)
    # A process without connections and requests is counted too.
    worker.wsgi.extensions["carillon"].counters.start()
    if worker_class == "gthread":
        threading.Thread(target=_stop_with, args=[worker], daemon=True).start()


def _stop_with(worker: Any) -> None:
    # This worker has no hook for SIGTERM, and would wait for open WebSockets until it is killed.
    from web.realtime import stop

    while worker.alive:
        time.sleep(0.5)
    stop(worker.wsgi)


class JsonLogger(Logger):  # type: ignore[misc]
    """Sends gunicorn's own log records to the application's handlers, in the master and in workers."""

    def setup(self, cfg: Any) -> None:
        """Called before the first record is logged, and again on SIGHUP."""
        super().setup(cfg)
        configure_logging(_settings.log_level)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


logger_class = JsonLogger
