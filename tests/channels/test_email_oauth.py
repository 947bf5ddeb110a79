"""XOAUTH2: access tokens instead of a password."""

from __future__ import annotations

import base64
import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from itertools import repeat
from typing import Any
from urllib.parse import parse_qs

import pytest

from channels.email import channel as email
from channels.email import oauth
from channels.email.channel import EmailChannel, parse_sender
from channels.email.oauth import AccessTokens
from channels.email.smtp import Server
from config.settings import SettingsError
from lab.certificate import Certificate
from models.deliveries.lifecycle import Failure, Outcome, RetryLater, Sent
from tests.channels import support
from tests.channels.mail_server import MailServer
from tests.channels.support import batch

CERTIFICATE = Certificate()
OAUTH = {
    "SMTP_HOST": "smtp.office365.com",
    "SMTP_USERNAME": "bell@carillon.example",
    "SMTP_OAUTH_TOKEN_URL": "https://login.example/token",
    "SMTP_OAUTH_CLIENT_ID": "app",
    "SMTP_OAUTH_CLIENT_SECRET": "hush",
}
# What Exchange Online puts into the challenge after a token that it refuses.
ERROR = base64.b64encode(b'{"status":"400","schemes":"Bearer","scope":"https://outlook.office365.com/"}').decode()


class TokenEndpoint:
    """Answers with `status` and `answer`; tokens are numbered."""

    def __init__(self) -> None:
        self.requests: list[dict[str, list[str]]] = []
        self.status = 200
        self.answer: dict[str, Any] = {"token_type": "Bearer", "expires_in": 3599}
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                endpoint.requests.append(parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()))
                token = {"access_token": f"token-{len(endpoint.requests)}"} if endpoint.status == 200 else {}
                body = json.dumps({**token, **endpoint.answer}).encode()
                self.send_response(endpoint.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def tokens(self) -> AccessTokens:
        return AccessTokens(f"http://127.0.0.1:{self.server.server_port}/token", "app", "hush", "mail.send")

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def endpoint() -> Iterator[TokenEndpoint]:
    endpoint = TokenEndpoint()
    yield endpoint
    endpoint.close()


def mail_server(offers: str = "AUTH LOGIN XOAUTH2") -> MailServer:
    return MailServer(offers=("STARTTLS",), offers_tls=(offers,), tls=CERTIFICATE.context())


def send(server: MailServer, tokens: AccessTokens, batches: int = 1) -> list[Outcome]:
    context = ssl.create_default_context(cadata=CERTIFICATE.pem)
    outcomes: list[Outcome] = []
    with server.running() as port:
        for _ in range(batches):
            channel = EmailChannel(
                Server("localhost", port, "starttls", "", 5.0, "bell@carillon.example", "", tokens, context),
                parse_sender("bell@carillon.example"),
            )
            outcomes += channel.send(batch("ok@mail.example"))
            channel.close()
    return outcomes


def test_a_token_is_fetched_once_and_sent_instead_of_a_password(endpoint: TokenEndpoint) -> None:
    server = mail_server()
    assert [type(o) for o in send(server, endpoint.tokens(), batches=2)] == [Sent, Sent]
    assert endpoint.requests == [
        {"grant_type": ["client_credentials"], "client_id": ["app"], "client_secret": ["hush"], "scope": ["mail.send"]}
    ]
    sent = base64.b64encode(b"user=bell@carillon.example\x01auth=Bearer token-1\x01\x01").decode()
    assert server.logins == [f"AUTH XOAUTH2 {sent}"] * 2


def test_a_token_is_replaced_before_it_ends(endpoint: TokenEndpoint) -> None:
    endpoint.answer["expires_in"] = oauth.MARGIN - 1
    tokens = endpoint.tokens()
    assert [tokens.get(5), tokens.get(5)] == ["token-1", "token-2"]


def test_a_token_that_the_mail_server_refuses_is_replaced(endpoint: TokenEndpoint) -> None:
    server = mail_server()
    server.answers_to_login = iter([f"334 {ERROR}", "535 5.7.3 Authentication unsuccessful", "235 2.7.0 welcome"])
    outcomes = send(server, endpoint.tokens(), batches=2)
    assert outcomes[0] == RetryLater(
        "535 5.7.3 Authentication unsuccessful", Failure.CREDENTIALS, after=300, for_all=True
    )
    assert isinstance(outcomes[1], Sent)
    # The answer to the challenge is an empty line.
    assert (server.logins[1], len(endpoint.requests)) == ("", 2)


def test_a_client_that_the_token_endpoint_refuses_spends_no_attempts(endpoint: TokenEndpoint) -> None:
    endpoint.status, endpoint.answer = 401, {"error": "invalid_client", "error_description": "AADSTS7000215: no"}
    [outcome] = send(mail_server(), endpoint.tokens())
    assert outcome == RetryLater(
        "TokenRefused: invalid_client: AADSTS7000215: no", Failure.CREDENTIALS, after=300, for_all=True
    )


@pytest.mark.parametrize(
    ("status", "answer"), [(503, {}), (200, {"access_token": None}), (200, {"access_token": "tökén"})]
)
def test_a_token_endpoint_that_fails_is_an_outage(endpoint: TokenEndpoint, status: int, answer: dict[str, Any]) -> None:
    endpoint.status, endpoint.answer = status, answer
    [outcome] = send(mail_server(), endpoint.tokens())
    assert isinstance(outcome, RetryLater)
    assert outcome.failure is Failure.PROVIDER_DOWN


def test_threads_share_a_token(endpoint: TokenEndpoint) -> None:
    tokens = endpoint.tokens()
    assert support.threads(8, lambda _: tokens.get(5)) == ["token-1"] * 8


def test_a_silent_token_endpoint_takes_bounded_time() -> None:
    with support.server(support.silent) as port:
        tokens = AccessTokens(f"http://127.0.0.1:{port}/", "app", "hush", "mail.send")
        assert support.threads(3, lambda _: _error(tokens)) == ["TokenUnavailable"] * 3


def _error(tokens: AccessTokens) -> str:
    try:
        return tokens.get(0.3)
    except OSError as error:
        return type(error).__name__


def test_a_server_without_xoauth2_is_told_nothing(endpoint: TokenEndpoint) -> None:
    server = mail_server("AUTH LOGIN PLAIN")
    server.answers_to_login = repeat("235 2.7.0 welcome")
    [outcome] = send(server, endpoint.tokens())
    assert isinstance(outcome, RetryLater)
    assert (outcome.failure, server.logins) == (Failure.CREDENTIALS, [])
    assert "does not offer XOAUTH2" in outcome.reason


def test_the_channel_is_built_with_tokens() -> None:
    channel = email.build(support.settings_for("", 1, **OAUTH), "live")
    assert channel is not None
    assert channel._server.tokens is not None
    assert "hush" not in repr(channel._server)
    channel.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"SMTP_USERNAME": ""},
        {"SMTP_OAUTH_CLIENT_ID": ""},
        {"SMTP_OAUTH_CLIENT_SECRET": ""},
        {"SMTP_OAUTH_TOKEN_URL": "http://login.example/token"},
        {"SMTP_PASSWORD": "too"},
        {"SMTP_SECURITY": "none"},
    ],
    ids=str,
)
def test_settings_that_contradict_each_other_are_a_settings_error(wrong: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="SMTP_"):
        email.build(support.settings_for("", 1, **{**OAUTH, **wrong}), "live")
