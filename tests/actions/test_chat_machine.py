"""Conversations against a model of them: what each member sees, what is unread, and who has received what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from actions import conversations, messages
from actions.installation import Installation
from models.conversations.queries import count_unread
from models.sql.engine import read
from tests.chat import CROWD, SERVICE, edit, group, say, system, unread, user

OWNER = CROWD[0]
people = st.sampled_from(CROWD)
numbers = st.integers(1, 12)


@dataclass
class Said:
    """What the model knows of one message. `sender` None is the system."""

    message: Any
    sender: str | None
    target: str | None = None
    mentions: set[str] = field(default_factory=set)
    deleted: bool = False
    hidden: set[str] = field(default_factory=set)


@dataclass
class Place:
    """What the model knows of a member. They see what has a greater number than `after`."""

    after: int = 0
    delivered: int = 0
    read: int = 0
    seen: int = 0

    @property
    def position(self) -> int:
        return max(self.after, self.read, self.seen)


class Chat(RuleBasedStateMachine):
    """One group, whose owner stays."""

    def __init__(self, chat: Installation) -> None:
        super().__init__()
        self.chat = chat
        self.said: list[Said] = []
        self.places = {OWNER: Place(), CROWD[1]: Place(), CROWD[2]: Place()}

    @initialize(history=st.sampled_from(["shared", "joined"]))
    def begin(self, history: str) -> None:
        self.history = history
        self.key = group(self.chat, *self.places, history=history)

    @rule(sender=people, mention=people, to_all=st.booleans())
    def send(self, sender: str, mention: str, to_all: bool) -> None:
        if sender in self.places:
            named = ["@all"] if to_all and sender == OWNER else [mention] if mention in self.places else []
            told = set(self.places) if "@all" in named else set(named)
            message = say(self.chat, self.key, sender, mentions=named)
            self._add(Said(message, sender, mentions=told - {sender} if "@all" not in named else told))

    @rule(sender=people, other=people)
    def send_privately(self, sender: str, other: str) -> None:
        if {sender, other} <= set(self.places) and sender != other:
            message = say(self.chat, self.key, sender, private_to=other, mentions=[other])
            self._add(Said(message, sender, other, {other}))

    @rule(name=people)
    def post(self, name: str) -> None:
        if name in self.places:
            self._add(Said(system(self.chat, self.key), None))
            self._add(Said(system(self.chat, self.key, private_to=name), None, name))

    @precondition(lambda self: self.said)
    @rule(no=numbers, mention=people)
    def mention_later(self, no: int, mention: str) -> None:
        one = self.said[no % len(self.said)]
        if self._sees(one, one.sender) and not one.deleted and one.target is None and mention in self.places:
            edit(self.chat, one.message, str(one.sender), f"for {mention}", mentions=[mention])
            one.mentions |= {mention} - {str(one.sender)}

    @precondition(lambda self: self.said)
    @rule(no=numbers)
    def delete(self, no: int) -> None:
        one = self.said[no % len(self.said)]
        messages.delete_message(self.chat, SERVICE, self.key, str(one.message.id), for_everyone=True)
        one.deleted = True

    @precondition(lambda self: self.said)
    @rule(no=numbers, name=people)
    def hide(self, no: int, name: str) -> None:
        one = self.said[no % len(self.said)]
        if self._sees(one, name):
            messages.delete_message(self.chat, user(name), None, str(one.message.id), for_everyone=False)
            one.hidden.add(name)

    @rule(name=people, no=numbers, receipt=st.sampled_from(["delivered", "read", "seen"]))
    def mark(self, name: str, no: int, receipt: Any) -> None:
        if name in self.places:
            messages.mark(self.chat, user(name), self.key, receipt, no=no)
            place, upto = self.places[name], min(no, len(self.said))
            if receipt == "read" and upto > place.read:
                place.delivered = max(place.delivered, upto)
            setattr(place, receipt, max(getattr(place, receipt), upto))

    @rule(name=people)
    def come_or_go(self, name: str) -> None:
        if name == OWNER:
            return
        if name in self.places:
            conversations.remove_member(self.chat, user(name), self.key, name)
            del self.places[name]
        else:
            conversations.add_members(self.chat, user(OWNER), self.key, [name])
            last = len(self.said)
            self.places[name] = Place(after=last if self.history == "joined" else 0, seen=last)

    def _add(self, one: Said) -> None:
        self.said.append(one)
        assert one.message.no == len(self.said)
        if one.sender is not None:
            place = self.places[one.sender]
            place.delivered = place.read = place.seen = one.message.no

    def _sees(self, one: Said, name: str | None) -> bool:
        if name not in self.places or name in one.hidden or one.message.no <= self.places[name].after:
            return False
        return one.target is None or name in (one.target, one.sender)

    @invariant()
    def every_member_sees_what_is_theirs_and_has_the_rest_to_read(self) -> None:
        for name, place in self.places.items():
            shown = [one for one in self.said if self._sees(one, name)]
            found = messages.list_messages(self.chat, user(name), self.key, after=0, limit=200)
            assert [one.id for one in found] == [one.message.id for one in shown]
            left = [one for one in shown if one.message.no > place.position and not one.deleted]
            mentioned = sum(name in one.mentions for one in left)
            assert unread(self.chat, self.key, name) == (len(left), mentioned)
            with read(self.chat.engine) as connection:
                total = count_unread(connection, "acme", name)
                mine = {key: n for key, n, _ in total.conversations}
            assert mine.get(self.key, 0) == len(left)

    @invariant()
    def receipts_are_those_of_the_members(self) -> None:
        for one in self.said[-3:]:
            no = one.message.no
            their = {
                name: place
                for name, place in self.places.items()
                if name != one.sender and one.target in (None, name) and place.after < no
            }
            found = messages.receipts_of(self.chat, SERVICE, self.key, str(one.message.id), None, 100)
            assert dict(found.page) == {
                name: "read" if place.read >= no else "delivered"
                for name, place in their.items()
                if max(place.delivered, place.read) >= no
            }
            assert (found.delivered, found.read) == (len(found.page), [s for _, s in found.page].count("read"))


@pytest.mark.slow
def test_what_is_seen_unread_and_received_is_that_of_the_model(chat: Installation) -> None:
    run_state_machine_as_test(
        lambda: Chat(chat),
        settings=settings(
            max_examples=25, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
