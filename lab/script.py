"""Fault injection: decides which fault an attempt gets. Pure: no network, and the clock is passed in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lab.faults import VOCABULARY, WORDS, Fcm, Oauth, Slow, Smtp, Word

_FAULT = re.compile(r"([a-z]+)([0-9]{0,4})")
_PREFIX = re.compile(_FAULT.pattern + "-")

# Attempts are counted only for addresses whose fault is limited to some attempts. If a test uses more such addresses
# than this, the counter of the oldest is dropped, and that address fails again.
_MAX_COUNTED_ADDRESSES = 100_000


class UnknownFault(ValueError):
    """This provider has no such fault word. The message lists the words that it has."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault word with its optional number: `quota3` is ("quota", 3)."""

    word: Word
    number: int | None

    @classmethod
    def of_address(cls, address: str) -> Fault | None:
        """Return the fault that `address` begins with, or None."""
        match = _PREFIX.match(address)
        word = VOCABULARY.get(match[1]) if match else None
        return cls(word, int(match[2]) if match[2] else None) if match and word else None

    @classmethod
    def of_provider(cls, provider: str, text: str) -> Fault:
        """Parse `text`. Raises UnknownFault if it has no effect at `provider`."""
        match = _FAULT.fullmatch(text)
        word = VOCABULARY.get(match[1]) if match else None
        if not match or not word or getattr(word, provider) is None:
            known = ", ".join(w.name for w in WORDS if getattr(w, provider) is not None)
            raise UnknownFault(f"{provider} has no fault {text!r}; it has {known}, each with an optional number")
        return cls(word, int(match[2]) if match[2] else None)

    def __str__(self) -> str:
        return self.word.name + ("" if self.number is None else str(self.number))


class Script:
    """Decides the effect of every attempt. A fault of a whole provider takes precedence over one of the address."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._provider_faults: dict[str, Fault] = {}
        self._until: float | None = None
        self._attempts: dict[tuple[str, str, str], int] = {}

    def fcm(self, token: str) -> Fcm | None:
        """Count an attempt to send to `token` and return its effect. None is success."""
        effect: Fcm | None = self._effect("fcm", token)
        return effect

    def smtp(self, mailbox: str) -> Smtp | None:
        """Count an attempt to send to `mailbox` and return its effect. None is success."""
        effect: Smtp | None = self._effect("smtp", mailbox.lower())
        return effect

    def oauth(self) -> Oauth | None:
        """Return the effect of a request for an access token. None is success."""
        effect: Oauth | None = self._effect("oauth", "")
        return effect

    def set(self, faults: Mapping[str, str], seconds: float | None = None) -> None:
        """Set the faults of whole providers for `seconds`, or until the next call. Replaces all earlier ones.

        Raises UnknownFault and changes nothing if a word is unknown.
        """
        self._provider_faults = {provider: Fault.of_provider(provider, text) for provider, text in faults.items()}
        self._until = None if seconds is None else self._clock() + seconds

    def active(self) -> tuple[dict[str, str], float | None]:
        """Return the faults of whole providers, and the seconds until they end (None: until they are replaced)."""
        self._expire()
        left = None if self._until is None else self._until - self._clock()
        return {provider: str(fault) for provider, fault in self._provider_faults.items()}, left

    def reset_attempts(self) -> None:
        """Reset the attempt counters of all addresses."""
        self._attempts.clear()

    def _expire(self) -> None:
        if self._until is not None and self._clock() >= self._until:
            self._provider_faults, self._until = {}, None

    def _effect(self, provider: str, address: str) -> Any:
        self._expire()
        fault = self._provider_faults.get(provider) or Fault.of_address(address)
        if fault is None:
            return None
        effect = getattr(fault.word, provider)
        if isinstance(effect, Slow):
            return effect if fault.number is None else Slow(fault.number)
        failing_attempts = fault.word.attempts if fault.number is None else fault.number
        if effect is None or failing_attempts is None:
            return effect
        return effect if self._count_attempt(provider, fault.word.name, address) <= failing_attempts else None

    def _count_attempt(self, provider: str, word: str, address: str) -> int:
        key = (provider, word, address)
        attempt = self._attempts.get(key, 0) + 1
        self._attempts[key] = attempt
        if len(self._attempts) > _MAX_COUNTED_ADDRESSES:
            del self._attempts[next(iter(self._attempts))]
        return attempt
