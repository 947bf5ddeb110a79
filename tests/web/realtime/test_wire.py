from __future__ import annotations

import json
import math
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from socketio import packet

from models.events.log import Event
from models.events.vocabulary import notification_deleted, notification_new
from models.timestamps import iso
from tests.channels.support import content
from web.dialects.render import render
from web.realtime.transport.wire import RESERVED, Frame, Malformed, StrictJson, StrictPacket, event_packet


def test_what_is_well_formed_is_read_as_the_library_reads_it():
    for text in (
        '2["test",{"a":1}]',
        '217["test"]',
        '2/chat,["test",null]',
        "0",
        '0{"token":"x"}',
        "1",
        '0/chat,{"a":1}',
    ):
        ours, theirs = vars(StrictPacket(encoded_packet=text)), vars(packet.Packet(encoded_packet=text))
        assert ours == {**theirs, "announced": 0}, text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2",
        "2[]",
        "2{}",
        '2"x"',
        "2[1]",
        "2[null]",
        "2[[]]",
        "2[NaN]",
        '2["x",1e999]',
        "3[]",
        "4",
        "5",
        "6",
        "9",
        "x",
    ]
    + [
        "2[" + "9" * 50 + "]",
        "2" + "[" * 20000,
        '5["x"]',
        '21-["x"]',
        '511-["x"]',
        "59999999999-[]",
        "2" + "1" * 200,
    ]
    + [f'2["{name}",{{}}]' for name in sorted(RESERVED)],
)
def test_what_is_not_is_malformed(text: str):
    with pytest.raises(Malformed):
        StrictPacket(encoded_packet=text)


def test_attachments_are_announced_and_not_collected():
    read = StrictPacket(encoded_packet='52-/chat,17["x",{"_placeholder":true,"num":0}]')
    assert (read.announced, read.namespace, read.id, read.attachment_count) == (2, "/chat", 17, 0)


@given(st.text())
def test_nothing_else_is_raised(text: str):
    with suppress(Malformed):
        StrictPacket(encoded_packet=text)


def test_json_is_json():
    for text in ("NaN", "-Infinity", "[1e400]", "1" * 30):
        with pytest.raises(ValueError):
            StrictJson.loads(text)
    assert StrictJson.loads('[1,-2.5,true,"\\u00fc"]') == [1, -2.5, True, "ü"]
    assert StrictJson.dumps({"a": [1, math.nan, (math.inf,)], "b": "ü"}) == '{"a": [1, null, [null]], "b": "\\u00fc"}'


@given(
    st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.floats()), st.text(), st.integers(0, 2**63)
)
def test_a_frame_is_the_event_with_room_and_number(payload: dict[str, object], room: str, seq: int):
    place = {"room": room, "seq": seq}
    for namespace in ("/", "/chat"):
        frame = Frame(namespace, "stream:data", payload).packet(room, seq).encode()
        whole = event_packet(namespace, "stream:data", payload | place).encode()
        prefix = "42" if namespace == "/" else "42/chat,"
        assert frame.startswith(prefix)
        assert json.loads(frame.removeprefix(prefix)) == json.loads(whole.removeprefix(prefix))


def event(type_: str, **other: object) -> Event:
    return Event("user:alice", 7, type_, datetime.now(UTC), **other)


def test_rendering():
    about = content()
    place = {"room": "user:alice", "seq": 7}
    nothing = ("event:skipped", {"room": "user:alice", "from": 7, "seq": 7})
    assert render(event("notification:new", content=about)) == ("notification:new", notification_new(about) | place)
    assert render(event("notification:new", content=about, withdrawn=True)) == nothing
    assert render(event("notification:new")) == nothing
    deleted = ("notification:deleted", notification_deleted(about) | place)
    assert render(event("notification:deleted", content=about, withdrawn=True)) == deleted
    assert render(event("notification:deleted")) == nothing
    other = event("stream:data", data={"n": 1})
    assert render(other) == ("stream:data", {"n": 1, "created_at": iso(other.created_at)} | place)
    assert render(event("stream:data"))[1].keys() == {"created_at", "room", "seq"}
