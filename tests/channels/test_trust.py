"""SSL_CERT_FILE decides which certificates are trusted: for push, and for e-mail."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from channels.email import smtp
from channels.email.channel import EmailChannel, parse_sender
from channels.email.smtp import Server
from channels.http_batch import Http, fetch
from lab.certificate import Certificate
from models.deliveries.lifecycle import Failure, RetryLater, Sent
from tests.channels.mail_server import MailServer
from tests.channels.support import batch


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    certificate = Certificate()
    (tmp_path / "ca.pem").write_text(certificate.pem)
    return certificate


@pytest.fixture(params=[True, False], ids=["trusted", "not-trusted"])
def trusted(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[bool]:
    if request.param:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    else:
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    # A process reads the file once.
    smtp._default_context.cache_clear()
    yield request.param
    smtp._default_context.cache_clear()


class _Ok(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_push_trusts_the_certificates_of_the_setting(certificate: Certificate, trusted: bool) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Ok) as server:
        server.socket = certificate.context().wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"https://localhost:{server.server_port}/"
        transport = Http(5.0)
        answers = [*transport.post(url, [], [b"{}"]), fetch(url, timeout=5.0, body=b"{}")]
        transport.close()
        server.shutdown()
    assert [answer.status for answer in answers] == [200 if trusted else 0] * 2
    assert trusted or all("certificate" in answer.error for answer in answers)


def test_e_mail_trusts_the_certificates_of_the_setting(certificate: Certificate, trusted: bool) -> None:
    server = MailServer(offers=("STARTTLS",), tls=certificate.context())
    with server.running() as port:
        channel = EmailChannel(Server("localhost", port, "starttls", "", 5.0), parse_sender("bell@carillon.example"))
        [outcome] = channel.send(batch("ok@mail.example"))
        channel.close()
    if trusted:
        assert isinstance(outcome, Sent)
    else:
        assert isinstance(outcome, RetryLater)
        assert outcome.failure is Failure.CREDENTIALS
