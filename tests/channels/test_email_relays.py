"""E-mail through Postfix and Exim, as Debian ships them."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from channels.email.channel import EmailChannel, parse_sender
from channels.email.smtp import Server
from models.deliveries.lifecycle import AddressGone, Failure, Outcome, RetryLater, Sent
from models.deliveries.message import Message
from tests.channels.relays import Relay, exim, postfix
from tests.channels.support import batch

pytestmark = pytest.mark.slow

SENDER = parse_sender("Carillon <bell@carillon.example>")
# What Exim's default configuration does with clients that it does not know.
EXIM_DEFAULT = """
  accept domains = mail.example
  deny message = relay not permitted
"""

POSTFIX = {
    "open": {},
    "relay": {"mynetworks": "192.0.2.0/24"},
    "sender": {"smtpd_sender_restrictions": "check_sender_access inline:{bell@carillon.example=REJECT}"},
    "helo": {"smtpd_helo_restrictions": "reject_non_fqdn_helo_hostname"},
    "client": {"smtpd_client_restrictions": "check_client_access static:reject"},
    "unknown": {
        "smtpd_recipient_restrictions": "check_recipient_access inline:{bell@carillon.example=OK}, "
        "check_recipient_access static:{550 5.1.1 User unknown}"
    },
}


@pytest.fixture(scope="module")
def relay() -> Iterator[Relay]:
    with postfix(POSTFIX) as running:
        yield running


def channel_to(port: int, name: str = "app") -> EmailChannel:
    return EmailChannel(Server("127.0.0.1", port, "none", name, 10.0), SENDER, 50)


def mails(number: int, domain: str = "mail.example") -> list[Message]:
    return batch(*(f"user{n}@{domain}" for n in range(number)))


def send(port: int, messages: list[Message]) -> list[Outcome]:
    channel = channel_to(port)
    try:
        return channel.send(messages)
    finally:
        channel.close()


def check(port: int) -> str | None:
    channel = channel_to(port)
    try:
        return channel.check()
    finally:
        channel.close()


def assert_held(outcomes: list[Outcome], caplog: pytest.LogCaptureFixture) -> None:
    held = {(o.failure, o.after, o.for_all) for o in outcomes if isinstance(o, RetryLater)}
    assert held == {(Failure.CREDENTIALS, 300, True)}
    assert all(isinstance(outcome, RetryLater) for outcome in outcomes)
    assert logging.ERROR in {record.levelno for record in caplog.records}


@pytest.mark.parametrize("why", ["relay", "sender", "helo", "client"])
def test_what_postfix_refuses_because_of_us_is_held(relay: Relay, why: str, caplog: pytest.LogCaptureFixture) -> None:
    assert_held(send(relay.ports[why], mails(12)), caplog)
    assert "rejected" in str(check(relay.ports[why])) or "denied" in str(check(relay.ports[why]))


def test_postfix_takes_what_it_does_not_refuse(relay: Relay) -> None:
    before = relay.accepted()
    assert check(relay.ports["open"]) is None
    assert relay.accepted() == before
    assert [type(o) for o in send(relay.ports["open"], mails(60))] == [Sent] * 60
    assert relay.accepted() == before + 60


def test_unknown_users_of_postfix_are_gone(relay: Relay) -> None:
    assert [type(o) for o in send(relay.ports["unknown"], mails(3))] == [AddressGone] * 3
    assert check(relay.ports["unknown"]) is None


def test_what_exim_refuses_because_of_us_is_held(caplog: pytest.LogCaptureFixture) -> None:
    with exim(EXIM_DEFAULT) as relay:
        assert_held(send(relay.ports["smtp"], mails(12, "elsewhere.example")), caplog)
        assert check(relay.ports["smtp"]) == "550 relay not permitted"
        assert [type(o) for o in send(relay.ports["smtp"], mails(2))] == [Sent] * 2
        assert relay.accepted() == 2
    # Its answer if no text is configured.
    with exim("  deny") as relay:
        assert_held(send(relay.ports["smtp"], mails(12)), caplog)
        assert check(relay.ports["smtp"]) == "550 Administrative prohibition"
