"""Access tokens: fetched once, refreshed in time, and the outcome while there is none."""

from __future__ import annotations

import json
import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from channels.failures import CREDENTIALS_RETRY_AFTER
from channels.fcm import channel as fcm
from channels.fcm import credentials
from channels.fcm.channel import FcmChannel, classify, parse_error
from channels.fcm.credentials import (
    AccessToken,
    AccessTokens,
    TokenRequest,
    Unreachable,
    load_default,
    load_file,
    load_lab,
)
from channels.http_batch import Answer, Http, fetch
from config.settings import SettingsError
from models.deliveries.lifecycle import Deferred, Failure, RetryLater, Sent
from tests.channels import support
from tests.channels.support import Lab, batch

TIMEOUT = 1.0


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that were fetched for credentials and tokens, in order."""
    paths: list[str] = []

    def counting(url: str, **kwargs: Any) -> Answer:
        paths.append(url.rpartition("/")[2])
        return fetch(url, **kwargs)

    monkeypatch.setattr(credentials, "fetch", counting)
    return paths


@pytest.fixture
def access_tokens(lab: Lab, fetched: list[str]) -> AccessTokens:
    return AccessTokens(partial(load_lab, lab.url, TIMEOUT / 2), TIMEOUT)


@pytest.fixture
def channel(lab: Lab, fetched: list[str]) -> Iterator[FcmChannel]:
    channel = fcm.build(lab.settings(TIMEOUT), "test")
    assert channel is not None
    yield channel
    channel.close()


def expire(access_tokens: AccessTokens, **before: float) -> None:
    """Make the token expire after this time."""
    assert access_tokens._account is not None
    # google-auth uses naive UTC times.
    access_tokens._account.credential.expiry = datetime.now(UTC).replace(tzinfo=None) + timedelta(**before)


def test_threads_share_one_token(access_tokens: AccessTokens, fetched: list[str]) -> None:
    tokens = support.threads(8, lambda _: access_tokens.get())
    assert len({token.token for token in tokens}) == 1
    assert {token.project for token in tokens} == {"carillon-lab"}
    assert fetched == ["service-account.json", "token"]


def test_a_token_is_refreshed_before_it_expires(access_tokens: AccessTokens, fetched: list[str]) -> None:
    first = access_tokens.get()
    expire(access_tokens, minutes=3)
    assert isinstance(second := access_tokens.get(), AccessToken)
    assert second != first
    assert fetched == ["service-account.json", "token", "token"]


def test_the_old_token_is_used_until_it_expires_if_refreshing_fails(
    lab: Lab, access_tokens: AccessTokens, fetched: list[str]
) -> None:
    first = access_tokens.get()
    expire(access_tokens, minutes=3)
    lab.fault(oauth="down")
    assert access_tokens.get() == access_tokens.get() == first
    # One failed request for both calls: the endpoint is not called for every batch.
    assert fetched.count("token") == 2
    expire(access_tokens, seconds=-1)
    assert isinstance(access_tokens.get(), RetryLater)


@pytest.mark.parametrize(
    ("fault", "failure", "after", "level"),
    [
        ("denied", Failure.CREDENTIALS, CREDENTIALS_RETRY_AFTER, "ERROR"),
        ("down", Failure.PROVIDER_DOWN, None, "WARNING"),
        ("error", Failure.PROVIDER_DOWN, None, "WARNING"),
        ("close", Failure.PROVIDER_DOWN, None, "WARNING"),
        ("slow", Failure.PROVIDER_DOWN, None, "WARNING"),
    ],
)
def test_without_a_token_every_message_is_retried_later(
    lab: Lab,
    channel: FcmChannel,
    fetched: list[str],
    caplog: pytest.LogCaptureFixture,
    fault: str,
    failure: Failure,
    after: float | None,
    level: str,
) -> None:
    lab.fault(oauth=fault)
    outcomes = channel.send(batch(*(f"device-{n}" for n in range(5))))
    # google-auth's own transport would try three times, with back-off.
    assert fetched.count("token") == 1
    assert len(outcomes) == 5
    for outcome in outcomes:
        assert isinstance(outcome, RetryLater)
        assert (outcome.failure, outcome.after) == (failure, after)
    assert lab.arrivals() == []
    records = [record for record in caplog.records if record.name.startswith("channels")]
    assert [record.levelname for record in records] == [level]
    lab.fault()
    assert [type(outcome) for outcome in channel.send(batch("device"))] == [Sent]


def test_waiting_threads_share_one_failure(lab: Lab, access_tokens: AccessTokens, fetched: list[str]) -> None:
    access_tokens.get()
    expire(access_tokens, seconds=-1)
    lab.fault(oauth="slow")
    assert {type(token) for token in support.threads(6, lambda _: access_tokens.get())} == {RetryLater}
    assert fetched.count("token") <= 3


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"access_token": 1, "expires_in": 3600}',
        b'{"access_token": "x", "expires_in": []}',
    ],
)
def test_an_invalid_answer_of_the_token_endpoint_counts_as_provider_down(
    access_tokens: AccessTokens, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    account = load_lab(access_url(access_tokens), TIMEOUT)
    monkeypatch.setattr(access_tokens, "_load", lambda _: account)
    monkeypatch.setattr(credentials, "fetch", lambda _, **__: Answer(200, content))
    token = access_tokens.get()
    assert isinstance(token, RetryLater)
    assert token.failure is Failure.PROVIDER_DOWN


def access_url(access_tokens: AccessTokens) -> str:
    load: Any = access_tokens._load
    url: str = load.args[0]
    return url


def test_a_token_that_fcm_rejects_is_fetched_again(lab: Lab, channel: FcmChannel, fetched: list[str]) -> None:
    channel.send(batch("device"))
    [outcome] = channel.send(batch("expired-device"))
    assert isinstance(outcome, RetryLater)
    assert outcome.failure is Failure.CREDENTIALS
    channel.send(batch("device"))
    assert fetched == ["service-account.json", "token"] * 2


@pytest.mark.slow
def test_after_a_restart_the_lab_works_again_with_its_new_key() -> None:
    first = Lab()
    channel = fcm.build(first.settings(TIMEOUT), "test")
    assert channel is not None
    send: Callable[[], Any] = lambda: channel.send(batch("device"))[0]  # noqa: E731
    try:
        assert isinstance(send(), Sent)
    finally:
        first.stop()
    for _ in range(2):
        assert send() == RetryLater(ANY, Failure.PROVIDER_DOWN)
    second = Lab(first.port)
    try:
        # The lab rejects the old token first.
        send()
        assert isinstance(send(), Sent)
    finally:
        second.stop()
        channel.close()


def test_logs_contain_no_token_and_no_private_key(
    lab: Lab, channel: FcmChannel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    lab.fault(oauth="denied")
    channel.send(batch("device"))
    lab.fault()
    channel.send(batch("device", "expired-device"))
    text = " ".join(str(vars(record)) for record in caplog.records)
    assert "ya29." not in text
    assert "PRIVATE KEY" not in text


def test_an_unreachable_account_is_retried_later(access_tokens: AccessTokens, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(_: Any) -> Any:
        raise Unreachable("the lab is down")

    monkeypatch.setattr(access_tokens, "_load", unreachable)
    assert access_tokens.get() == RetryLater("no access token: the lab is down")


# Credentials that are replaced ----------------------------------------------------------------------------------------


@pytest.fixture
def key_file(lab: Lab, tmp_path: Path) -> Path:
    path = tmp_path / "account.json"
    path.write_text(json.dumps(lab.service_account()))
    return path


def other_key(lab: Lab) -> str:
    """A service account whose key the lab does not accept."""
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return json.dumps(lab.service_account() | {"private_key": pem})


def test_a_replaced_key_is_loaded_before_the_old_one_is_given_up(lab: Lab, key_file: Path) -> None:
    good = key_file.read_text()
    key_file.write_text(other_key(lab))
    tokens = AccessTokens(partial(load_file, str(key_file), None), TIMEOUT)
    tokens._account = load_file(str(key_file), None)
    key_file.write_text(good)
    assert isinstance(tokens.get(), AccessToken)


def test_a_key_that_was_not_replaced_is_refused_once(lab: Lab, key_file: Path, fetched: list[str]) -> None:
    key_file.write_text(other_key(lab))
    tokens = AccessTokens(partial(load_file, str(key_file), None), TIMEOUT)
    tokens._account = load_file(str(key_file), None)
    refused = tokens.get()
    assert isinstance(refused, RetryLater)
    assert refused.failure is Failure.CREDENTIALS
    assert fetched == ["token"]


@pytest.fixture
def live(lab: Lab, key_file: Path) -> Iterator[FcmChannel]:
    """A channel with a key file, to the lab."""
    channel = fcm.build(lab.settings(TIMEOUT, FIREBASE_CREDENTIALS_PATH=str(key_file)), "live")
    assert channel is not None
    channel._url = lab.url + "/v1/projects/{0}/messages:send"
    yield channel
    channel.close()


def test_what_fcm_refuses_is_sent_again_at_once_if_the_key_was_replaced(
    live: FcmChannel, key_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert [type(outcome) for outcome in live.send(batch("device"))] == [Sent]
    # The lab accepts any key of its own, so another formatting has to do for another key.
    key_file.write_text(json.dumps(json.loads(key_file.read_text()), indent=2))
    assert live.send(batch("expired-1", "device", "expired-2")) == [Deferred(1.0), ANY, Deferred(1.0)]
    # Nobody has to do anything about it.
    assert [record for record in caplog.records if record.name.startswith("channels")] == []
    assert [type(outcome) for outcome in live.send(batch("device"))] == [Sent]


def test_what_fcm_refuses_waits_if_the_key_is_the_same(live: FcmChannel) -> None:
    live.send(batch("device"))
    for _ in range(2):
        [outcome] = live.send(batch("expired-device"))
        assert outcome == RetryLater(ANY, Failure.CREDENTIALS, CREDENTIALS_RETRY_AFTER, True)


# Credentials without a key file ---------------------------------------------------------------------------------------


Google = dict[str, tuple[int, str, str]]


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Google]:
    """Servers of Google's on this machine: answers (status, content type, body) by the path that is asked for."""
    answers: Google = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, kind, body = answers.get(self.path.partition("?")[0], (404, "text/plain", "not found"))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Metadata-Flavor", "Google")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        do_POST = do_PUT = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here = f"http://127.0.0.1:{server.server_port}"

    def redirected(url: str, **kwargs: Any) -> Answer:
        return fetch(re.sub(r"^https?://[^/]+", here, url), **kwargs)

    monkeypatch.setattr(credentials, "fetch", redirected)
    # Nothing that is found on this machine.
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    yield answers
    server.shutdown()
    server.server_close()


