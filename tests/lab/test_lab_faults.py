"""The fault vocabulary and the script that applies it, without a lab process."""

from __future__ import annotations

import pytest

from lab.faults import PROVIDERS, VOCABULARY, WORDS, Cut, FcmError, Slow, SmtpError
from lab.fcm import error_body
from lab.script import Fault, Script, UnknownFault


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def script(clock: Clock) -> Script:
    return Script(clock)


def test_words_are_unique_and_each_has_an_effect() -> None:
    assert len(VOCABULARY) == len(WORDS)
    for word in WORDS:
        assert any(getattr(word, provider) is not None for provider in PROVIDERS), word.name


@pytest.mark.parametrize(
    "address",
    ["", "anna", "gone", "gone3", "agone-x", "Gone-x", "unknown-x", "3-gone", "gone12345-x", "cX9:APA91b-gone-x"],
)
def test_an_address_that_does_not_begin_with_a_word_has_no_fault(script: Script, address: str) -> None:
    assert script.fcm(address) is None


def test_a_word_has_no_effect_at_providers_that_do_not_define_it(script: Script) -> None:
    assert script.fcm("full-anna") is None
    assert isinstance(script.smtp("full-anna"), SmtpError)
    assert script.smtp("quota-anna") is None


def test_the_case_of_a_mailbox_does_not_matter(script: Script) -> None:
    assert isinstance(script.smtp("Gone-Anna"), SmtpError)


def test_a_number_limits_the_attempts_of_each_address(script: Script) -> None:
    assert [script.fcm("quota3-a") is None for _ in range(5)] == [False] * 3 + [True] * 2
    assert script.fcm("quota3-b") is not None
    assert script.fcm("quota0-c") is None


def test_without_a_number_every_attempt_fails(script: Script) -> None:
    assert all(script.fcm("down-a") is not None for _ in range(10))


@pytest.mark.parametrize(("word", "provider"), [("flaky", "fcm"), ("grey", "smtp")])
def test_some_words_fail_only_once_without_a_number(script: Script, word: str, provider: str) -> None:
    attempt = getattr(script, provider)
    assert [attempt(f"{word}-a") is None for _ in range(3)] == [False, True, True]
    assert [attempt(f"{word}2-a") is None for _ in range(3)] == [False, False, True]


def test_resetting_attempts_makes_an_address_fail_again(script: Script) -> None:
    assert script.fcm("flaky-a") is not None
    script.reset_attempts()
    assert script.fcm("flaky-a") is not None


def test_the_number_after_slow_is_seconds(script: Script) -> None:
    assert script.fcm("slow-a") == Slow(3)
    assert script.smtp("slow7-a") == Slow(7)


def test_a_fault_of_a_provider_overrides_the_address_until_it_ends(script: Script, clock: Clock) -> None:
    script.set({"fcm": "close", "oauth": "slow2"}, seconds=30)
    assert script.fcm("gone-a") is Cut.REFUSED
    assert script.oauth() == Slow(2)
    assert script.smtp("anna") is None
    assert script.active() == ({"fcm": "close", "oauth": "slow2"}, 30)
    clock.now += 30
    assert isinstance(script.fcm("gone-a"), FcmError)
    assert script.oauth() is None
    assert script.active() == ({}, None)


def test_setting_faults_replaces_the_earlier_ones(script: Script) -> None:
    script.set({"fcm": "down"})
    script.set({"smtp": "busy"})
    assert script.active() == ({"smtp": "busy"}, None)


def test_an_unknown_word_changes_nothing(script: Script) -> None:
    script.set({"fcm": "down"})
    for faults in ({"fcm": "nonsense"}, {"smtp": "quota"}, {"fcm": "error", "oauth": "gone"}, {"fcm": "down-"}):
        with pytest.raises(UnknownFault):
            script.set(faults)
    assert script.active() == ({"fcm": "down"}, None)


def test_the_number_of_counted_addresses_is_bounded(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.script._MAX_COUNTED_ADDRESSES", 10)
    for number in range(100):
        script.fcm(f"flaky-{number}")
    assert len(script._attempts) == 10


def test_a_fault_is_printed_as_it_was_written() -> None:
    assert str(Fault.of_address("quota3-anna")) == "quota3"


def test_only_errors_about_the_message_or_the_token_carry_details() -> None:
    plain = {word.name for word in WORDS if isinstance(word.fcm, FcmError) and "details" not in _error(word.fcm)}
    assert plain == {"denied", "expired", "project"}


def _error(effect: FcmError) -> dict[str, object]:
    error: dict[str, object] = error_body(effect)["error"]
    return error
