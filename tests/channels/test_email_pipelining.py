"""The same conversation with and without PIPELINING, in fewer round trips."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from channels.email import channel as email
from channels.email.channel import EmailChannel
from channels.email.message import Mail
from channels.email.smtp import Connection, Server
from lab.certificate import Certificate
from models.deliveries.lifecycle import AddressGone, Outcome, RetryLater, Sent
from models.deliveries.message import Message
from tests.channels import support
from tests.channels.mail_server import HANG_UP, LOST, MailServer, Script
from tests.channels.support import batch

SENDER = email._sender("Carillon <bell@carillon.example>")
PIPELINING = ("SIZE", "PIPELINING", "8BITMIME", "SMTPUTF8")
WITHOUT = ("SIZE", "8BITMIME", "SMTPUTF8")


def at(port: int, timeout: float = 5.0) -> Server:
    return Server("127.0.0.1", port, "none", "x.example", timeout)


def send(server: MailServer, messages: Sequence[Message], timeout: float = 5.0) -> list[Outcome]:
    with server.running() as port:
        channel = EmailChannel(at(port, timeout), SENDER, 30)
        outcomes = channel.send(messages)
        channel.close()
    return outcomes


def kinds(outcomes: list[Outcome]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


# Round trips --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("offers", "turns"), [(PIPELINING, 2), (WITHOUT, 4)])
def test_a_mail_takes_two_round_trips_instead_of_four(offers: tuple[str, ...], turns: int) -> None:
    server = MailServer(offers=offers)
    assert kinds(send(server, batch(*(f"ok-{n}@mail.example" for n in range(10))))) == [Sent] * 10
    # The greeting and EHLO are the first two.
    assert (server.turns, server.connections, server.early) == (2 + 10 * turns, 1, 0)


@pytest.mark.parametrize(("offers", "secured", "turns"), [(PIPELINING, WITHOUT, 4), (WITHOUT, PIPELINING, 2)])
def test_what_was_offered_before_starttls_does_not_count(
    offers: tuple[str, ...], secured: tuple[str, ...], turns: int
) -> None:
    certificate = Certificate()
    server = MailServer(offers=(*offers, "STARTTLS"), secured=secured, tls=certificate.context())
    trusting = ssl.create_default_context(cadata=certificate.pem)
    with server.running() as port:
        channel = EmailChannel(replace(at(port), security="starttls", context=trusting), SENDER, 30)
        assert kinds(channel.send(batch("ok-1@mail.example", "ok-2@mail.example"))) == [Sent, Sent]
        channel.close()
    assert (server.turns, server.early) == (4 + 2 * turns, 0)


# Outcomes -----------------------------------------------------------------------------------------------------------

FINE = "250 ok"
REFUSALS = (
    "421 4.3.2 closing",
    "421-4.3.2 closing\r\n421 4.3.2 good-bye",
    "450 4.2.0 greylisted",
    "452 4.5.3 too many",
    "500 what?",
    "530 5.7.0 log in first",
    "535 5.7.8 no",
    "550 5.1.1 who?",
    "550-5.7.1 refused\r\n550 5.7.1 for good",
    "550 5.1.8 sender unknown",
    "552 5.3.4 too large",
    "554 5.7.1 spam",
)
MAILS = batch(*(f"user{n}@mail.example" for n in range(5)))


def replies(*good: str, bad: Sequence[str] = (*REFUSALS, HANG_UP)) -> st.SearchStrategy[str]:
    # Good ones often enough for a conversation to go on.
    return st.one_of(*[st.sampled_from(good)] * 3, st.sampled_from(bad))


scripts = st.builds(
    Script,
    mail=replies(FINE, "250-well\r\n250 ok"),
    rcpt=replies(FINE, "251 forwarding"),
    data=replies("354 go on", "354-go\r\n354 on"),
    dot=replies("250 taken", bad=(*REFUSALS, HANG_UP, LOST)),
    # Nobody asks for this without PIPELINING, so that it must not end the session here.
    nobody=st.sampled_from(("503 RCPT first", "554 5.5.1 no valid recipients", "354 go on")),
    rset=replies(FINE, bad=("421 enough", "500 what?", HANG_UP)),
    lingers=st.booleans(),
    # Smtplib closes the session at a 421, but not where that answers DATA.
).filter(lambda script: not (script.lingers and script.data.startswith("421")))


def told(outcomes: list[Outcome]) -> list[Outcome]:
    """`outcomes` without the operating system's word for a lost connection, which depends on who noticed it first."""
    return [
        replace(outcome, reason="cut")
        if isinstance(outcome, RetryLater) and outcome.reason.startswith("SMTPServerDisconnected")
        else outcome
        for outcome in outcomes
    ]