METADATA = "/computeMetadata/v1/"
ACCOUNT = METADATA + "instance/service-accounts/default/"
SOON = "2099-01-01T00:00:00Z"


def on_google_cloud(google: Google) -> None:
    token = {"access_token": "ya29.metadata", "expires_in": 3599, "token_type": "Bearer"}
    google["/"] = (200, "text/html", "computeMetadata/")
    google[METADATA + "project/project-id"] = (200, "application/text", "the-host-project")
    google[ACCOUNT] = (200, "application/json", json.dumps({"email": "push@x.iam", "scopes": [], "aliases": []}))
    google[ACCOUNT + "token"] = (200, "application/json", json.dumps(token))


def test_the_metadata_server_gives_a_token_for_the_project_that_is_set(lab: Lab, google: Google) -> None:
    on_google_cloud(google)
    channel = fcm.build(lab.settings(TIMEOUT, FIREBASE_PROJECT_ID="the-project"), "live")
    assert channel is not None
    assert channel._url.startswith("https://fcm.googleapis.com/")
    assert channel._access_tokens.get() == AccessToken("the-project", "ya29.metadata")
    assert channel.check() is None
    channel.close()


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (404, "no service account", Failure.CREDENTIALS),
        (503, "starting", Failure.PROVIDER_DOWN),
        (407, "<html>proxy</html>", Failure.PROVIDER_DOWN),
        (403, "<html>proxy</html>", Failure.PROVIDER_DOWN),
        (200, "{}", Failure.PROVIDER_DOWN),
        (200, "<html>", Failure.PROVIDER_DOWN),
    ],
)
def test_a_metadata_server_without_a_token_is_asked_again_later(
    google: Google, status: int, body: str, failure: Failure
) -> None:
    on_google_cloud(google)
    google[ACCOUNT + "token"] = (status, "text/html" if "<" in body else "application/json", body)
    tokens = AccessTokens(partial(load_default, "the-project"), TIMEOUT)
    began = time.monotonic()
    token = tokens.get()
    assert isinstance(token, RetryLater)
    assert token.failure is failure
    # google-auth itself would ask five times and wait for 15 seconds between them.
    assert time.monotonic() - began < 10
    on_google_cloud(google)
    assert tokens.get() == AccessToken("the-project", "ya29.metadata")


