"""The scripted channel, on which other tests rely."""

from __future__ import annotations

import pytest

from channels.memory import MemoryChannel
from models.lifecycle import AddressGone, RetryLater, Sent
from tests.channels import support
from tests.channels.support import batch, content, message


def test_without_a_script_everything_is_sent() -> None:
    assert MemoryChannel("email").send(batch("a", "b")) == [Sent(), Sent()]


def test_a_script_is_played_once_and_across_batches() -> None:
    channel = MemoryChannel("push", [RetryLater("one"), AddressGone("two")])
    assert channel.send(batch("a")) == [RetryLater("one")]
    assert channel.send(batch("b", "c")) == [AddressGone("two"), Sent()]


def test_a_script_may_look_at_the_message() -> None:
    channel = MemoryChannel("push", lambda m: AddressGone("gone") if m.address == "b" else Sent("p"))
    assert channel.send(batch("a", "b")) == [Sent("p"), AddressGone("gone")]


def test_an_exception_in_a_script_is_a_bug_played() -> None:
    channel = MemoryChannel("push", [Sent(), RuntimeError("bug")])
    with pytest.raises(RuntimeError, match="bug"):
        channel.send(batch("a", "b"))
    assert [m.address for m in channel.messages] == ["a", "b"]


def test_what_was_sent_is_kept_as_it_was() -> None:
    about = content(data={"n": [1]})
    channel = MemoryChannel("push")
    channel.send([message("a", about=about), message("b", about=about)])
    channel.send([])
    about.data["n"].append(2)
    first, second = channel.messages
    assert first.content.data == {"n": [1]}
    # Shared among the messages of a batch, as the contract says.
    assert first.content is second.content
    assert [len(sent) for sent in channel.batches] == [2, 0]


def test_threads_share_a_script() -> None:
    channel = MemoryChannel("push", [RetryLater("x")] * 10)
    results = support.threads(4, lambda n: channel.send(batch(*[str(n)] * 5)))
    assert sum(outcome == RetryLater("x") for result in results for outcome in result) == 10
    assert len(channel.messages) == 20


def test_closing_is_remembered() -> None:
    channel = MemoryChannel("push")
    assert not channel.closed
    channel.close()
    assert channel.closed
