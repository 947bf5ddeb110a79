"""Who gets which fault. No input or output: an address goes in, an effect comes out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lab.faults import VOCABULARY, WORDS, Fcm, Oauth, Slow, Smtp, Word

_SPOKEN = re.compile(r"([a-z]+)([0-9]{0,4})")
_PREFIX = re.compile(_SPOKEN.pattern + "-")

# Counting is only needed for addresses with a limited fault. A test that invents more of them than this in one run
# sees the oldest fail once more.
_COUNTED_ADDRESSES = 100_000


class UnknownFault(ValueError):
    """Not a word that this provider knows; the message says which words it does know."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A word as someone wrote it, `quota3` being ("quota", 3)."""

    word: Word
    number: int | None

    @classmethod
    def of(cls, address: str) -> Spoken | None:
        """The word that `address` begins with, or None."""
        match = _PREFIX.match(address)
        word = VOCABULARY.get(match[1]) if match else None
        return cls(word, int(match[2]) if match[2] else None) if match and word else None

    @classmethod
    def for_provider(cls, provider: str, text: str) -> Spoken:
        """The word `text`, which must have an effect on `provider`. Raises UnknownFault."""
        match = _SPOKEN.fullmatch(text)
        word = VOCABULARY.get(match[1]) if match else None
        if not match or not word or getattr(word, provider) is None:
            known = ", ".join(w.name for w in WORDS if getattr(w, provider) is not None)
            raise UnknownFault(f"{provider} knows no fault {text!r}; it knows {known}, each with an optional number")
        return cls(word, int(match[2]) if match[2] else None)

    def __str__(self) -> str:
        return self.word.name + ("" if self.number is None else str(self.number))


class Script:
    """Decides the effect on every attempt. A fault set for a whole provider goes before the one of the address."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._everywhere: dict[str, Spoken] = {}
        self._until: float | None = None
        self._attempts: dict[tuple[str, str, str], int] = {}

    def fcm(self, token: str) -> Fcm | None:
        """The effect on one more attempt to send to `token`; None is success."""
        effect: Fcm | None = self._effect("fcm", token)
        return effect

    def smtp(self, mailbox: str) -> Smtp | None:
        """The effect on one more attempt to send to `mailbox`; None is success."""
        effect: Smtp | None = self._effect("smtp", mailbox.lower())
        return effect

    def oauth(self) -> Oauth | None:
        """The effect on one more request for an access token; None is success."""
        effect: Oauth | None = self._effect("oauth", "")
        return effect

    def set(self, faults: Mapping[str, str], seconds: float | None = None) -> None:
        """Let each provider in `faults` have that fault, for `seconds` or until the next call; all others have none.

        Raises UnknownFault, changing nothing.
        """
        self._everywhere = {provider: Spoken.for_provider(provider, text) for provider, text in faults.items()}
        self._until = None if seconds is None else self._clock() + seconds

    def active(self) -> tuple[dict[str, str], float | None]:
        """The faults now set for whole providers, and for how many seconds more (None: until cleared)."""
        self._expire()
        left = None if self._until is None else self._until - self._clock()
        return {provider: str(spoken) for provider, spoken in self._everywhere.items()}, left

    def forget_attempts(self) -> None:
        """Count the attempts of every address from the beginning again."""
        self._attempts.clear()

    def _expire(self) -> None:
        if self._until is not None and self._clock() >= self._until:
            self._everywhere, self._until = {}, None

    def _effect(self, provider: str, address: str) -> Any:
        self._expire()
        spoken = self._everywhere.get(provider) or Spoken.of(address)
        if spoken is None:
            return None
        effect = getattr(spoken.word, provider)
        if isinstance(effect, Slow):
            return effect if spoken.number is None else Slow(spoken.number)
        first = spoken.word.first if spoken.number is None else spoken.number
        if effect is None or first is None:
            return effect
        return effect if self._count(provider, spoken.word.name, address) <= first else None

    def _count(self, provider: str, word: str, address: str) -> int:
        key = (provider, word, address)
        attempt = self._attempts.get(key, 0) + 1
        self._attempts[key] = attempt
        if len(self._attempts) > _COUNTED_ADDRESSES:
            del self._attempts[next(iter(self._attempts))]
        return attempt
