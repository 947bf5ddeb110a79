"""A mail server that refuses us: the queue is held, and `doctor` says so. Refused recipients are another matter."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import repeat

import pytest

from channels.email.channel import ELSEWHERE, EmailChannel, parse_sender
from channels.email.smtp import Server
from models.deliveries.lifecycle import AddressGone, Failure, Outcome, Rejected, RetryLater, Sent
from models.deliveries.message import Message
from tests.channels.mail_server import MailServer, Refusing, Script
from tests.channels.support import batch, message

SENDER = parse_sender("Carillon <bell@carillon.example>")
ODD = "554 5.7.1 <{}>: Not for you, id 7f3a"


def send(server: MailServer, messages: Sequence[Message]) -> list[Outcome]:
    with server.running() as port:
        channel = EmailChannel(Server("127.0.0.1", port, "none", "x.example", 5.0), SENDER)
        outcomes = channel.send(messages)
        channel.close()
    return outcomes


def mails(number: int) -> list[Message]:
    return batch(*(f"user{n}@mail{n}.example" for n in range(number)))


@pytest.mark.parametrize("number", [1, 3, 50])
@pytest.mark.parametrize(
    "reply", [ODD, "550 no", "550 No mail for <{}>, ask postmaster@x.example", "554 Relaying denied"]
)
def test_a_batch_that_gets_nothing_but_one_refusal_is_held(
    reply: str, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    server = Refusing(user=reply, bell=reply)
    outcomes = send(server, mails(number))
    assert {(type(o), o.failure, o.after, o.for_all) for o in outcomes if isinstance(o, RetryLater)} == {
        (RetryLater, Failure.CREDENTIALS, 300, True)
    }
    assert len(outcomes) == number
    assert all("user" not in getattr(o, "reason", "user") for o in outcomes)
    assert logging.ERROR in {record.levelno for record in caplog.records}
    # Once it is known, the others are not tried.
    assert server.received.count(b"rcpt TO:<user") == min(number, 5)
    assert server.accepted == []


def test_refused_recipients_are_not_a_refusal_of_us() -> None:
    server = Refusing(user=ODD)
    assert [type(o) for o in send(server, mails(12))] == [Rejected] * 12
    # Whether mail to the sender would be taken was asked once.
    assert server.received.lower().count(b"rcpt to:<bell@carillon.example>") == 1


def test_a_relay_that_takes_only_its_own_domain_holds_the_others(caplog: pytest.LogCaptureFixture) -> None:
    outcomes = send(Refusing(user="554 5.7.1 <{}>: Relay access denied"), mails(12))
    assert {(type(o), getattr(o, "failure", 0), getattr(o, "for_all", 0)) for o in outcomes} == {
        (RetryLater, Failure.CREDENTIALS, False)
    }


def test_one_accepted_mail_proves_that_the_server_does_not_refuse_us() -> None:
    messages = [message("friend@mail.example"), *mails(9)]
    outcomes = send(Refusing(user=ODD, bell=ODD), messages)
    assert [type(o) for o in outcomes] == [Sent, *[Rejected] * 9]


def test_two_kinds_of_refusal_are_about_the_recipients() -> None:
    replies = {"user0": "550 no", "user": ODD, "bell": ODD}
    assert [type(o) for o in send(Refusing(**replies), mails(4))] == [Rejected] * 4


def test_gone_addresses_are_gone_although_the_sender_has_no_mailbox_either() -> None:
    gone = "550 5.1.1 <{}>: Recipient address rejected: User unknown"
    assert [type(o) for o in send(Refusing(user=gone, bell=gone), mails(9))] == [AddressGone] * 9


def test_a_refusal_of_every_content_spends_attempts_and_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    server = MailServer(repeat(Script(dot="554 5.7.1 Refused by our filter, id 7f3a")))
    outcomes = send(server, mails(3))
    assert (
        outcomes
        == [RetryLater("554 5.7.1 Refused by our filter, id 7f3a", Failure.UNCLASSIFIED, 300, for_all=False)] * 3
    )
    assert logging.ERROR in {record.levelno for record in caplog.records}
    assert [type(o) for o in send(MailServer([Script(dot="554 5.7.1 spam")]), mails(3))] == [Rejected, Sent, Sent]


def test_a_sender_that_is_not_verified_is_refused_for_all() -> None:
    reply = "554 Message rejected: Email address is not verified. The following identities failed the check"
    outcomes = send(MailServer(repeat(Script(dot=reply))), mails(9))
    assert outcomes == [RetryLater(reply, Failure.CREDENTIALS, 300, for_all=True)] * 9


# doctor -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("replies", "found"),
    [
        ({}, None),
        # The relay takes mail of its own domain only.
        ({ELSEWHERE: "554 5.7.1 <{}>: Relay access denied"}, "Relay access denied"),
        ({"bell": "553 5.7.1 <{}>: Sender address rejected: not owned by user x"}, "not owned"),
        ({"bell": ODD, ELSEWHERE: ODD}, "Not for you"),
        # These are about the mailboxes.
        ({"bell": "550 5.1.1 <{}> no such mailbox"}, None),
        ({ELSEWHERE: "556 5.1.10 <{}>: Domain example.com does not accept mail (nullMX)"}, None),
        ({"bell": "451 4.7.1 <{}> greylisted", ELSEWHERE: "451 4.7.1 <{}> greylisted"}, None),
    ],
    ids=str,
)
def test_the_check_asks_for_permission_and_sends_nothing(replies: dict[str, str], found: str | None) -> None:
    server = Refusing(**replies)
    with server.running() as port:
        channel = EmailChannel(Server("127.0.0.1", port, "none", "x.example", 5.0), SENDER)
        result = channel.check()
        channel.close()
    assert (found in (result or "")) if found else result is None
    assert b"data\r\n" not in server.received.lower()
    assert server.received.lower().count(b"rset") == 2


def test_the_check_says_that_the_sender_is_refused() -> None:
    with MailServer([Script(mail="550 5.7.1 not yours")]).running() as port:
        channel = EmailChannel(Server("127.0.0.1", port, "none", "x.example", 5.0), SENDER)
        assert channel.check() == "550 5.7.1 not yours"
        channel.close()
