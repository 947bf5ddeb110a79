"""Access tokens: fetched once, refreshed in time, and the outcome while there is none."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from unittest.mock import ANY

import pytest

from channels.failures import CREDENTIALS_RETRY_AFTER
from channels.fcm import channel as fcm
from channels.fcm import credentials
from channels.fcm.channel import FcmChannel
from channels.fcm.credentials import AccessToken, AccessTokens, Unreachable, load_lab
from channels.http_batch import Answer, fetch
from models.deliveries.lifecycle import Failure, RetryLater, Sent
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
    access_tokens._account.get_credential().expiry = datetime.now(UTC).replace(tzinfo=None) + timedelta(**before)


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
    caplog: pytest.LogCaptureFixture,
    fault: str,
    failure: Failure,
    after: float | None,
    level: str,
) -> None:
    lab.fault(oauth=fault)
    began = time.monotonic()
    outcomes = channel.send(batch(*(f"device-{n}" for n in range(5))))
    # google-auth's own transport would try three times, with back-off.
    assert time.monotonic() - began < TIMEOUT
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
    began = time.monotonic()
    assert {type(token) for token in support.threads(6, lambda _: access_tokens.get())} == {RetryLater}
    assert time.monotonic() - began < 2 * TIMEOUT
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
    monkeypatch.setattr(access_tokens, "_load", lambda: account)
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
    def unreachable() -> Any:
        raise Unreachable("the lab is down")

    monkeypatch.setattr(access_tokens, "_load", unreachable)
    assert access_tokens.get() == RetryLater("no access token: the lab is down")
