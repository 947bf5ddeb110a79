"""SMTP pipelining: the same outcomes as without it, in fewer round trips."""

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

SENDER = email.parse_sender("Carillon <bell@carillon.example>")
PIPELINING = ("SIZE", "PIPELINING", "8BITMIME", "SMTPUTF8")
WITHOUT = ("SIZE", "8BITMIME", "SMTPUTF8")


def at(port: int, timeout: float = 5.0) -> Server:
    return Server("127.0.0.1", port, "none", "x.example", timeout)


def send(server: MailServer, messages: Sequence[Message], timeout: float = 5.0) -> list[Outcome]:
    with server.running() as port:
        channel = EmailChannel(at(port, timeout), SENDER)
        outcomes = channel.send(messages)
        channel.close()
    return outcomes


def kinds(outcomes: list[Outcome]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


# Round trips --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("offers", "round_trips"), [(PIPELINING, 2), (WITHOUT, 4)])
def test_a_mail_takes_two_round_trips_instead_of_four(offers: tuple[str, ...], round_trips: int) -> None:
    server = MailServer(offers=offers)
    assert kinds(send(server, batch(*(f"ok-{n}@mail.example" for n in range(10))))) == [Sent] * 10
    # The greeting and EHLO are the first two.
    assert (server.round_trips, server.connections, server.early) == (2 + 10 * round_trips, 1, 0)


@pytest.mark.parametrize(("offers", "offers_tls", "round_trips"), [(PIPELINING, WITHOUT, 4), (WITHOUT, PIPELINING, 2)])
def test_only_extensions_offered_after_starttls_are_used(
    offers: tuple[str, ...], offers_tls: tuple[str, ...], round_trips: int
) -> None:
    certificate = Certificate()
    server = MailServer(offers=(*offers, "STARTTLS"), offers_tls=offers_tls, tls=certificate.context())
    trusting = ssl.create_default_context(cadata=certificate.pem)
    with server.running() as port:
        channel = EmailChannel(replace(at(port), security="starttls", context=trusting), SENDER)
        assert kinds(channel.send(batch("ok-1@mail.example", "ok-2@mail.example"))) == [Sent, Sent]
        channel.close()
    assert (server.round_trips, server.early) == (4 + 2 * round_trips, 0)


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
    # Three times as many good replies, so that most sessions continue.
    return st.one_of(*[st.sampled_from(good)] * 3, st.sampled_from(bad))


scripts = st.builds(
    Script,
    mail=replies(FINE, "250-well\r\n250 ok"),
    rcpt=replies(FINE, "251 forwarding"),
    data=replies("354 go on", "354-go\r\n354 on"),
    dot=replies("250 taken", bad=(*REFUSALS, HANG_UP, LOST)),
    # Without PIPELINING no DATA follows a refusal. This reply then has no counterpart, so it must not end the session.
    no_rcpt=st.sampled_from(("503 RCPT first", "554 5.5.1 no valid recipients", "354 go on")),
    rset=replies(FINE, bad=("421 enough", "500 what?", HANG_UP)),
    lingers=st.booleans(),
    # smtplib closes the session after a 421, except in reply to DATA.
).filter(lambda script: not (script.lingers and script.data.startswith("421")))


def without_os_errors(outcomes: list[Outcome]) -> list[Outcome]:
    """Replace the reasons of lost connections: they depend on which side notices first."""
    return [
        replace(outcome, reason="cut")
        if isinstance(outcome, RetryLater) and outcome.reason.startswith("SMTPServerDisconnected")
        else outcome
        for outcome in outcomes
    ]


@settings(max_examples=100, deadline=None)
@given(st.lists(scripts, max_size=len(MAILS)), st.sampled_from((1, 7, 1 << 16)))
@example([Script(rcpt="550 5.1.1 who?", no_rcpt="354 go on"), Script()], 1)
@example([Script(dot="421 4.3.2 closing")], 1)
@example([Script(mail="421 4.3.2 closing")], 1)
@example([Script(dot=LOST), Script(dot=LOST)], 1)
def test_outcomes_are_the_same_with_and_without_pipelining(script: list[Script], piece: int) -> None:
    one, other = (MailServer(script, offers=offers, piece=piece) for offers in (PIPELINING, WITHOUT))
    assert without_os_errors(send(one, MAILS)) == without_os_errors(send(other, MAILS))
    accepted = [(recipient, content.splitlines()[:2]) for recipient, content in one.accepted]
    assert accepted == [(recipient, content.splitlines()[:2]) for recipient, content in other.accepted]
    assert all(content[0] == f"To: {recipient}".encode() for recipient, content in accepted)
    assert one.connections == other.connections
    assert one.early == other.early == 0


@pytest.mark.parametrize(
    ("script", "expected", "connections"),
    [
        # The mail is refused, but the server asks for content: send a single dot and continue the session.
        (Script(rcpt="550 5.1.1 who?", no_rcpt="354 go on"), AddressGone("550 5.1.1 who?"), 1),
        (Script(mail="452 4.5.3 later", no_rcpt="354 go on"), RetryLater("452 4.5.3 later"), 1),
        # Only the first refusal counts.
        (Script(rcpt="450 4.2.0 later", no_rcpt="554 5.5.1 nobody"), RetryLater("450 4.2.0 later"), 1),
        (Script(rcpt="550 5.1.1 who?", no_rcpt="421 enough"), AddressGone("550 5.1.1 who?"), 2),
        (Script(rcpt="550 5.1.1 who?", no_rcpt=HANG_UP), AddressGone("550 5.1.1 who?"), 2),
        # Sending a dot would deliver an empty mail.
        (Script(mail="452 4.5.3 later", careless=True), RetryLater("452 4.5.3 later"), 2),
        # Neither success nor failure: the next reply cannot be matched to a command.
        (Script(mail="banana"), RetryLater("-1 not an SMTP reply"), 2),
        (Script(rcpt="252 perhaps"), RetryLater("252 perhaps"), 2),
        (Script(data="250 so what"), RetryLater("250 so what"), 2),
        (Script(dot="354 go on"), RetryLater("354 go on"), 2),
    ],
    ids=str,
)
def test_a_refused_mail_does_not_affect_the_next_one(script: Script, expected: Outcome, connections: int) -> None:
    server = MailServer([script], offers=PIPELINING)
    messages = batch("one@mail.example", "two@mail.example")
    refused, sent = send(server, messages)
    assert refused == expected
    assert isinstance(sent, Sent)
    assert [recipient for recipient, _ in server.accepted] == ["two@mail.example"]
    assert server.connections == connections


def test_a_reply_that_does_not_end_is_cut_off_at_the_timeout() -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(b"220 hello\r\n")
        connection.recv(1024)
        connection.sendall(b"250-hello\r\n250 PIPELINING\r\n")
        connection.recv(1024)
        connection.sendall(b"250 ok\r\n")
        support.endless(connection)

    with support.server(talk) as port:
        channel = EmailChannel(at(port, 0.5), SENDER)
        assert kinds(channel.send(batch("one@mail.example"))) == [RetryLater]
        channel.close()


# On the wire --------------------------------------------------------------------------------------------------------


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
def test_the_bytes_sent_are_the_same_with_and_without_pipelining(mail: Mail, size: tuple[str, ...]) -> None:
    sent = []
    for more in ((), ("PIPELINING",)):
        server = MailServer(offers=(*size, *more, "8BITMIME", "SMTPUTF8"))
        with server.running() as port:
            connection = Connection(at(port), 5)
            connection.deliver("bell@carillon.example", mail)
            connection.close()
        sent.append((server.received.removesuffix(b"QUIT\r\n"), server.accepted))
    assert sent[0] == sent[1]
    assert len(server.accepted) == 1


def test_an_interrupted_session_is_not_reused(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> tuple[int, bytes]:
        raise KeyboardInterrupt

    for offers in (PIPELINING, WITHOUT):
        with MailServer(offers=offers).running() as port:
            connection = Connection(at(port), 5)
            monkeypatch.setattr(connection._smtp, "getreply", interrupted)
            with pytest.raises(KeyboardInterrupt):
                connection.deliver("bell@carillon.example", Mail("a@mail.example", "<1@x>", b"x: y\r\n", False))
            assert not connection.alive


def test_a_connection_lost_after_the_content_is_not_a_refusal() -> None:
    with MailServer([Script(dot=LOST)], offers=PIPELINING).running() as port:
        connection = Connection(at(port), 5)
        with pytest.raises(smtplib.SMTPServerDisconnected):
            connection.deliver("bell@carillon.example", Mail("a@mail.example", "<1@x>", b"x: y\r\n", False))
        assert not connection.alive
