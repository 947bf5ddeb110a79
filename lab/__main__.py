"""`python -m lab`: runs stand-ins for FCM, its token endpoint and a mail server, and the lab's page.

It stops on SIGTERM or SIGINT.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping

from aiohttp import web

from lab.admin import Admin
from lab.certificate import Certificate
from lab.fcm import Fcm
from lab.journal import Journal
from lab.oauth import Oauth
from lab.own_pages import own_pages
from lab.pages import Pages
from lab.script import Script
from lab.smtp import server
from lab.wire import problems

DEFAULT_PORT = 8025
# Room for a batch of 1,000 in-app messages of the maximum size.
MAX_REQUEST = 32 * 1024 * 1024
# Large, because a load test opens all its connections at once.
BACKLOG = 1024


class CannotStart(Exception):
    """The lab cannot start. The message says why."""


def application(journal: Journal, script: Script, certificate: Certificate) -> web.Application:
    """Return the application with all HTTP endpoints."""
    oauth = Oauth(script, time.monotonic)
    app = web.Application(middlewares=[own_pages, problems], client_max_size=MAX_REQUEST)
    for part in (Fcm(journal, script, oauth), oauth, Admin(journal, script), Pages(certificate)):
        app.add_routes(part.routes())
    return app


def ports(environ: Mapping[str, str]) -> tuple[int, int]:
    """Return the HTTP port and the SMTP port from the environment. 0 means any free port. Raises CannotStart."""
    http = _port(environ, "LAB_PORT", DEFAULT_PORT)
    return http, _port(environ, "LAB_SMTP_PORT", http + 1 if http else 0)


def _port(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise CannotStart(f"{name} must be a port, 0 to 65535, not {text!r}")
    return int(text)


async def run(host: str, http_port: int, smtp_port: int) -> None:
    """Serve until a signal arrives. Once all ports are open, print their addresses as one line of JSON."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # aiosmtpd logs a traceback when a client does not trust the certificate, and a warning at every login. A bug is
    # still visible: the client gets a 500 reply.
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)
    journal, script, certificate = Journal(), Script(time.monotonic), Certificate()
    # A short timeout, so that messages with the `slow` fault do not delay the shutdown.
    runner = web.AppRunner(application(journal, script, certificate), access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    tls = certificate.context()
    try:
        await web.TCPSite(runner, host, http_port, backlog=BACKLOG).start()
    except OSError as error:
        await runner.cleanup()
        raise _cannot_listen(host, http_port, error) from error
    try:
        mail = await loop.create_server(lambda: server(journal, script, tls, loop), host, smtp_port, backlog=BACKLOG)
    except OSError as error:
        await runner.cleanup()
        raise _cannot_listen(host, smtp_port, error) from error
    name = f"[{host}]" if ":" in host else host
    http = f"http://{name}:{runner.addresses[0][1]}"
    smtp = f"{name}:{mail.sockets[0].getsockname()[1]}"
    print(json.dumps({"lab": "ready", "http": http, "smtp": smtp}), flush=True)
    await stop.wait()
    mail.close()
    await runner.cleanup()


def _cannot_listen(host: str, port: int, error: OSError) -> CannotStart:
    return CannotStart(f"cannot listen on {host} port {port}: {os.strerror(error.errno or 0)}")


def main() -> int:
    """Run the lab. If it cannot start, print why in one line."""
    try:
        http, smtp = ports(os.environ)
        asyncio.run(run(os.environ.get("LAB_HOST") or "127.0.0.1", http, smtp))
    except CannotStart as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
