"""Messages to one open connection: heard by it alone, and never across tenants."""

from __future__ import annotations

from bus.presence import Leases
from models.catalogue.source import built_in, connection_events
from tests.waiting import eventually
from tests.web.realtime.spaces import Spaces
from tests.web.realtime.stack import Stack
from web.asyncapi import document

TEXT = {"text": "only here"}


def test_a_message_reaches_the_named_connection_and_no_other(stack: Stack) -> None:
    phone, page = stack.client(), stack.client()
    mine = phone.sio.get_sid()
    stack.writer.send_direct(stack.tenant, mine, TEXT)
    assert eventually(lambda: phone.all("direct_message")) == [TEXT]
    assert page.call("notification:unread_count")
    assert page.all("direct_message") == []


def test_every_connection_that_is_listed_can_be_reached(stack: Stack) -> None:
    client = stack.client()
    leases = Leases(stack.settings.redis_url, stack.settings.bus_topic)
    [listed] = eventually(lambda: leases.connections(stack.tenant, "alice"))
    stack.writer.send_direct(stack.tenant, listed, TEXT)
    assert eventually(lambda: client.all("direct_message")) == [TEXT]


def test_a_service_does_not_reach_connections_of_another_tenant(stack: Stack) -> None:
    client = stack.client()
    for connection in (client.sio.get_sid(), client.sio.sid):
        stack.writer.send_direct("acme", connection, TEXT)
    # What is sent after it arrives after it.
    stack.writer.send_direct(stack.tenant, client.sio.get_sid(), TEXT)
    assert eventually(lambda: client.all("direct_message")) == [TEXT]


def test_what_a_session_hears_in_any_namespace_is_in_the_document(stack: Stack) -> None:
    # Of two other dialects, and the root.
    spaces = Spaces(stack, "/", "/orders", "/stream", dialect="canonical")
    for space, channel in (("/", "canonical"), ("/orders", "orders"), ("/stream", "stream")):
        stack.writer.send_direct(stack.tenant, spaces.sio.get_sid(space), TEXT)
        assert eventually(lambda space=space: spaces.all(space, "direct_message")) == [TEXT]
        assert spaces.call(space, "no:such")["ok"] is False
        said = document([*built_in().values(), *connection_events().values()], "https://bells.example.test/")
        known = said["components"]["messages"]
        there = said["channels"][channel]["messages"]
        listed = {message.get("name") or known[id_]["name"] for id_, message in there.items()}
        heard = {name for name, _ in spaces.heard[space]}
        assert {"direct_message", "session:ready"} <= heard <= listed
    spaces.close()