def test_without_any_credentials_there_is_no_token_in_bounded_time(google: Google) -> None:
    began = time.monotonic()
    token = AccessTokens(partial(load_default, "the-project"), TIMEOUT).get()
    assert isinstance(token, RetryLater)
    assert token.failure is Failure.CREDENTIALS
    assert time.monotonic() - began < 10


def federated(tmp_path: Path, **other: Any) -> str:
    subject = tmp_path / "subject-token"
    subject.write_text("a-token-of-the-cluster")
    path = tmp_path / "federation.json"
    info = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/c",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": {"file": str(subject)},
    }
    path.write_text(json.dumps(info | other))
    return str(path)


IMPERSONATED = "/v1/projects/-/serviceAccounts/push@x.iam.gserviceaccount.com:generateAccessToken"


def test_workload_identity_federation_gives_a_token_of_the_impersonated_account(
    lab: Lab, google: Google, tmp_path: Path
) -> None:
    path = federated(tmp_path, service_account_impersonation_url=f"https://iamcredentials.googleapis.com{IMPERSONATED}")
    token = {"access_token": "federated", "expires_in": 3600, "token_type": "Bearer", "issued_token_type": "x"}
    google["/v1/token"] = (200, "application/json", json.dumps(token))
    google[IMPERSONATED] = (200, "application/json", json.dumps({"accessToken": "ya29.i", "expireTime": SOON}))
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": path, "FIREBASE_PROJECT_ID": "the-project"}
    channel = fcm.build(lab.settings(TIMEOUT, **environ), "live")
    assert channel is not None
    assert channel._access_tokens.get() == AccessToken("the-project", "ya29.i")
    channel.close()


