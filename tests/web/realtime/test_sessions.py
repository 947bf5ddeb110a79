from __future__ import annotations

import time

import pytest

from tests.web.realtime.fakes import brief, heard, session
from web.realtime.gateway.sessions import Session, Sessions
from web.realtime.limits import MAX_AHEAD, MAX_BACKLOG, MAX_CONNECTIONS_PER_USER
from web.realtime.payloads import Acknowledge, Handshake, Refused, Sync, parse
from web.realtime.transport import fanout


def ready(user: str = "alice", **other: object) -> Session:
    one = session(user, **other)
    one.progress.start("e", {})
    assert one.progress.release()
    return one


def group(room: str, *seqs: int) -> dict[str, object]:
    return {"event": "stream:data", "payload": {"n": 1}, "rooms": [[room, seq] for seq in seqs]}


def test_a_user_has_so_many_sessions():
    sessions = Sessions()
    assert all(sessions.add(session(sid=str(n))) for n in range(MAX_CONNECTIONS_PER_USER))
    assert not sessions.add(session(sid="one more"))
    assert sessions.add(session("bob"))
    assert sessions.get("one more") is None
    sessions.remove("0")
    assert sessions.add(session(sid="one more"))
    for sid in [one.sid for one in sessions.all()]:
        sessions.remove(sid)
    assert sessions.remove("0") is None
    assert sessions.members("acme/user:alice") == sessions.members("acme/tenant:acme") == []


def test_events_go_to_the_members_of_their_rooms():
    sessions = Sessions()
    alice, other, bob = ready(), ready(sid="other tab"), ready("bob")
    for one in (alice, other, bob):
        sessions.add(one)
    groups = [group("acme/user:alice", 1), group("acme/tenant:acme", 1), group("acme/user:nobody", 1)]
    assert fanout.deliver(sessions, groups) == 5
    assert brief(alice) == brief(other) == [("stream:data", 1), ("stream:data", 1)]
    assert [(name, data["room"], data["n"]) for name, data in heard(bob)] == [("stream:data", "tenant:acme", 1)]
    assert fanout.deliver(sessions, groups) == 0, "everybody has it"


class Twice:
    """Has two names for every event but one, which it leaves out."""

    namespace = "/old"

    def translate(self, event: str, payload: dict[str, object]) -> list[tuple[str, dict[str, object]]]:
        return [] if event == "unknown" else [(event, payload), ("old", {"m": payload["n"]})]


def test_every_view_has_its_own_names():
    sessions, plain, old = Sessions(), ready(sid="plain"), ready(sid="old")
    old.view = Twice()
    for one in (plain, old):
        sessions.add(one)
    fanout.deliver(sessions, [group("acme/user:alice", 1), group("acme/user:alice", 2) | {"event": "unknown"}])
    assert brief(plain) == [("stream:data", 1), ("unknown", 2)]
    place = '"room":"user:alice","seq":1'
    assert [old.socket.queue.get() for _ in range(old.backlog())] == [
        '42/old,["stream:data",{"n":1,' + place + "}]",
        '42/old,["old",{"m":1,' + place + "}]",
    ]
    # What it was not told is no gap either.
    assert old.progress.positions["user:alice"] == 2


def test_one_broken_connection_does_not_cost_the_others_their_event():
    sessions = Sessions()
    broken, other = ready(sid="1"), ready(sid="2")
    for one in (broken, other):
        sessions.add(one)
    broken.socket.closed = True
    fanout.deliver(sessions, [group("acme/user:alice", 1)])
    assert brief(other) == [("stream:data", 1)]


def test_too_wide_a_gap_is_looked_after_at_once():
    sessions, one = Sessions(), ready()
    sessions.add(one)
    one.resume_at = float("inf")
    fanout.deliver(sessions, [group("acme/user:alice", *range(2, MAX_AHEAD + 3))])
    assert one.backlog() == MAX_AHEAD
    assert not one.progress.live
    assert one.resume_at <= time.monotonic()


def test_whoever_does_not_read_gets_nothing_more():
    sessions = Sessions()
    slow, quick = ready(sid="slow"), ready(sid="quick")
    for one in (slow, quick):
        sessions.add(one)
    for seq in range(1, MAX_BACKLOG + 100):
        fanout.deliver(sessions, [group("acme/user:alice", seq)])
        heard(quick)
    assert slow.backlog() == MAX_BACKLOG + 1
    assert not slow.progress.live
    assert slow.progress.positions["user:alice"] == MAX_BACKLOG + 1
    assert quick.progress.positions["user:alice"] == MAX_BACKLOG + 99


@pytest.mark.parametrize(
    ("model", "payload", "where"),
    [
        (Handshake, {"last_seq": True}, "last_seq"),
        (Handshake, {"last_seq": 1.0}, "last_seq"),
        (Handshake, {"last_seq": -1}, "last_seq"),
        (Handshake, {"last_seq": 2**63}, "last_seq"),
        (Handshake, {"positions": {"a": True}}, "positions.a"),
        (Handshake, {"positions": {str(n): n for n in range(1001)}}, "positions"),
        (Handshake, {"cursor": "x" * 32_769}, "cursor"),
        (Acknowledge, {"seq": 0}, "seq"),
        (Acknowledge, {"ids": [1.5]}, "ids.0"),
        (Acknowledge, {"ids": [True]}, "ids.0"),
        (Acknowledge, {"ids": None}, "ids"),
        (Acknowledge, {"id": "x"}, "id"),
        (Sync, {"since": 4}, "since"),
        (Sync, "cursor", "the payload is not an object"),
        (Sync, ["cursor"], "the payload is not an object"),
        (Sync, 0, "the payload is not an object"),
    ],
)
def test_payloads_are_refused_by_name(model: type, payload: object, where: str):
    with pytest.raises(Refused) as refused:
        parse(model, payload)
    assert refused.value.code == "bad_request"
    assert str(refused.value).startswith(where)


def test_what_clients_of_other_dialects_add_to_the_handshake_is_left_alone():
    assert parse(Handshake, {"token": "x", "dialect": "hub", "device_id": 7}).token == "x"
    assert parse(Handshake, None).token is None
