from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.events.cursor import Cursor
from models.events.log import Replay
from web.realtime.limits import MAX_AHEAD
from web.realtime.replay.progress import Progress, ResumeRequest

ROOM = "user:alice"


def live(position: int = 0) -> Progress:
    progress = Progress((ROOM, "tenant:acme"))
    progress.start("e", {ROOM: position})
    assert progress.release()
    return progress


def page(epoch: str, head: int) -> Replay:
    return Replay([], Cursor(epoch, {ROOM: head}), complete=True, more=False, positions={ROOM: head})


def replay(progress: Progress, head: int) -> list[int]:
    """What a replay up to `head` sends."""
    sent = [seq for seq in range(progress.positions[ROOM] + 1, head + 1) if not progress.was_sent(ROOM, seq)]
    progress.reach(page("e", head))
    return sent


def test_events_in_order_pass_once():
    progress = live(3)
    assert [progress.admit(ROOM, seq) for seq in (3, 4, 4, 5, 2)] == [False, True, False, True, False]
    assert progress.positions[ROOM] == 5
    assert not progress.gap


def test_a_room_it_is_not_in_is_none_of_its_business():
    assert not live().admit("user:bob", 1)


def test_what_overtakes_passes_and_leaves_a_gap_until_the_rest_has_come():
    progress = live(3)
    assert progress.admit(ROOM, 6)
    assert progress.admit(ROOM, 5)
    assert progress.gap
    assert progress.positions[ROOM] == 3
    assert progress.admit(ROOM, 4)
    assert progress.positions[ROOM] == 6
    assert not progress.gap
    assert not progress.admit(ROOM, 5)


def test_a_replay_does_not_repeat_what_overtook():
    progress = live(3)
    progress.admit(ROOM, 6)
    progress.hold()
    assert replay(progress, 8) == [4, 5, 7, 8]
    assert progress.release()
    assert progress.positions[ROOM] == 8


def test_too_wide_a_gap_is_left_to_the_log():
    progress = live()
    assert all(progress.admit(ROOM, 10 + n) for n in range(MAX_AHEAD))
    assert not progress.admit(ROOM, 9 + 2 * MAX_AHEAD)
    assert not progress.live
    assert not progress.release()


def test_what_is_held_back_must_be_read_before_events_pass_again():
    progress = live(3)
    progress.hold()
    assert not progress.admit(ROOM, 5)
    assert replay(progress, 4) == [4]
    assert not progress.release()
    assert replay(progress, 5) == [5]
    assert progress.release()
    assert progress.admit(ROOM, 6)


def test_another_incarnation_begins_anew():
    progress = live(9)
    progress.admit(ROOM, 12)
    assert progress.behind("f", {ROOM: 2})
    progress.hold()
    progress.reach(page("f", 2))
    assert progress.release()
    assert (progress.epoch, progress.positions) == ("f", {ROOM: 2, "tenant:acme": 0})
    assert progress.admit(ROOM, 3)


def test_behind_is_whoever_lacks_something():
    progress = live(3)
    assert not progress.behind("e", {ROOM: 3})
    assert not progress.behind("e", {ROOM: 2}), "the head was read before"
    assert not progress.behind("e", {})
    assert progress.behind("e", {ROOM: 4})
    assert progress.behind("e", {ROOM: 3, "tenant:acme": 1})


# One step of a connection's life: a commit, a publish (of any of the numbers so far, or one twice), a look at the log.
STEPS = st.lists(st.one_of(st.just("commit"), st.just("look"), st.integers(0, 10), st.just("hold")), max_size=80)


@given(STEPS)
@settings(max_examples=300, deadline=None)
def test_whatever_happens_everything_is_sent_once(steps: list[str | int]):
    progress, head, sent = Progress((ROOM,)), 0, []
    progress.start("e", {})
    progress.release()
    for step in steps:
        if step == "commit":
            head += 1
        elif step == "hold":
            progress.hold()
        elif step == "look":
            progress.hold()
            sent += replay(progress, head)
            assert progress.release()
        elif isinstance(step, int) and head - step >= 1 and progress.admit(ROOM, head - step):
            sent.append(head - step)
    progress.hold()
    sent += replay(progress, head)
    assert progress.release()
    assert sorted(sent) == list(range(1, head + 1))


def test_wishes():
    cursor = Cursor("e", {ROOM: 4, "tenant:acme": 2}).encode()
    assert ResumeRequest.of(None, {}) == ResumeRequest()
    assert ResumeRequest.of(None, {ROOM: 4}, "e") == ResumeRequest("e", {ROOM: 4})
    assert ResumeRequest.of(cursor, {}) == ResumeRequest("e", {ROOM: 4, "tenant:acme": 2})
    # The newer of both, room by room; the cursor's epoch is that of both.
    assert ResumeRequest.of(cursor, {ROOM: 9, "tenant:acme": 1}, "f") == ResumeRequest("e", {ROOM: 9, "tenant:acme": 2})
    for nonsense in ("", "nonsense", "AAAA", cursor[:-3], "WzFd"):
        with pytest.raises(ValueError):
            ResumeRequest.of(nonsense, {})
