"""Small requests pass large ones, and large ones of a tenant wait for each other."""

from __future__ import annotations

import threading
import time

from tests.web.callers import BODY
from web import turns as module
from web.limits import BYTES
from web.turns import PATIENCE, Turns


def test_large_requests_of_a_tenant_wait_for_each_other_and_not_for_those_of_others():
    turns = Turns()
    order = []
    other = threading.Event()

    def work(tenant: str) -> None:
        with turns.large(tenant):
            order.append(f"{tenant} begins")
            if tenant == "umbra":
                other.set()
            assert other.wait(20)
            order.append(f"{tenant} ends")

    threads = [threading.Thread(target=work, args=(tenant,)) for tenant in ("acme", "acme", "umbra")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [line for line in order if "acme" in line] == ["acme begins", "acme ends"] * 2
    assert order.index("umbra begins") < order.index("acme ends")


def test_a_large_request_waits_until_small_ones_have_passed(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 20)
    turns = Turns()
    turns.begin_small()
    threading.Timer(0.02, turns.end_small).start()
    began = time.monotonic()
    with turns.large("acme"):
        waited = time.monotonic() - began
    assert 0.02 <= waited < 20


def test_a_large_request_waits_for_a_moment_only():
    turns = Turns()
    turns.begin_small()
    began = time.monotonic()
    with turns.large("acme"):
        assert time.monotonic() - began >= PATIENCE


def test_no_request_is_counted_for_ever(app, service, client):
    service.send()
    service.post("/v1/notifications", BODY | {"message": "x" * BYTES})
    service.post("/v1/notifications", b"{")
    client.get("/nothing")
    client.get("/v1/notifications")
    assert app.extensions["carillon"].turns._small == 0
