"""The push channel: how FCM's answers are classified, and how a batch is sent."""

from __future__ import annotations

import inspect
import json
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from firebase_admin import exceptions, messaging

from channels.fcm import channel as fcm
from channels.fcm.channel import CLASSIFY, FcmChannel, classify, message_name, parse_error
from channels.http_batch import MAX_CONNECTIONS, Answer
from config.settings import SettingsError
from models.deliveries.lifecycle import AddressGone, Failure, Outcome, Rejected, RetryLater, Sent
from tests.channels import support
from tests.channels.support import NOTIFICATION, Lab, batch

FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
NOT_A_TOKEN = "The registration token is not a valid FCM registration token"


@pytest.fixture
def channel(lab: Lab) -> Iterator[FcmChannel]:
    channel = fcm.build(lab.settings(), "test")
    assert channel is not None
    yield channel
    channel.close()


def body(status: str, text: str, *details: dict[str, Any]) -> bytes:
    return json.dumps({"error": {"status": status, "message": text, "details": list(details)}}).encode()


def outcome_of(answer: Answer) -> Outcome:
    assert message_name(answer) is None
    return classify(parse_error(answer))


# Classifying FCM's answers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("gone", AddressGone("Requested entity was not found.")),
        ("badtoken", AddressGone(NOT_A_TOKEN)),
        ("badbody", Rejected("Invalid value at 'message.data[0].value' (TYPE_STRING), 1")),
        ("sender", Rejected("SenderId mismatch", Failure.CREDENTIALS)),
        ("quota", RetryLater("", Failure.QUOTA, 60)),
        ("down", RetryLater("", Failure.PROVIDER_DOWN, 1)),
        ("flaky", RetryLater("", Failure.PROVIDER_DOWN, 1)),
        ("error", RetryLater("", Failure.PROVIDER_DOWN)),
        ("apns", RetryLater("", Failure.CREDENTIALS, 300)),
        ("denied", RetryLater("", Failure.CREDENTIALS, 300)),
        ("expired", RetryLater("", Failure.CREDENTIALS, 300)),
        ("project", RetryLater("", Failure.CREDENTIALS, 300)),
        ("close", RetryLater("", Failure.PROVIDER_DOWN)),
        ("lost", RetryLater("", Failure.PROVIDER_DOWN)),
    ],
)
def test_each_fault_word_of_the_lab_leads_to_its_outcome(channel: FcmChannel, word: str, expected: Outcome) -> None:
    [outcome] = channel.send(batch(f"{word}-device"))
    if isinstance(expected, RetryLater):
        assert isinstance(outcome, RetryLater)
        assert outcome.reason
        assert (outcome.failure, outcome.after) == (expected.failure, expected.after)
    else:
        assert outcome == expected


def errors_of(module: ModuleType) -> set[type[exceptions.FirebaseError]]:
    return {
        value for _, value in inspect.getmembers(module, inspect.isclass) if issubclass(value, exceptions.FirebaseError)
    }


def test_every_exception_of_the_sdk_is_classified() -> None:
    assert errors_of(exceptions) | errors_of(messaging) == set(CLASSIFY)


@pytest.mark.parametrize("kind", CLASSIFY, ids=lambda kind: kind.__name__)
def test_only_the_base_exception_of_the_sdk_is_unclassified(kind: type[exceptions.FirebaseError]) -> None:
    base = kind is exceptions.FirebaseError
    error = kind("CODE", "text") if base else kind("text")
    outcome = classify(error)
    assert not isinstance(outcome, Sent)
    assert (isinstance(outcome, RetryLater) and outcome.failure is Failure.UNCLASSIFIED) is base


def test_an_exception_missing_from_the_table_is_retried() -> None:
    class NewError(exceptions.UnavailableError):  # type: ignore[misc]
        pass

    assert classify(NewError("text")) == RetryLater("NewError: text", Failure.UNCLASSIFIED)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"<html>Bad gateway</html>",
        b"[]",
        b"null",
        b'{"error": null}',
        b'{"error": []}',
        b'{"error": "down"}',
        b'{"error": {"message": {}, "status": []}}',
        b'{"error": {"details": null}}',
        b'{"error": {"details": ["x"]}}',
        b'{"error": {"details": [{"@type": "' + FCM_ERROR.encode() + b'", "errorCode": []}]}}',
    ],
)
@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413, 429, 500, 502, 503, 504])
def test_an_answer_that_is_not_from_fcm_is_classified_by_its_status(status: int, content: bytes) -> None:
    outcome = outcome_of(Answer(status, content))
    expected: dict[int, Outcome] = {429: RetryLater("", Failure.QUOTA, 60)}
    for credentials in (401, 403, 404):
        expected[credentials] = RetryLater("", Failure.CREDENTIALS, 300)
    wanted = expected.get(status, RetryLater("", Failure.PROVIDER_DOWN))
    assert type(outcome) is type(wanted)
    assert not isinstance(outcome, AddressGone | Sent)
    assert outcome.failure is wanted.failure  # type: ignore[union-attr]


@pytest.mark.parametrize("content", [b"", b"[]", b"<html>", b'{"name": 1}', b"{}"])
def test_a_200_without_a_name_is_not_a_success(content: bytes) -> None:
    assert outcome_of(Answer(200, content)) == RetryLater("a 200 without a message name")