@settings(max_examples=100, deadline=None)
@given(st.lists(scripts, max_size=len(MAILS)), st.sampled_from((1, 7, 1 << 16)))
@example([Script(rcpt="550 5.1.1 who?", nobody="354 go on"), Script()], 1)
@example([Script(dot="421 4.3.2 closing")], 1)
@example([Script(mail="421 4.3.2 closing")], 1)
@example([Script(dot=LOST), Script(dot=LOST)], 1)
def test_every_mail_has_the_outcome_that_it_has_without_pipelining(script: list[Script], piece: int) -> None:
    one, other = (MailServer(script, offers=offers, piece=piece) for offers in (PIPELINING, WITHOUT))
    assert told(send(one, MAILS)) == told(send(other, MAILS))
    taken = [(recipient, content.splitlines()[:2]) for recipient, content in one.taken]
    assert taken == [(recipient, content.splitlines()[:2]) for recipient, content in other.taken]
    assert all(content[0] == f"To: {recipient}".encode() for recipient, content in taken)
    assert one.connections == other.connections
    assert one.early == other.early == 0


@pytest.mark.parametrize(
    ("script", "expected", "connections"),
    [
        # Refused, but the content is wanted: a lone dot, and the session goes on.
        (Script(rcpt="550 5.1.1 who?", nobody="354 go on"), AddressGone("550 5.1.1 who?"), 1),
        (Script(mail="452 4.5.3 later", nobody="354 go on"), RetryLater("452 4.5.3 later"), 1),
        # Only the first refusal counts.
        (Script(rcpt="450 4.2.0 later", nobody="554 5.5.1 nobody"), RetryLater("450 4.2.0 later"), 1),
        (Script(rcpt="550 5.1.1 who?", nobody="421 enough"), AddressGone("550 5.1.1 who?"), 2),
        (Script(rcpt="550 5.1.1 who?", nobody=HANG_UP), AddressGone("550 5.1.1 who?"), 2),
        # A dot would be an empty mail for somebody.
        (Script(mail="452 4.5.3 later", careless=True), RetryLater("452 4.5.3 later"), 2),
        # Neither what was asked for nor a refusal: nobody knows what the next reply is for.
        (Script(mail="banana"), RetryLater("-1 not an SMTP reply"), 2),
        (Script(rcpt="252 perhaps"), RetryLater("252 perhaps"), 2),
        (Script(data="250 so what"), RetryLater("250 so what"), 2),
        (Script(dot="354 go on"), RetryLater("354 go on"), 2),
    ],
    ids=str,
)
def test_a_refused_mail_leaves_the_next_one_alone(script: Script, expected: Outcome, connections: int) -> None:
    server = MailServer([script], offers=PIPELINING)
    messages = batch("one@mail.example", "two@mail.example")
    refused, sent = send(server, messages)
    assert refused == expected
    assert isinstance(sent, Sent)
    assert [recipient for recipient, _ in server.taken] == ["two@mail.example"]
    assert server.connections == connections


def test_replies_that_do_not_end_are_not_waited_for() -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(b"220 hello\r\n")
        connection.recv(1024)
        connection.sendall(b"250-hello\r\n250 PIPELINING\r\n")
        connection.recv(1024)
        connection.sendall(b"250 ok\r\n")
        support.endless(connection)

    with support.server(talk) as port:
        channel = EmailChannel(at(port, 0.5), SENDER, 30)
        assert kinds(channel.send(batch("one@mail.example"))) == [RetryLater]
        channel.close()


# What is said -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mail",
    [
        Mail("a@mail.example", "<1@x>", b"x: y\r\n\r\n.\r\n..\r\n.a\r\nb.\r\n.", False),
        Mail("a@mail.example", "<1@x>", b"", False),
        Mail("jörg@mail.example", "<1@x>", "To: jörg@mail.example\r\n\r\nä\r\n".encode(), True),
        Mail('"odd one"@mail.example', "<1@x>", b"x: y\r\n\r\n" + b"z" * 70 * 40_000 + b"\r\n", False),
    ],
    ids=["dots", "empty", "utf8", "large"],
)
@pytest.mark.parametrize("size", [(), ("SIZE",)])
def test_the_words_are_the_same(mail: Mail, size: tuple[str, ...]) -> None:
    said = []
    for more in ((), ("PIPELINING",)):
        server = MailServer(offers=(*size, *more, "8BITMIME", "SMTPUTF8"))
        with server.running() as port:
            connection = Connection(at(port), 5)
            connection.deliver("bell@carillon.example", mail)
            connection.close()
        said.append((server.received.removesuffix(b"QUIT\r\n"), server.taken))
    assert said[0] == said[1]
    assert len(server.taken) == 1


def test_a_session_that_was_interrupted_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> tuple[int, bytes]:
        raise KeyboardInterrupt

    for offers in (PIPELINING, WITHOUT):
        with MailServer(offers=offers).running() as port:
            connection = Connection(at(port), 5)
            monkeypatch.setattr(connection._smtp, "getreply", interrupted)
            with pytest.raises(KeyboardInterrupt):
                connection.deliver("bell@carillon.example", Mail("a@mail.example", "<1@x>", b"x: y\r\n", False))
            assert not connection.alive


def test_a_lost_reply_to_the_last_dot_is_no_refusal() -> None:
    with MailServer([Script(dot=LOST)], offers=PIPELINING).running() as port:
        connection = Connection(at(port), 5)
        with pytest.raises(smtplib.SMTPServerDisconnected):
            connection.deliver("bell@carillon.example", Mail("a@mail.example", "<1@x>", b"x: y\r\n", False))
        assert not connection.alive
