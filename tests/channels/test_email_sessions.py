"""What happens to the other mails when a session ends early: they are sent in another, or deferred, and pay nothing."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat

import pytest

from channels.email import smtp
from channels.email.channel import EmailChannel, parse_sender
from channels.email.smtp import Server
from models.deliveries.lifecycle import Deferred, Outcome, RetryLater, Sent
from models.deliveries.message import Message
from tests.channels import support
from tests.channels.mail_server import HANG_UP, MailServer, Script
from tests.channels.support import batch

SENDER = parse_sender("Carillon <bell@carillon.example>")


@contextmanager
def channel_to(server: MailServer, timeout: float = 5.0, max_sessions: int = 8) -> Iterator[EmailChannel]:
    with server.running() as port:
        channel = EmailChannel(
            Server("127.0.0.1", port, "none", "x.example", timeout), SENDER, max_sessions=max_sessions
        )
        try:
            yield channel
        finally:
            channel.close()


def mails(number: int) -> list[Message]:
    return batch(*(f"user{n}@mail.example" for n in range(number)))


def kinds(outcomes: Sequence[Outcome]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


@pytest.mark.parametrize("end", ["421 4.7.0 too many messages in this connection", "452 4.5.3 too many", HANG_UP])
@pytest.mark.parametrize("offers", [(), ("PIPELINING",)])
def test_a_server_that_takes_a_few_mails_a_session_gets_all(end: str, offers: tuple[str, ...]) -> None:
    server = MailServer(offers=offers, max_mails=(4, end))
    with channel_to(server) as channel:
        assert kinds(channel.send(mails(10))) == [Sent] * 10
        assert (len(server.accepted), server.connections) == (10, 3)
        server.received = b""
        assert kinds(channel.send(mails(10))) == [Sent] * 10
    # The limit is known by now: no mail was refused. The session in the pool had carried two.
    assert server.received.lower().count(b"mail from") == 10
    assert len(server.accepted) == 20


def test_what_was_learnt_is_forgotten_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = smtp.Limit(100)
    limit.learn(4)
    assert limit.value == 4
    limit.learn(0)
    assert limit.value == 1
    limit.learn(200)
    assert limit.value == 100
    monkeypatch.setattr(smtp, "REMEMBERED_FOR", -1.0)
    limit.learn(4)
    assert limit.value == 100


def test_a_mail_that_a_new_session_refuses_too_is_retried() -> None:
    refused = Script(mail="451 4.3.0 not now")
    server = MailServer([Script(), refused, refused])
    with channel_to(server) as channel:
        assert kinds(channel.send(mails(3))) == [Sent, RetryLater, Sent]
        assert channel._pool._max_mails.value == 100


def test_a_server_that_takes_no_mail_at_the_moment_pauses_the_channel() -> None:
    server = MailServer(repeat(Script(mail="450 4.7.1 Error: too much mail from 192.0.2.1")))
    with channel_to(server) as channel:
        outcomes = channel.send(mails(20))
    assert kinds(outcomes) == [RetryLater] * 2 + [Deferred] * 18
    assert [o.for_all for o in outcomes if isinstance(o, RetryLater)] == [False, True]


def test_a_limit_of_connections_is_learnt_and_the_others_wait() -> None:
    server = MailServer(max_connections=2, seconds=0.01)
    with channel_to(server) as channel:
        for _ in range(2):
            outcomes = support.threads(6, lambda _: channel.send(mails(5)))
            assert {kind for found in outcomes for kind in kinds(found)} == {Sent}
        assert len(server.accepted) == 60
        assert channel._pool._open <= 2


@pytest.mark.slow
def test_connections_that_another_process_has_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    server = MailServer(max_connections=1)
    # The first connection is another process's.
    with channel_to(server) as channel, socket.create_connection(("127.0.0.1", channel._server.port)) as other:
        assert other.recv(3) == b"220"
        monkeypatch.setattr("channels.email.channel.PATIENCE", 0.5)
        assert channel.send(mails(3)) == [Deferred(2.0)] * 3
        assert channel.check() == "the mail server takes no more connections"
        monkeypatch.setattr("channels.email.channel.PATIENCE", 5.0)
        threading.Timer(0.5, other.close).start()
        assert kinds(channel.send(mails(3))) == [Sent] * 3
    assert len(server.accepted) == 3


def test_no_more_sessions_are_opened_than_the_setting_allows() -> None:
    server = MailServer(seconds=0.01)
    with channel_to(server, max_sessions=3) as channel:
        outcomes = support.threads(6, lambda _: channel.send(mails(5)))
    assert {kind for found in outcomes for kind in kinds(found)} == {Sent}
    assert server.connections == 3


def test_a_batch_that_gets_no_session_is_deferred(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("channels.email.channel.PATIENCE", 0.05)
    server = MailServer()
    with channel_to(server, max_sessions=1) as channel:
        held = channel._pool.acquire(time.monotonic())
        assert channel.send(mails(3)) == [Deferred(2.0)] * 3
        channel._pool.release(held)
        assert kinds(channel.send(mails(3))) == [Sent] * 3
    assert len(server.accepted) == 3


def test_a_server_that_takes_nobody_is_an_outage() -> None:
    with channel_to(MailServer(max_connections=0, full="421 4.3.2 shutting down")) as channel:
        assert kinds(channel.send(mails(3))) == [RetryLater] * 3
        # No session is left over that would count.
        assert (channel._pool._open, channel._pool._opening) == (0, 0)


def test_an_outage_is_not_taken_for_a_limit_of_connections() -> None:
    with channel_to(MailServer(max_connections=0, full="421 4.3.2 shutting down")) as channel:
        found = support.threads(6, lambda _: channel.send(mails(2)))
        assert {kind for outcomes in found for kind in kinds(outcomes)} == {RetryLater}
        assert channel._pool._max_sessions.value == 8


def test_two_mailboxes_that_break_sessions_cost_the_others_nothing() -> None:
    server = MailServer([Script(), Script(rcpt=HANG_UP), Script(), Script(rcpt="421 4.2.1 bye")])
    with channel_to(server) as channel:
        outcomes = channel.send(mails(7))
        assert kinds(outcomes) == [Sent, RetryLater, Sent, RetryLater, Deferred, Deferred, Deferred]
        assert outcomes[-1] == Deferred(2.0)
        assert kinds(channel.send(mails(7))) == [Sent] * 7


def test_a_server_that_goes_away_in_the_middle_costs_the_others_nothing() -> None:
    server = MailServer(max_mails=(3, "421 4.3.2 shutting down"), full="421 4.3.2 shutting down")
    with channel_to(server) as channel:
        original = server.connections
        assert kinds(channel.send(mails(2))) == [Sent] * 2
        server.max_connections = 0
        assert kinds(channel.send(mails(4))) == [Sent, Deferred, Deferred, Deferred]
        # The next batch finds out that it is an outage.
        assert kinds(channel.send(mails(2))) == [RetryLater] * 2
        assert server.connections > original
