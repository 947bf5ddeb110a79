"""Access tokens: fetched once, renewed in time, and what is answered while there are none."""

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
from channels.fcm import credentials as fcm_access
from channels.fcm.channel import FcmChannel
from channels.fcm.credentials import AccessToken, AccessTokens, Unreachable, load_lab
from channels.http_batch import Answer, fetch
from models.deliveries.lifecycle import Failure, RetryLater, Sent
from tests.channels import support
from tests.channels.support import Lab, batch

TIMEOUT = 1.0


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths fetched for credentials and tokens."""
    paths: list[str] = []

    def counting(url: str, **kwargs: Any) -> Answer:
        paths.append(url.rpartition("/")[2])
        return fetch(url, **kwargs)

    monkeypatch.setattr(fcm_access, "fetch", counting)
    return paths


@pytest.fixture
def access(lab: Lab, fetched: list[str]) -> AccessTokens:
    return AccessTokens(partial(load_lab, lab.url, TIMEOUT / 2), TIMEOUT)


@pytest.fixture
def channel(lab: Lab, fetched: list[str]) -> Iterator[FcmChannel]:
    channel = fcm.build(lab.settings(TIMEOUT), "test")
    assert channel is not None
    yield channel
    channel.close()


def expire(access: AccessTokens, **before: float) -> None:
    """Let the token end in this time."""
    assert access._account is not None
    # Naive UTC, as google-auth has it.
    access._account.get_credential().expiry = datetime.now(UTC).replace(tzinfo=None) + timedelta(**before)


def test_threads_share_one_token(access: AccessTokens, fetched: list[str]) -> None:
    grants = support.threads(8, lambda _: access.grant())
    assert len({grant.token for grant in grants}) == 1
    assert {grant.project for grant in grants} == {"carillon-lab"}
    assert fetched == ["service-account.json", "token"]


def test_a_token_is_renewed_before_it_ends(access: AccessTokens, fetched: list[str]) -> None:
    first = access.grant()
    expire(access, minutes=3)
    assert isinstance(second := access.grant(), AccessToken)
    assert second != first
    assert fetched == ["service-account.json", "token", "token"]


def test_the_old_token_serves_as_long_as_it_holds(lab: Lab, access: AccessTokens, fetched: list[str]) -> None:
    first = access.grant()
    expire(access, minutes=3)
    lab.fault(oauth="down")
    assert access.grant() == access.grant() == first
    # Asked once for both, and not at every batch.
    assert fetched.count("token") == 2
    expire(access, seconds=-1)
    assert isinstance(access.grant(), RetryLater)


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
def test_without_a_token_every_message_waits(
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
    # Google-auth alone would try three times, with pauses.
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


def test_waiting_threads_share_one_failure(lab: Lab, access: AccessTokens, fetched: list[str]) -> None:
    access.grant()
    expire(access, seconds=-1)
    lab.fault(oauth="slow")
    began = time.monotonic()
    assert {type(grant) for grant in support.threads(6, lambda _: access.grant())} == {RetryLater}
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
def test_a_token_endpoint_that_talks_nonsense_is_down(
    access: AccessTokens, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    account = load_lab(access_url(access), TIMEOUT)
    monkeypatch.setattr(access, "_load", lambda: account)
    monkeypatch.setattr(fcm_access, "fetch", lambda _, **__: Answer(200, content))
    grant = access.grant()
    assert isinstance(grant, RetryLater)
    assert grant.failure is Failure.PROVIDER_DOWN


def access_url(access: AccessTokens) -> str:
    load: Any = access._load
    url: str = load.args[0]
    return url


def test_a_token_that_fcm_does_not_take_is_forgotten(lab: Lab, channel: FcmChannel, fetched: list[str]) -> None:
    channel.send(batch("device"))
    [outcome] = channel.send(batch("expired-device"))
    assert isinstance(outcome, RetryLater)
    assert outcome.failure is Failure.CREDENTIALS
    channel.send(batch("device"))
    assert fetched == ["service-account.json", "token"] * 2


@pytest.mark.slow
def test_a_lab_that_was_away_and_has_another_key_is_found_again() -> None:
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
        # Its first word is that it does not know the token.
        send()
        assert isinstance(send(), Sent)
    finally:
        second.stop()
        channel.close()


def test_logs_hold_no_secret(lab: Lab, channel: FcmChannel, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    lab.fault(oauth="denied")
    channel.send(batch("device"))
    lab.fault()
    channel.send(batch("device", "expired-device"))
    text = " ".join(str(vars(record)) for record in caplog.records)
    assert "ya29." not in text
    assert "PRIVATE KEY" not in text


def test_a_loader_that_cannot_reach_anything(access: AccessTokens, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> Any:
        raise Unreachable("the lab is away")

    monkeypatch.setattr(access, "_load", away)
    assert access.grant() == RetryLater("no access token: the lab is away")
