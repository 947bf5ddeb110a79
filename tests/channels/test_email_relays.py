"""E-mail through Postfix and Exim, as Debian ships them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from channels.email.channel import EmailChannel, parse_sender
from channels.email.smtp import Server
from models.deliveries.lifecycle import AddressGone, Failure, Outcome, Rejected, RetryLater, Sent
from models.deliveries.message import Message
from tests.channels.mail_server import Refusing
from tests.channels.relays import Relay, exim, postfix
from tests.channels.support import batch, threads

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
    "mixed": {
        "smtpd_recipient_restrictions": "check_recipient_access inline:{"
        "{bad.example = 550 5.7.1 Refused by policy}, {grey.example = 450 4.7.1 Greylisted}}"
    },
    "two": {"smtpd_client_connection_count_limit": "2"},
}


@pytest.fixture(scope="module")
def relay() -> Iterator[Relay]:
    with postfix(POSTFIX) as running:
        yield running


def channel_to(port: int, name: str = "app") -> EmailChannel:
    return EmailChannel(Server("127.0.0.1", port, "none", name, 10.0), SENDER)


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


@pytest.mark.parametrize("server", ["postfix", "exim"])
def test_what_a_relay_was_told_by_the_next_server_disables_no_mailbox_unless_that_is_gone(server: str) -> None:
    replies = {
        "gone": "550 5.1.1 No such user",
        "full": "552 5.2.2 Mailbox full",
        "list": "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
    }
    with ExitStack() as stack:
        following = stack.enter_context(Refusing(**replies).running())
        if server == "postfix":
            verifying = {"smtpd_recipient_restrictions": "reject_unverified_recipient"}
            relay = stack.enter_context(postfix({"smtp": verifying}, following))
        else:
            relay = stack.enter_context(exim("  require verify = recipient/callout=5s\n  accept", "", following))
        outcomes = send(relay.ports["smtp"], batch(*(f"{name}@mail.example" for name in replies)))
    # Exim has no status of its own, and says the same of every failure.
    gone = AddressGone if server == "postfix" else Rejected
    assert [type(o) for o in outcomes] == [gone, Rejected, Rejected]


def assert_all_are_sent_over_two_connections(port: int) -> None:
    channel = channel_to(port)
    try:
        # Twice: the second time, the limit is known.
        for _ in range(2):
            outcomes = threads(6, lambda _: channel.send(mails(5)))
            assert {type(outcome) for found in outcomes for outcome in found} == {Sent}
    finally:
        channel.close()


def test_two_connections_to_postfix_are_enough(relay: Relay) -> None:
    before = relay.accepted()
    assert_all_are_sent_over_two_connections(relay.ports["two"])
    assert relay.accepted() == before + 60


def test_two_connections_to_exim_with_three_mails_each_are_enough() -> None:
    options = "smtp_accept_max_per_host = 2\nsmtp_accept_max_per_connection = 3"
    with exim("  accept", options) as relay:
        assert_all_are_sent_over_two_connections(relay.ports["smtp"])
        assert relay.accepted() == 60


@pytest.mark.parametrize(("domain", "outcome"), [("bad.example", Rejected), ("grey.example", RetryLater)])
def test_many_refusals_in_a_row_do_not_slow_postfix_down(relay: Relay, domain: str, outcome: type[Outcome]) -> None:
    before = relay.accepted()
    began = time.monotonic()
    outcomes = send(relay.ports["mixed"], [*mails(25, domain), *mails(25)])
    assert [type(o) for o in outcomes] == [outcome] * 25 + [Sent] * 25
    assert relay.accepted() == before + 25
    # Postfix waits for a second before each reply after ten errors, and ends the session after twenty.
    assert time.monotonic() - began < 15


def test_exim_takes_what_follows_many_refusals() -> None:
    with exim("  deny domains = bad.example\n  accept") as relay:
        outcomes = send(relay.ports["smtp"], [*mails(25, "bad.example"), *mails(25)])
        assert [type(o) for o in outcomes] == [Rejected] * 25 + [Sent] * 25
        assert relay.accepted() == 25
