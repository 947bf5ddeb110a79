"""Benchmark of push: Carillon's channel compared with firebase-admin, against the same stand-in for FCM."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import firebase_admin
from firebase_admin import credentials, messaging
from google.oauth2.credentials import Credentials

from bench.processes import node
from bench.report import Line, Result
from bus.adaptive_rate import AdaptiveRate
from channels.fcm.channel import FcmChannel
from channels.fcm.credentials import AccessToken
from lab.certificate import Certificate
from models.channels import CHANNELS
from models.deliveries.lifecycle import Sent
from models.deliveries.message import Action, Message
from models.notifications.content import Content

MESSAGES = 20_000
# The SDK's maximum for one call, and the number of deliveries that a worker claims at once.
BATCH = CHANNELS["push"].batch_size
# The push worker has this many threads (Procfile).
THREADS = 4
TITLE, BODY = "Backup finished", "All 3 volumes were saved."


def push() -> Result:
    """Send 20,000 messages to as many devices."""
    with _stand_in() as ports:
        lines = [
            _measure("firebase_admin.messaging.send_each", lambda: _send_each(ports["h1"])),
            _measure("firebase_admin.messaging.send_each_async", lambda: _send_each_async(ports["h2"])),
            _measure("Carillon, one thread", lambda: _send_with_carillon(ports["h2"], 1)),
            _measure(
                f"Carillon, {THREADS} threads as in the Procfile", lambda: _send_with_carillon(ports["h2"], THREADS)
            ),
        ]
    return Result(
        name="push",
        title=f"{MESSAGES:,} messages to FCM, {BATCH} at a time",
        unit="messages/s",
        lines=lines,
        aims=["at least 12 times send_each", "above 10,000/s, FCM's default quota for a project"],
        versions={"firebase-admin": firebase_admin.__version__},
    )


def _measure(name: str, send: Callable[[], int]) -> Line:
    began, cpu = time.perf_counter(), time.process_time()
    accepted = send()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    if accepted != MESSAGES:
        raise RuntimeError(f"{name}: only {accepted} of {MESSAGES} messages were accepted")
    return Line(name, MESSAGES / seconds, {"µs CPU each": cpu / MESSAGES * 1e6}, ours=name.startswith("Carillon"))


@contextmanager
def _stand_in() -> Iterator[dict[str, int]]:
    certificate = Certificate()
    with tempfile.TemporaryDirectory() as folder:
        key_and_certificate, ca_file = Path(folder, "both.pem"), Path(folder, "ca.pem")
        ca_file.write_text(certificate.pem)
        certificate.write(key_and_certificate)
        os.environ["REQUESTS_CA_BUNDLE"] = os.environ["SSL_CERT_FILE"] = str(ca_file)
        with node("fcm.mjs", str(key_and_certificate)) as server:
            yield server.read()


class _SdkCredentials(credentials.Base):  # type: ignore[misc]
    """A constant token for the SDK, so that fetching one is not measured."""

    def get_credential(self) -> Any:
        return Credentials("a-token")  # type: ignore[no-untyped-call]


class _ConstantToken:
    """The same for Carillon's channel, in place of AccessTokens."""

    def get(self) -> AccessToken:
        return AccessToken("bench", "a-token")


def _sdk(port: int) -> firebase_admin.App:
    # The app is never deleted. Deleting it fails: the SDK closes its asynchronous client in another event loop.
    messaging._MessagingService.FCM_URL = f"https://localhost:{port}/v1/projects/{{0}}/messages:send"
    return firebase_admin.initialize_app(_SdkCredentials(), {"projectId": "bench"}, name=f"bench-{port}")


def _sdk_batch(first: int) -> list[messaging.Message]:
    return [
        messaging.Message(token=_token(i), notification=messaging.Notification(TITLE, BODY), data={"n": str(i)})
        for i in range(first, first + BATCH)
    ]


def _send_each(port: int) -> int:
    app = _sdk(port)
    return sum(messaging.send_each(_sdk_batch(i), app=app).success_count for i in range(0, MESSAGES, BATCH))


def _send_each_async(port: int) -> int:
    async def send() -> int:
        app, sent = _sdk(port), 0
        for first in range(0, MESSAGES, BATCH):
            sent += (await messaging.send_each_async(_sdk_batch(first), app=app)).success_count
        return sent

    return asyncio.run(send())


def _send_with_carillon(port: int, threads: int) -> int:
    url = f"https://localhost:{port}/v1/projects/{{0}}/messages:send"
    # No rate limit, because the SDK has none: without Redis, AdaptiveRate lets everything through. Hide the warning.
    logging.getLogger("bus.adaptive_rate").setLevel(logging.ERROR)
    rate_limit = AdaptiveRate("redis://127.0.0.1:1/0", 1e6, 0)
    ca_file = os.environ["SSL_CERT_FILE"]
    channel = FcmChannel(_ConstantToken(), url, 10, rate_limit, ca_file=ca_file)  # type: ignore[arg-type]
    now = datetime.now(UTC)
    content = Content(
        notification_id="019a9b3e-7c1d-7000-8000-0123456789ab", tenant="acme", title=TITLE, message=BODY, data={},
        level="info", priority="normal", category=None, type="backup.finished", collapse_key=None, reference=None,
        url=None, created_at=now, expires_at=now + timedelta(days=1),
    )  # fmt: skip
    firsts = iter(range(0, MESSAGES, BATCH))
    lock = threading.Lock()
    accepted: list[int] = []

    def work() -> None:
        while True:
            with lock:
                first = next(firsts, None)
            if first is None:
                return
            batch = [
                Message(i, 1, Action.SHOW, content, f"user-{i}", _token(i), "token", seq=i)
                for i in range(first, first + BATCH)
            ]
            accepted.append(sum(isinstance(outcome, Sent) for outcome in channel.send(batch)))

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    channel.close()
    return sum(accepted)


def _token(number: int) -> str:
    # The length of a real registration token.
    return f"{number:08d}:APA91b" + "x" * 134
