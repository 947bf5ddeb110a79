"""The e-mail channel: how a batch is sent. Contents are in test_email_message.py, replies in test_email_replies.py."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator

import pytest

from channels.email import channel as email
from channels.email import smtp as email_smtp
from channels.email.channel import EmailChannel
from channels.email.smtp import Server
from config.settings import SettingsError
from models.deliveries.lifecycle import AddressGone, Deferred, Outcome, Rejected, RetryLater, Sent
from models.deliveries.message import Action, Message
from tests.channels import support
from tests.channels.support import Lab, batch, message

TIMEOUT = 1.0
SENDER = email.parse_sender("Carillon <bell@carillon.example>")


@pytest.fixture
def channel(lab: Lab) -> Iterator[EmailChannel]:
    channel = email.build(lab.settings(TIMEOUT), "test")
    assert channel is not None
    yield channel
    channel.close()


def mails(*words: str) -> list[Message]:
    return batch(*(f"{word}@mail.example" for word in words))


def kinds(outcomes: list[Outcome]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("gone", AddressGone("550 5.1.1 No such mailbox here")),
        ("full", Rejected("552 5.2.2 Mailbox full")),
        ("policy", Rejected("550 5.7.1 Message refused by policy")),
        ("grey", RetryLater("451 4.7.1 Greylisted, please try again later")),
        ("down", RetryLater("451 4.3.0 Temporary system failure")),
        ("busy", RetryLater("421 4.3.2 Too busy, closing the connection")),
        ("close", RetryLater("SMTPServerDisconnected: the server closed the connection")),
        ("lost", RetryLater("SMTPServerDisconnected: the server closed the connection")),
    ],
)
def test_each_fault_word_of_the_lab_leads_to_its_outcome(channel: EmailChannel, word: str, expected: Outcome) -> None:
    assert channel.send(mails(f"{word}-x")) == [expected]


def test_a_greylisted_mail_is_sent_at_the_second_attempt(channel: EmailChannel) -> None:
    assert kinds(channel.send(mails("grey-x"))) == [RetryLater]
    assert kinds(channel.send(mails("grey-x"))) == [Sent]


# Sending a batch ----------------------------------------------------------------------------------------------------


def test_a_failed_mail_does_not_affect_the_others(lab: Lab, channel: EmailChannel) -> None:
    outcomes = channel.send(mails("ok-1", "gone-2", "ok-3", "policy-4", "grey-5", "full-6", "ok-7"))
    assert kinds(outcomes) == [Sent, AddressGone, Sent, Rejected, RetryLater, Rejected, Sent]
    accepted = lab.arrivals(outcome="accepted")
    assert [arrival["address"] for arrival in accepted] == [f"ok-{n}@mail.example" for n in (1, 3, 7)]
    assert [Sent(arrival["message_id"]) for arrival in accepted] == [outcomes[n] for n in (0, 2, 6)]


def test_a_broken_connection_is_replaced_once(lab: Lab, channel: EmailChannel) -> None:
    outcomes = channel.send(mails("ok-1", "close-2", "ok-3", "lost-4", "ok-5"))
    assert kinds(outcomes) == [Sent, RetryLater, Sent, RetryLater, Deferred]
    assert [arrival["address"].partition("@")[0] for arrival in lab.arrivals()] == ["ok-1", "close-2", "ok-3", "lost-4"]


def test_a_mailbox_with_a_421_does_not_end_the_batch(lab: Lab, channel: EmailChannel) -> None:
    outcomes = channel.send(mails("ok-1", "busy-2", "ok-3", "busy-4", "ok-5"))
    assert kinds(outcomes) == [Sent, RetryLater, Sent, RetryLater, Deferred]
    assert len(lab.arrivals()) == 4
    assert kinds(channel.send(mails("ok-5"))) == [Sent]


@pytest.mark.slow
def test_a_slow_mail_takes_no_longer_than_the_timeout(channel: EmailChannel) -> None:
    began = time.monotonic()
    assert kinds(channel.send(mails("ok-1", "slow6-2", "ok-3"))) == [Sent, RetryLater, Sent]
    assert time.monotonic() - began < 6


@pytest.mark.slow
def test_a_batch_ends_before_its_lease(lab: Lab) -> None:
    server = Server("127.0.0.1", lab.smtp_port, "none", "carillon.example", 2.0)
    channel = EmailChannel(server, SENDER)
    # The second mail starts in time. The third does not start: with a new session, it could take 4 seconds.
    outcomes = channel.send(mails("ok-1", "slow1-2", "ok-3", "ok-4"), time.monotonic() + 4.5)
    channel.close()
    assert kinds(outcomes) == [Sent, Sent, Deferred, Deferred]
    assert len(lab.arrivals()) == 2


def test_connections_are_kept_between_batches(lab: Lab, channel: EmailChannel) -> None:
    channel.send(mails("ok-1", "ok-2"))
    first = support.connections_to(lab.smtp_port)
    channel.send(mails("ok-3", "gone-4", "ok-5"))
    assert len(first) == 1
    assert support.connections_to(lab.smtp_port) == first
    channel.close()
    assert support.connections_to(lab.smtp_port) == set()


def test_a_connection_is_replaced_after_its_maximum_number_of_mails_or_age(
    lab: Lab, channel: EmailChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel._pool.learn_max_mails(2)
    assert kinds(channel.send(mails("ok-1", "ok-2", "ok-3", "ok-4", "ok-5"))) == [Sent] * 5
    first = support.connections_to(lab.smtp_port)
    monkeypatch.setattr(email_smtp, "MAX_SESSION", 0.0)
    assert kinds(channel.send(mails("ok-6"))) == [Sent]
    assert not first & support.connections_to(lab.smtp_port)


def test_a_connection_that_died_in_the_pool_is_replaced(channel: EmailChannel) -> None:
    assert kinds(channel.send(mails("ok-1"))) == [Sent]
    # Simulates a server that closes an idle connection.
    channel._pool._idle[0]._smtp.sock.shutdown(socket.SHUT_RDWR)
    assert kinds(channel.send(mails("ok-2"))) == [Sent]


def test_a_withdrawal_is_not_sent(lab: Lab, channel: EmailChannel) -> None:
    assert channel.send([message("ok@mail.example", action=Action.WITHDRAW)]) == [Sent()]
    assert lab.arrivals() == []


def test_addresses_in_any_script_are_accepted_with_their_domain_in_ascii(lab: Lab, channel: EmailChannel) -> None:
    addresses = ["jörg@müller.example", "joerg@müller.example", "日本@例え.テスト", '"odd one"@mail.example']
    assert kinds(channel.send(batch(*addresses))) == [Sent] * 4
    arrived = [arrival["address"] for arrival in lab.arrivals()]
    assert arrived == [
        "jörg@xn--mller-kva.example",
        "joerg@xn--mller-kva.example",
        "日本@xn--r8jz45g.xn--zckzah",
        '"odd one"@mail.example',
    ]


@pytest.mark.parametrize(
    "address",
    ["", "nobody", "@", "a@", "@b", "a@b@c", "a b@c.example", "a@c.example\nBcc: x@y.example", "<a@c.example>",
     "a@c..d", "a@c.example,b@c.example", "Ann <a@c.example>", "x" * 65 + "@c.example", "a@" + "c." * 130 + "d",
     "a@[127.0.0.1]", "a@c.example\ud800", "a@-c.example", "a@ex ample", "(comment)a@c.example"],
)  # fmt: skip
def test_an_address_that_is_not_a_mailbox_is_rejected(lab: Lab, channel: EmailChannel, address: str) -> None:
    outcomes = channel.send([message("ok-1@mail.example"), message(address), message("ok-2@mail.example")])
    assert kinds(outcomes) == [Sent, Rejected, Sent]
    assert [arrival["address"] for arrival in lab.arrivals()] == ["ok-1@mail.example", "ok-2@mail.example"]


def test_failures_of_one_kind_are_logged_once_with_their_count(
    channel: EmailChannel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "channels")
    channel.send(mails("down-1", "down-2", "gone-3", "ok-4"))
    found = {(record.error, record.levelname, record.count) for record in caplog.records}  # type: ignore[attr-defined]
    assert found == {("SMTPRecipientsRefused 451", "WARNING", 2), ("SMTPRecipientsRefused 550", "INFO", 1)}


# Building the channel -----------------------------------------------------------------------------------------------


def test_live_keys_use_the_mail_server_and_test_keys_the_lab(lab: Lab) -> None:
    live = email.build(lab.settings(SMTP_HOST="smtp.example", SMTP_USERNAME="u", SMTP_PASSWORD="p"), "live")
    assert live is not None
    server = live._pool._server
    assert (server.host, server.port, server.security, server.username) == ("smtp.example", 587, "starttls", "u")
    assert "password" not in repr(server)
    for mode, host in (("live", ""), ("test", "smtp.example")):
        built = email.build(lab.settings(SMTP_HOST=host), mode)  # type: ignore[arg-type]
        assert built is not None
        server = built._pool._server
        assert (server.host, server.port, server.security) == ("127.0.0.1", lab.smtp_port, "none")
    assert email.build(lab.settings(CARILLON_LAB_URL=""), "live") is None
    assert email.build(lab.settings(CARILLON_LAB_URL="", SMTP_HOST="smtp.example"), "test") is None


@pytest.mark.parametrize(
    ("setting", "environ"),
    [
        ("SMTP_USERNAME", {"SMTP_USERNAME": "u", "SMTP_SECURITY": "none"}),
        ("SMTP_PASSWORD", {"SMTP_USERNAME": "u", "SMTP_PASSWORD": "ü"}),
        ("SMTP_FROM", {"SMTP_FROM": "nobody"}),
        ("SMTP_FROM", {"SMTP_FROM": "a@x.example, b@x.example"}),
        ("SMTP_FROM", {"SMTP_FROM": "jörg@x.example"}),
        ("SMTP_FROM", {"SMTP_FROM": "=?utf-8?q?a=0Ab?= <a@x.example>"}),
    ],
)
def test_settings_that_contradict_each_other_are_a_settings_error(
    lab: Lab, setting: str, environ: dict[str, str]
) -> None:
    with pytest.raises(SettingsError, match=setting):
        email.build(lab.settings(TIMEOUT, SMTP_HOST="smtp.example", **environ), "live")
