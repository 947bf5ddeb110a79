"""The contract that every channel must meet, tested for all of them with the same cases."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from channels import in_app
from channels.base import Channel
from channels.email import channel as email
from channels.fcm import channel as fcm
from channels.lab import LabScreen
from config.settings import Settings
from models.deliveries.lifecycle import AddressGone, Deferred, Rejected, RetryLater, Sent
from models.deliveries.message import Action
from tests.channels import support
from tests.channels.support import Lab, batch
from tests.databases import sqlite_file
from tests.factories import free_port

TIMEOUT = 0.6
WORDS = {
    "": Sent,
    "gone-": AddressGone,
    "down-": RetryLater,
    "policy-": Rejected,
    "badbody-": Rejected,
    "lost-": RetryLater,
    "busy-": RetryLater,
}


@dataclass(frozen=True)
class Kind:
    """A channel under test. `words` are the fault words that its addresses can begin with."""

    build: Callable[[Settings], Channel | None]
    words: tuple[str, ...] = ()
    domain: str = ""

    def address(self, word: str, number: int) -> str:
        return f"{word}secret{number}{self.domain}"


KINDS = {
    "push": Kind(lambda s: fcm.build(s, "test"), ("gone-", "down-", "badbody-", "lost-")),
    "email": Kind(lambda s: email.build(s, "test"), ("gone-", "down-", "policy-"), "@mail.example"),
    "screen": Kind(lambda s: LabScreen(s.lab_url or "", s.provider_timeout)),
    "in_app": Kind(lambda s: in_app.build(s, "live")),
}

MISBEHAVING = {
    "silent": support.silent,
    "garbage": support.garbage,
    "endless": support.endless,
    "closing": support.closing,
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@contextmanager
def opened(kind: Kind, settings: Settings) -> Iterator[Channel]:
    channel = kind.build(settings)
    assert channel is not None
    try:
        yield channel
    finally:
        channel.close()


@pytest.fixture
def channel(kind: Kind, lab: Lab, redis_server: str, _sqlite_template: Path) -> Iterator[Channel]:
    # The database has what messages to web processes are signed with.
    with (
        sqlite_file(_sqlite_template) as url,
        opened(kind, lab.settings(REDIS_URL=redis_server, DATABASE_URL=url)) as channel,
    ):
        yield channel


def test_one_outcome_for_each_message_in_order(kind: Kind, channel: Channel) -> None:
    words = ["", *kind.words, "", *reversed(kind.words), ""]
    outcomes = channel.send(batch(*(kind.address(word, n) for n, word in enumerate(words))))
    assert [type(outcome) for outcome in outcomes] == [WORDS[word] for word in words]


def test_one_batch_can_hold_messages_of_several_notifications(kind: Kind, channel: Channel) -> None:
    one, two = support.content(title="One"), support.content(title="Two")
    mixed = [support.message(kind.address("", n), about=(one, two)[n % 2]) for n in range(6)]
    assert [type(outcome) for outcome in channel.send(mixed)] == [Sent] * 6


def test_an_empty_batch_has_no_outcomes(channel: Channel, lab: Lab) -> None:
    assert list(channel.send([])) == []
    assert lab.arrivals() == []


def test_a_withdrawal_succeeds(kind: Kind, channel: Channel) -> None:
    outcomes = channel.send(batch(kind.address("", 1), kind.address("", 2), action=Action.WITHDRAW))
    assert [type(outcome) for outcome in outcomes] == [Sent, Sent]


@pytest.mark.parametrize("name", ["push", "email"])
def test_what_could_outlast_the_claim_is_deferred(name: str, lab: Lab, redis_server: str) -> None:
    with opened(KINDS[name], lab.settings(REDIS_URL=redis_server)) as channel:
        messages = batch(*(KINDS[name].address("", n) for n in range(3)))
        assert [type(o) for o in channel.send(messages, time.monotonic() + TIMEOUT)] == [Deferred] * 3
        assert lab.arrivals() == []
        assert [type(o) for o in channel.send(messages, time.monotonic() + 60)] == [Sent] * 3


def test_threads_can_send_at_the_same_time(kind: Kind, channel: Channel) -> None:
    def send(thread: int) -> list[type]:
        return [
            type(outcome)
            for turn in range(3)
            for outcome in channel.send(batch(*(kind.address("", 100 * thread + n) for n in range(5))))
        ]

    assert support.threads(4, send) == [[Sent] * 15] * 4


def test_a_channel_can_be_closed_twice(kind: Kind, channel: Channel) -> None:
    channel.send(batch(kind.address("", 1)))
    channel.close()
    channel.close()


def test_no_reason_and_no_log_record_contains_an_address(
    kind: Kind, channel: Channel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    words = [*kind.words, *(("busy-",) if kind.domain else ())]
    sent = batch(*(kind.address(word, n) for n, word in enumerate(words)), "bad\naddress secret", "ünfit secret")
    texts = [outcome.reason for outcome in channel.send(sent) if not isinstance(outcome, Sent)]
    texts += [_everything_in(record) for record in caplog.records if not record.name.startswith("urllib3")]
    assert not [text for text in texts if "secret" in text.lower()]


@pytest.mark.parametrize(
    "manner", [pytest.param(m, marks=pytest.mark.slow) if m == "silent" else m for m in MISBEHAVING]
)
def test_a_misbehaving_provider_leads_to_a_retry_in_bounded_time(kind: Kind, manner: str) -> None:
    with support.server(MISBEHAVING[manner]) as port:
        assert_retried(kind, port)


def test_an_unreachable_provider_leads_to_a_retry_in_bounded_time(kind: Kind) -> None:
    assert_retried(kind, free_port())


def assert_retried(kind: Kind, port: int) -> None:
    settings = support.settings_for(
        f"http://127.0.0.1:{port}", port, TIMEOUT, REDIS_URL=f"redis://127.0.0.1:{port}/0", CARILLON_LEASE="10"
    )
    with opened(kind, settings) as channel:
        began = time.monotonic()
        outcomes = channel.send(batch(*(kind.address("", n) for n in range(5))))
        # Within the lease. The manners of this test would keep it waiting for ever.
        assert time.monotonic() - began < 10
        assert [type(outcome) for outcome in outcomes] == [RetryLater] * 5


def _everything_in(record: logging.LogRecord) -> str:
    fields: dict[str, Any] = {k: v for k, v in vars(record).items() if k not in ("pathname", "filename")}
    return f"{record.getMessage()} {fields}"
