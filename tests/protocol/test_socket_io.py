"""Socket.IO, version 5: its text (github.com/socketio/socket.io-protocol) and the cases of its test suite."""

from __future__ import annotations

import pytest

from tests.protocol.conftest import Server
from tests.protocol.wire import Session

pytestmark = pytest.mark.slow


def test_a_client_connects_to_the_main_namespace(server: Server):
    Session(server)


def test_a_client_connects_to_another_namespace(server: Server):
    assert Session(server, greet=False).connect("/notification,").startswith('40/notification,{"sid":')


def test_a_client_does_not_connect_to_an_unknown_namespace(server: Server):
    assert Session(server, greet=False).connect("/random,").startswith("44/random,")


def test_a_connection_without_a_handshake_ends(server: Server):
    assert Session(server, greet=False).ends()


def test_a_client_leaves_the_main_namespace(server: Server):
    session = Session(server)
    session.socket.send("41")
    # Pings go on.
    while session.socket.recv() != "2":
        pass


def test_a_client_leaves_another_namespace_and_stays_in_the_main_one(server: Server):
    session = Session(server)
    session.connect("/notification,")
    session.socket.send("41/notification,")
    session.socket.send('427["test",1]')
    assert session.next("437") == '437[{"ok":true,"received":1}]'


def test_an_event_is_answered_by_its_number(server: Server):
    session = Session(server)
    for number, data in (("456", '{"3":[false]}'), ("0", '"2"'), ("1" * 20, "null")):
        session.socket.send(f'42{number}["test",{data}]')
        assert session.next("43") == f'43{number}[{{"ok":true,"received":{data}}}]'


def test_an_event_with_binary_attachments_is_answered_by_its_number(server: Server):
    session = Session(server)
    session.socket.send('452-789["test",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
    session.socket.send_binary(b"\x01\x02\x03")
    session.socket.send_binary(b"\x04")
    assert "789[" in session.next("43", "46")
    session.socket.send('427["test",1]')
    assert session.next("437") == '437[{"ok":true,"received":1}]'


MALFORMED: list[str | bytes] = ["4abc", "42{}", "42", '42["connect"]', '42["*"]', '42abc["test",1]', "43[]", "44", "49"]
MALFORMED += [b"\x01", '42/none,["test"]', '451-["test"]']


def test_a_malformed_packet_ends_the_connection(server: Server):
    for message in MALFORMED:
        session = Session(server)
        session.send(message)
        # Text in place of the attachment that the last one has announced.
        session.send("42[]")
        assert session.ends(), message


def test_a_malformed_handshake_ends_the_connection(server: Server):
    # The last one is what a client with msgpack sends first.
    for message in ("4abc", '42["test",1]', b"\x83\xa4type\x00"):
        session = Session(server, greet=False)
        session.send(message)
        assert session.ends(), message
