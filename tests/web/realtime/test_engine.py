"""What the transport offers, and what is written down of every connection."""

from __future__ import annotations

import json

import pytest
import requests

from tests.waiting import eventually
from tests.web.realtime.stack import Stack

pytestmark = pytest.mark.slow


def test_the_handshake_offers_websocket_and_pings_as_clients_know_them(stack: Stack):
    answer = requests.get(f"{stack.web.url}/socket.io/?EIO=4&transport=polling", timeout=5).text
    offered = json.loads(answer.removeprefix("0"))
    assert (offered["pingInterval"], offered["pingTimeout"], offered["upgrades"]) == (25_000, 60_000, ["websocket"])


def test_large_answers_to_polls_are_compressed(stack: Stack):
    page, url = requests.Session(), f"{stack.web.url}/socket.io/?EIO=4&transport=polling"
    url += "&sid=" + json.loads(page.get(url, timeout=5).text.removeprefix("0"))["sid"]
    page.post(url, data=f'40{{"token":"{stack.token()}","dialect":"canonical"}}', timeout=5)
    heard = page.get(url, timeout=5).text
    while "session:ready" not in heard:
        heard = page.get(url, timeout=5).text
    stack.notify(message="A long message. " * 200)
    while "notification:new" not in heard:
        answer = page.get(url, timeout=5)
        heard = answer.text
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(heard) > 1000


def test_every_connection_is_counted_and_logged_from_its_beginning_to_its_end(stack: Stack):
    client = stack.client("somebody-private")
    sid = client.sio.get_sid()
    assert stack.web.metric("carillon_socket_connections") >= 1
    # Its own room and the tenant's.
    assert stack.web.metric("carillon_socket_room_members") >= 2
    assert stack.web.metric("carillon_socket_rooms") >= 2
    members = stack.web.metric("carillon_socket_room_members")
    client.sio.disconnect()

    def lines() -> dict[str, dict[str, object]]:
        logged = [json.loads(line) for line in stack.web.log().splitlines() if line.startswith("{")]
        return {line["message"]: line for line in logged if line.get("session") == sid and line["level"] == "INFO"}

    found = eventually(lambda: lines() if "disconnected" in lines() else None)
    assert stack.web.metric("carillon_socket_room_members") == members - 2
    assert found["connected"]["namespace"] == "/"
    assert found["disconnected"]["reason"] in ("client disconnect", "transport close")
    assert "somebody-private" not in json.dumps(found)
