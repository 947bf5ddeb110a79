"""Files through the web process as it runs in production: whole, in little memory, and at nobody else's cost."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
import requests

from tests.chat import group
from tests.factories import create_installation, create_settings, create_token, create_users
from tests.web.test_gunicorn import Served, serving

# What happens to the bytes has nothing to do with the database.
pytestmark = [pytest.mark.slow, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]

TALK = "/v1/conversations/talk/attachments"
CONTENT = os.urandom(1024 * 1024) * 24


@pytest.fixture(params=["gevent", "threading"])
def served(
    request: Any, engine: Any, database_url: str, redis_server: str, tenant: str, tmp_path: Any
) -> Iterator[Served]:
    create_users(engine, ["alice"])
    group(create_installation(engine), "alice", id="talk")
    settings = create_settings(tmp_path)
    token = create_token(settings)
    environ = {"CARILLON_JWKS_FILE": str(settings.jwks_file), "CARILLON_ATTACHMENTS_URL": settings.attachments_url}
    with serving(request.param, database_url, redis_server, token, tmp_path, **environ) as one:
        yield one


def reached(one: Served, url: str) -> str:
    """The URL on the port of this test."""
    return one.url + urlsplit(url).path


def ticket(one: Served, content: bytes) -> dict[str, Any]:
    document = {"name": "a.bin", "size": len(content), "type": "application/octet-stream"}
    answer = one.ask("POST", TALK, json=document | {"sha256": hashlib.sha256(content).hexdigest()})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def memory(one: Served) -> int:
    return max(child.memory_info().rss for child in psutil.Process(one.process.pid).children(recursive=True))


def test_files_go_in_and_out_whole_in_little_memory_and_hold_up_nobody(served):
    a_large_file_is_given_out_as_it_came(served)
    a_slow_body_holds_up_nobody(served)
    assert served.stop() == 0


def a_large_file_is_given_out_as_it_came(served: Served) -> None:
    made = ticket(served, CONTENT)
    before, slowest, ended = memory(served), 0.0, threading.Event()

    def ask() -> None:
        nonlocal slowest
        while not ended.is_set():
            began = time.monotonic()
            assert served.ask("GET", "/healthz").status_code == 200
            slowest = max(slowest, time.monotonic() - began)

    other = threading.Thread(target=ask)
    other.start()
    try:
        url = reached(served, made["upload"]["url"])
        assert requests.put(url, data=CONTENT, headers=made["upload"]["headers"], timeout=60).status_code == 204
        assert served.ask("POST", f"{TALK}/{made['id']}/complete").json()["state"] == "ready"
        found = served.ask("GET", f"{TALK}/{made['id']}").json()
        assert requests.get(reached(served, found["download"]["url"]), timeout=60).content == CONTENT
    finally:
        ended.set()
        other.join()
    assert memory(served) - before < len(CONTENT) / 2
    assert slowest < 5


def a_slow_body_holds_up_nobody(served: Served) -> None:
    made = ticket(served, CONTENT)
    url = urlsplit(reached(served, made["upload"]["url"]))
    with socket.create_connection((url.hostname, url.port), timeout=20) as slow:
        head = f"PUT {url.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(CONTENT)}\r\n\r\n"
        slow.sendall(head.encode() + CONTENT[:1000])
        with socket.create_connection((url.hostname, url.port), timeout=20) as stranger:
            # Without a signed URL the body is not waited for.
            stranger.sendall(head.replace(url.path, "/attachments/nothing").encode())
            assert b" 403 " in stranger.recv(4096).partition(b"\r\n")[0]
        assert served.ask("GET", "/healthz").status_code == 200
        # The second is refused while the first is on its way, and taken when that has gone.
        again = requests.put(url.geturl(), data=CONTENT, timeout=60)
        assert (again.status_code, again.json()["code"]) == (409, "upload_in_progress")
    end = time.monotonic() + 20
    while (again := requests.put(url.geturl(), data=CONTENT, timeout=60)).status_code == 409:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert again.status_code == 204
    folder = served.log.parent / "attachments" / "acme"
    assert {path.suffix for path in folder.iterdir()} == {""}
    assert (folder / made["id"]).read_bytes() == CONTENT
    log = served.log.read_text()
    assert url.path not in log
