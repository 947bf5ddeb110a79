"""`python -m lab.up`: runs all of Carillon on one machine, with stand-ins for external services, until Ctrl-C."""

from __future__ import annotations

import os
import shlex
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from alembic import command
from alembic.config import Config
from honcho.environ import parse_procfile
from redis import Redis, RedisError

from config.settings import Settings, SettingsError
from lab import demo
from lab.environment import FLOWER_USER, CannotStart, Ports, Var, environment, ports, write_dev_env
from lab.processes import Printer, Processes
from lab.redis import NOT_FOUND, find_server
from models.sql.engine import connect
from web.demo import PEOPLE

PROCFILE = Path("Procfile.dev")
# Seconds to wait until everything is ready. Slow machines need far less; if it takes longer, the output says why.
READY_TIMEOUT = 90.0


def main() -> int:
    """Run until Ctrl-C, SIGTERM, or the end of any process."""
    # Of every process that is started: the database, the schedule and what Redis keeps are nobody else's to read.
    os.umask(0o077)
    printer = Printer()
    try:
        var = Var(os.environ)
        chosen = ports(os.environ)
        environ = environment(os.environ, var, chosen)
        settings = Settings.from_env(environ)
        _check_redis(chosen, settings)
        key = _prepare_database(settings)
    except (CannotStart, SettingsError) as error:
        print(f"make run: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 1
    write_dev_env(var.path, environ)

    def print_welcome() -> None:
        if _wait_until_ready(chosen, printer):
            printer.say(_welcome(chosen, var, key))

    processes = Processes(printer, print_welcome)
    for name, line in parse_procfile(PROCFILE.read_text()).processes.items():
        if name != "redis" or chosen.redis is not None:
            processes.add_process(name, line, env=environ)
    processes.loop()
    return 0 if processes.stopped_by_signal else 1


def _check_redis(chosen: Ports, settings: Settings) -> None:
    if chosen.redis is not None:
        if find_server() is None:
            raise CannotStart(NOT_FOUND)
        return
    try:
        with Redis.from_url(settings.redis_url, socket_connect_timeout=2, socket_timeout=2) as client:
            client.ping()
    except (RedisError, ValueError) as error:
        raise CannotStart(f"REDIS_URL: {error}") from None


def _prepare_database(settings: Settings) -> str:
    """Upgrade the schema and create the demo tenant. Returns its API key."""
    engine = connect(settings.database_url)
    try:
        config = Config("alembic.ini")
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        return demo.prepare(engine, settings.var / "demo-keys.json", datetime.now(UTC))
    finally:
        engine.dispose()


def _wait_until_ready(chosen: Ports, printer: Printer) -> bool:
    waiting = {
        "the API": f"http://127.0.0.1:{chosen.web}/readyz",
        "the lab": f"http://127.0.0.1:{chosen.lab}/faults",
        "Flower": f"http://127.0.0.1:{chosen.flower}/healthcheck",
    }
    end = time.monotonic() + READY_TIMEOUT
    while time.monotonic() < end:
        waiting = {name: url for name, url in waiting.items() if not _answers(url)}
        if not waiting:
            return True
        time.sleep(0.1)
    printer.say(f"\n{' and '.join(waiting)} did not become ready within {READY_TIMEOUT:g} s.\n")
    return False


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5):  # noqa: S310 - our own URL
            return True
    except (URLError, OSError):
        return False


def _welcome(chosen: Ports, var: Var, key: str) -> str:
    api = f"http://127.0.0.1:{chosen.web}"
    is_default = var.path == Path("var").resolve()
    token = f"make token USER={PEOPLE[0]}" + ("" if is_default else f" CARILLON_VAR={shlex.quote(str(var.path))}")
    return f"""
Carillon is ready.

  Inbox    {api}, a demo of a user's page
  Console  {api}/console, for operators
  API      {api}/v1, documented at {api}/docs
  Lab      http://127.0.0.1:{chosen.lab}, shows what arrives at phones and mailboxes
  Flower   http://127.0.0.1:{chosen.flower}, user {FLOWER_USER}, password {var.flower_password()}
  Data     {var.path}; delete it to start over
  Stop     Ctrl-C

To notify {PEOPLE[0]}, run this in another terminal:

{demo.curl(api, key)}

To print a token for {PEOPLE[0]}: {token}
"""


if __name__ == "__main__":
    sys.exit(main())