@pytest.mark.parametrize("seconds", [90, 1])
@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_can_be_seconds_or_a_date(lab: Lab, seconds: int, as_date: bool) -> None:
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds + 0.9), usegmt=True) if as_date else seconds

    def refuse(status: bytes) -> Any:
        def talk(connection: Any) -> None:
            while b"}}}" not in connection.recv(65536):
                pass
            head = b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\nRetry-After: " + str(when).encode()
            connection.sendall(head + b"\r\n\r\n{}")

        return talk

    for status, floor in ((b"503 Busy", 0), (b"429 Slow down", 60)):
        with support.server(refuse(status)) as port:
            channel = fcm.build(lab.settings(), "test")
            assert channel is not None
            channel._url = f"http://127.0.0.1:{port}/{{0}}"
            [outcome] = channel.send(batch("device"))
            channel.close()
        assert isinstance(outcome, RetryLater)
        assert outcome.after == pytest.approx(max(seconds, floor), abs=1)


# Sending a batch ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["down", "error", "quota", "close", "lost"])
def test_a_failed_request_is_not_repeated(lab: Lab, channel: FcmChannel, word: str) -> None:
    # Use connections that were used before: only on those does libcurl repeat a request.
    channel.send(batch(*(f"ok-{n}" for n in range(40))))
    lab.reset()
    channel.send(batch(*(f"{word}-{n}" for n in range(40))))
    assert sorted(arrival["address"] for arrival in lab.arrivals()) == sorted(f"{word}-{n}" for n in range(40))


@pytest.mark.slow
def test_a_slow_device_does_not_delay_the_others(lab: Lab, channel: FcmChannel) -> None:
    channel.send(batch("warm-up"))
    began = time.monotonic()
    outcomes = channel.send(batch("ok-1", "slow5-2", *(f"ok-{n}" for n in range(3, 101))))
    assert time.monotonic() - began < 4
    assert isinstance(outcomes[1], RetryLater)
    assert outcomes[1].failure is Failure.PROVIDER_DOWN
    assert {type(outcome) for outcome in (outcomes[0], *outcomes[2:])} == {Sent}
    # The connection that did not answer is not reused, so the next batch succeeds.
    assert [type(outcome) for outcome in channel.send(batch("ok-1", "ok-2"))] == [Sent, Sent]


def test_few_connections_are_opened_and_they_are_reused(lab: Lab, channel: FcmChannel) -> None:
    channel.send(batch(*(f"a-{n}" for n in range(200))))
    first = support.connections_to(lab.port)
    channel.send(batch(*(f"b-{n}" for n in range(200))))
    assert 1 <= len(first) <= MAX_CONNECTIONS + 1
    assert len(support.connections_to(lab.port) - first) == 0
    channel.close()
    assert len(support.connections_to(lab.port) & first) <= 1  # the test's own


def test_a_full_batch_arrives_once_each(lab: Lab, channel: FcmChannel) -> None:
    outcomes = channel.send(batch(*(f"device-{n}" for n in range(500))))
    assert {type(outcome) for outcome in outcomes} == {Sent}
    arrived = {arrival["address"]: arrival["message_id"] for arrival in lab.arrivals()}
    names = [outcome.provider_id for outcome in outcomes if isinstance(outcome, Sent)]
    assert names == [arrived[f"device-{n}"] for n in range(500)]
    assert len(lab.arrivals()) == 500


def test_failures_of_one_kind_are_logged_once_with_their_count(
    channel: FcmChannel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "channels.failures")
    down = batch(*(f"down-{n}" for n in range(30)), failed=2)
    channel.send([*down, *batch("sender-1", "gone-1", "badbody-1")])
    logged = [record for record in caplog.records if record.name == "channels.failures"]
    records = {(record.error, record.levelname): record for record in logged}  # type: ignore[attr-defined]
    assert set(records) == {
        ("UnavailableError", "WARNING"),
        ("SenderIdMismatchError", "ERROR"),
        ("UnregisteredError", "INFO"),
        ("InvalidArgumentError", "ERROR"),
    }
    fields = vars(records["UnavailableError", "WARNING"])
    expected = {
        "channel": "push",
        "count": 30,
        "delivery_id": down[0].delivery_id,
        "notification_id": NOTIFICATION,
        "attempt": 3,
    }
    assert fields.items() >= expected.items()


# Building the channel -----------------------------------------------------------------------------------------------


def test_live_keys_with_credentials_reach_fcm_and_test_keys_the_lab(lab: Lab, tmp_path: Path) -> None:
    account = tmp_path / "account.json"
    account.write_text(json.dumps(lab.service_account()))
    settings = lab.settings(FIREBASE_CREDENTIALS_PATH=str(account))
    live, test = fcm.build(settings, "live"), fcm.build(settings, "test")
    assert live is not None
    assert test is not None
    assert live._url.format("p") == "https://fcm.googleapis.com/v1/projects/p/messages:send"
    assert test._url.startswith(lab.url)


def test_without_credentials_and_lab_there_is_no_push(lab: Lab, tmp_path: Path) -> None:
    assert fcm.build(lab.settings(CARILLON_LAB_URL=""), "live") is None
    assert fcm.build(lab.settings(CARILLON_LAB_URL=""), "test") is None
    live = fcm.build(lab.settings(), "live")
    assert live is not None
    assert live._url.startswith(lab.url)


@pytest.mark.parametrize("text", [None, "", "{}", "[]", '{"type": "service_account", "private_key": "SECRET"}'])
def test_unusable_credentials_are_a_settings_error(lab: Lab, tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "account.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SettingsError, match="FIREBASE_CREDENTIALS_PATH") as caught:
        fcm.build(lab.settings(FIREBASE_CREDENTIALS_PATH=str(path)), "live")
    assert "SECRET" not in str(caught.value)
