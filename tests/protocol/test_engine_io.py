"""Engine.IO, version 4: its text (github.com/socketio/engine.io-protocol) and the cases of its test suite."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
import websocket

from tests.protocol.conftest import PING_INTERVAL, PING_TIMEOUT, Server
from tests.protocol.wire import Polling, Session, open_websocket

pytestmark = pytest.mark.slow

MEMBERS = {"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"}


def status(server: Server, query: str, method: str = "GET") -> int:
    return requests.request(method, f"{server.url}/socket.io/?{query}", timeout=5).status_code


def refused(server: Server, query: str) -> bool:
    try:
        open_websocket(server, query)
    except websocket.WebSocketBadStatusException as error:
        return error.status_code == 400
    return False


# Handshake


def test_a_session_is_opened_by_polling(server: Server):
    opened = Polling(server).opened
    assert opened.keys() == MEMBERS
    assert (opened["upgrades"], opened["pingInterval"]) == (["websocket"], PING_INTERVAL * 1000)
    assert (opened["pingTimeout"], opened["maxPayload"]) == (PING_TIMEOUT * 1000, 65_536)


def test_a_session_is_opened_by_websocket(server: Server):
    connection = open_websocket(server)
    message = connection.recv()
    assert message[0] == "0"
    opened = json.loads(message[1:])
    assert (opened.keys(), opened["upgrades"]) == (MEMBERS, [])
    connection.close()


@pytest.mark.parametrize("version", ["", "EIO=abc&", "EIO=3&"])
def test_another_version_is_refused(server: Server, version: str):
    assert status(server, f"{version}transport=polling") == 400
    assert refused(server, f"{version}transport=websocket")


def test_an_unknown_transport_is_refused(server: Server):
    assert status(server, "EIO=4&transport=abc") == 400


def test_a_missing_transport_is_refused(server: Server):
    assert status(server, "EIO=4") == 400


def test_a_session_is_not_opened_by_post(server: Server):
    assert status(server, "EIO=4&transport=polling", "POST") == 400


def test_other_methods_are_refused(server: Server):
    assert status(server, "EIO=4&transport=polling", "PUT") == 400


# Messages


def test_a_request_with_packets_is_answered_with_ok(server: Server):
    answer = Polling(server).post("40")
    assert (answer.status_code, answer.text) == (200, "ok")


def test_a_request_with_anything_else_ends_the_session(server: Server):
    for body in ("abc", "", "7", "2probe", "6", "5", "0", "40\x1eabc", b"\xff", "b*", "d=4"):
        polling = Polling(server)
        assert polling.post(body).status_code == 400, body
        assert polling.get().status_code == 400, body


def test_a_request_that_is_too_large_ends_the_session(server: Server):
    polling = Polling(server)
    assert polling.post("4" + "x" * 65_536).status_code in (400, 413)
    assert polling.get().status_code == 400


def test_two_polls_at_a_time_end_the_session(server: Server):
    polling = Polling(server)
    with ThreadPoolExecutor() as threads:
        first = threads.submit(polling.get)
        time.sleep(0.2)
        assert polling.get().status_code == 400
        assert (first.result().status_code, first.result().text) == (200, "1")
    assert polling.get().status_code == 400


def test_a_message_that_is_not_a_packet_ends_the_websocket(server: Server):
    connection = open_websocket(server)
    connection.recv()
    connection.send("abc")
    while connection.recv() not in ("", "1"):
        pass


# Heartbeat


def test_polls_bring_pings(server: Server):
    polling = Polling(server)
    polling.connect()
    assert polling.until(2, "2") == ["2", "2"]


def test_without_pongs_a_polled_session_ends(server: Server):
    polling = Polling(server)
    time.sleep(PING_INTERVAL + 2 * PING_TIMEOUT + 0.5)
    assert polling.get().status_code == 400


def test_a_websocket_brings_pings(server: Server):
    session = Session(server)
    assert [session.next("2") for _ in range(2)] == ["2", "2"]
    session.socket.close()


def test_without_pongs_a_websocket_ends(server: Server):
    connection = open_websocket(server)
    connection.recv()
    assert connection.recv() == "2"
    assert connection.recv() in ("", "1")


# Close


def test_a_close_packet_ends_a_polled_session_and_its_poll(server: Server):
    polling = Polling(server)
    with ThreadPoolExecutor() as threads:
        poll = threads.submit(polling.get)
        time.sleep(0.2)
        assert polling.post("1").status_code == 200
        assert (poll.result().status_code, poll.result().text) == (200, "6")
    assert polling.get().status_code == 400


def test_a_close_packet_ends_a_websocket(server: Server):
    connection = open_websocket(server)
    connection.recv()
    connection.send("1")
    assert connection.recv() == ""


# Upgrade


def probed(server: Server, polling: Polling) -> websocket.WebSocket:
    connection = open_websocket(server, f"EIO=4&transport=websocket&sid={polling.opened['sid']}")
    connection.send("2probe")
    assert connection.recv() == "3probe"
    return connection


def test_a_polled_session_moves_to_a_websocket(server: Server):
    polling = Polling(server)
    connection = probed(server, polling)
    # A packet that does nothing ends the poll.
    assert polling.get().text == "6"
    connection.send("5")
    # The packet that ended the poll may come once more.
    while connection.recv() == "6":
        pass
    connection.close()


def test_after_that_it_takes_neither_polls_nor_another_websocket(server: Server):
    polling = Polling(server)
    connection = probed(server, polling)
    connection.send("5")
    time.sleep(0.1)
    assert polling.get().status_code == 400
    assert polling.post("3").status_code == 400
    assert refused(server, f"EIO=4&transport=websocket&sid={polling.opened['sid']}")
    while connection.recv() != "2":
        pass
    connection.close()
