"""Sessions with mail servers: encryption, login, and servers that misbehave."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import pytest

from channels.email import channel as email
from channels.email.channel import EmailChannel
from channels.email.smtp import Server
from models.deliveries.lifecycle import AddressGone, Failure, Outcome, Rejected, RetryLater, Sent
from tests.channels import support
from tests.channels.mail_server import MailServer
from tests.channels.support import Lab, batch

TIMEOUT = 1.0
SENDER = email.parse_sender("Carillon <bell@carillon.example>")
LATER = RetryLater("")
CREDENTIALS = RetryLater("", Failure.CREDENTIALS, 300)


def kinds(outcomes: list[Outcome]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


def server(lab: Lab, **other: Any) -> Server:
    context = ssl.create_default_context(cadata=lab.ca())
    values: dict[str, Any] = {
        "host": "localhost",
        "port": lab.smtp_port,
        "security": "starttls",
        "name": "carillon.example",
        "timeout": TIMEOUT,
        "username": "carillon",
        "password": "right",
        "context": context,
    }
    return Server(**(values | other))


def sent_with(server: Server) -> Outcome:
    channel = EmailChannel(server, SENDER)
    outcomes = channel.send(batch("ok-1@mail.example", "ok-2@mail.example"))
    channel.close()
    assert len({type(outcome) for outcome in outcomes}) == 1
    return outcomes[0]


def test_a_mail_is_sent_after_starttls_and_login(lab: Lab) -> None:
    assert isinstance(sent_with(server(lab)), Sent)


@pytest.mark.parametrize(
    "wrong",
    [
        {"password": "wrong"},
        {"context": ssl.create_default_context()},
        {"security": "tls"},
        {"security": "none"},
    ],
    ids=lambda wrong: "-".join(wrong),
)
def test_wrong_credentials_or_encryption_are_an_error_and_nothing_is_sent(
    lab: Lab, wrong: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    outcome = sent_with(server(lab, **wrong))
    assert isinstance(outcome, RetryLater)
    assert (outcome.failure, outcome.after) == (Failure.CREDENTIALS, 300)
    assert lab.arrivals() == []
    assert [record.levelname for record in caplog.records if record.name.startswith("channels")] == ["ERROR"]
    assert "wrong" not in caplog.text


def scripted(**replies: str) -> Callable[[socket.socket], None]:
    """A server that answers each command with the given reply, and other commands with 250."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(replies.get("greeting", "220 hello").encode() + b"\r\n")
        lines = connection.makefile("rb")
        for line in lines:
            verb = line[:4].strip().decode().lower()
            connection.sendall(replies.get(verb, "354 go on" if verb == "data" else "250 ok").encode() + b"\r\n")
            if verb == "data" and "data" not in replies:
                while lines.readline() not in (b".\r\n", b""):
                    pass
                connection.sendall(replies.get("dot", "250 taken").encode() + b"\r\n")

    return talk


def with_script(security: str = "none", address: str = "ok@mail.example", **replies: str) -> list[Outcome]:
    with support.server(scripted(**replies)) as port:
        channel = EmailChannel(Server("127.0.0.1", port, security, "x.example", 0.5), SENDER)  # type: ignore[arg-type]
        outcomes = channel.send(batch(address, "plain@mail.example"))
        channel.close()
    return outcomes


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ({}, [Sent, Sent]),
        ({"greeting": "554 5.7.1 not you"}, [CREDENTIALS] * 2),
        ({"greeting": "421 busy"}, [LATER] * 2),
        ({"ehlo": "502 what?", "helo": "502 what?"}, [CREDENTIALS] * 2),
        ({"mail": "550 5.7.1 not your address"}, [CREDENTIALS] * 2),
        ({"rcpt": "550 5.1.1 who?"}, [AddressGone, AddressGone]),
        ({"data": "554 5.6.0 no"}, [Rejected, Rejected]),
        ({"data": "451 later"}, [LATER, LATER]),
        ({"dot": "552 5.3.4 too large"}, [Rejected, Rejected]),
        ({"dot": "421 4.3.0 good-bye"}, [LATER, LATER]),
        ({"rset": "500 what?", "rcpt": "550 5.1.1 who?"}, [AddressGone, AddressGone]),
        ({"mail": "banana"}, [LATER, LATER]),
    ],
    ids=str,
)
@pytest.mark.parametrize("ehlo", ["250 ok", "250-ok\r\n250 PIPELINING"])
def test_each_reply_leads_to_its_outcome_in_a_real_session(
    ehlo: str, replies: dict[str, str], expected: list[Any]
) -> None:
    outcomes = with_script(**{"ehlo": ehlo, **replies})
    for outcome, wanted in zip(outcomes, expected, strict=True):
        if isinstance(wanted, RetryLater):
            assert isinstance(outcome, RetryLater)
            assert (outcome.failure, outcome.after) == (wanted.failure, wanted.after)
        else:
            assert isinstance(outcome, wanted)


def test_nothing_is_sent_unencrypted_if_the_server_lacks_starttls() -> None:
    outcomes = with_script("starttls")
    assert [getattr(outcome, "failure", None) for outcome in outcomes] == [Failure.CREDENTIALS] * 2


def test_a_non_ascii_address_is_rejected_if_the_server_lacks_smtputf8() -> None:
    assert kinds(with_script(address="jörg@mail.example")) == [Rejected, Sent]


@pytest.mark.parametrize(("ehlo", "reason"), [("250 ok", "does not offer"), ("250-ok\r\n250 SMTPUTF8", None)])
def test_the_check_compares_the_setting_with_what_the_server_offers(ehlo: str, reason: str | None) -> None:
    with support.server(scripted(ehlo=ehlo)) as port:
        channel = EmailChannel(Server("127.0.0.1", port, "none", "x.example", 0.5), SENDER, utf8=True)
        found = channel.check()
        channel.close()
    assert found is None if reason is None else reason in (found or "")


@pytest.mark.parametrize(
    ("host_name", "setting", "sent"),
    [
        ("app1.shop.example", "", "app1.shop.example"),
        ("3f9a51c2", "", "[127.0.0.1]"),
        ("3f9a51c2", "mailer.shop.example", "mailer.shop.example"),
    ],
)
def test_ehlo_has_the_name_of_this_machine_or_else_its_address(
    host_name: str, setting: str, sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: host_name)
    server = MailServer()
    with server.running() as port:
        settings = support.settings_for(
            "", 1, SMTP_HOST="127.0.0.1", SMTP_PORT=str(port), SMTP_SECURITY="none", SMTP_EHLO_NAME=setting
        )
        channel = email.build(settings, "live")
        assert channel is not None
        assert kinds(channel.send(batch("ok@mail.example"))) == [Sent]
        channel.close()
    assert server.received.startswith(f"ehlo {sent}\r\n".encode())


def test_a_server_that_sends_single_bytes_is_cut_off_at_the_timeout() -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(b"220 ")
        while True:
            connection.sendall(b"h")
            time.sleep(0.05)

    with support.server(talk) as port:
        channel = EmailChannel(Server("127.0.0.1", port, "none", "x.example", 0.5), SENDER)
        began = time.monotonic()
        assert kinds(channel.send(batch("ok-1@mail.example", "ok-2@mail.example"))) == [RetryLater, RetryLater]
        assert time.monotonic() - began < 10