def test_a_refused_impersonation_is_a_matter_of_credentials_and_says_why(google: Google, tmp_path: Path) -> None:
    path = federated(tmp_path, service_account_impersonation_url=f"https://iamcredentials.googleapis.com{IMPERSONATED}")
    google["/v1/token"] = (200, "application/json", json.dumps({"access_token": "federated", "expires_in": 3600}))
    denied = {"error": {"code": 403, "message": "Permission denied", "status": "PERMISSION_DENIED"}}
    google[IMPERSONATED] = (403, "application/json", json.dumps(denied))
    token = AccessTokens(partial(load_file, path, "the-project"), TIMEOUT).get()
    assert token == RetryLater(
        "credentials rejected: PERMISSION_DENIED: Permission denied", Failure.CREDENTIALS, CREDENTIALS_RETRY_AFTER, True
    )


def test_a_file_can_name_an_account_to_impersonate(lab: Lab, google: Google, tmp_path: Path) -> None:
    path = tmp_path / "impersonation.json"
    info = {
        "type": "impersonated_service_account",
        "source_credentials": lab.service_account(),
        "service_account_impersonation_url": f"https://iamcredentials.googleapis.com{IMPERSONATED}",
    }
    path.write_text(json.dumps(info))
    google["/token"] = (200, "application/json", json.dumps({"access_token": "source", "expires_in": 3600}))
    google[IMPERSONATED] = (200, "application/json", json.dumps({"accessToken": "ya29.i", "expireTime": SOON}))
    tokens = AccessTokens(partial(load_file, str(path), "the-project"), TIMEOUT)
    assert tokens.get() == AccessToken("the-project", "ya29.i")


def test_a_file_that_names_no_project_needs_the_setting(lab: Lab, tmp_path: Path) -> None:
    path = federated(tmp_path)
    with pytest.raises(SettingsError, match="FIREBASE_PROJECT_ID"):
        fcm.build(lab.settings(FIREBASE_CREDENTIALS_PATH=path), "live")


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
def test_a_proxy_that_refuses_us_is_an_outage(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    asked: list[bytes] = []

    def refuse(connection: socket.socket) -> None:
        asked.append(connection.recv(4096))
        page = b"<html>Proxy Authentication Required</html>"
        head = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n"
        connection.sendall(head % len(page) + page)

    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with support.server(refuse) as port:
        monkeypatch.setenv(variable, f"http://127.0.0.1:{port}")
        http = Http(TIMEOUT)
        [answer] = http.post("https://fcm.example/v1/projects/p/messages:send", [], [b"{}"])
        http.close()
        with pytest.raises(Unreachable):
            TokenRequest(TIMEOUT)("https://oauth2.example/token", method="POST", body=b"")
    assert [line.split(b" ")[:2] for line in asked] == [
        [b"CONNECT", b"fcm.example:443"],
        [b"CONNECT", b"oauth2.example:443"],
    ]
    assert classify(parse_error(answer)) == RetryLater(ANY, Failure.PROVIDER_DOWN)
