"""Failed sends: redacts their reasons, and logs one record for all failures of a kind."""

from __future__ import annotations

import logging
import re
from dataclasses import replace

from carillon.text import cut, printable
from models.deliveries.lifecycle import AddressGone, Deferred, Failure, Outcome, Rejected, RetryLater, Sent
from models.deliveries.message import Message

# People read reasons, and an answer can be a whole web page.
MAX_REASON = 300
# Answers often quote a local part without its domain. Shorter ones are syllables of ordinary words.
MIN_SECRET = 3
# Local parts that are ordinary words of replies, and name nobody.
_WORDS = frozenset({
    "access", "account", "address", "block", "box", "client", "domain", "error", "host", "invalid", "list", "local",
    "mail", "mailbox", "message", "policy", "postmaster", "quota", "recipient", "relay", "reply", "root", "sender",
    "server", "service", "spam", "system", "test", "the", "unknown", "user",
})  # fmt: skip

# Seconds before credentials are tried again: a person has to correct them, and more attempts only fill the log.
CREDENTIALS_RETRY_AFTER = 300.0

_log = logging.getLogger(__name__)


def redact(outcome: Outcome, *addresses: str) -> Outcome:
    """Return `outcome` with a reason that can be stored: bounded, printable, in one line, and without the addresses."""
    if isinstance(outcome, Sent | Deferred):
        return outcome
    reason = printable(outcome.reason)
    for address in addresses:
        if len(address) >= MIN_SECRET:
            reason = re.sub(re.escape(address), "<address>", reason, flags=re.IGNORECASE)
    for local_part in (address.rpartition("@")[0] for address in addresses):
        if len(local_part) >= MIN_SECRET and local_part.lower() not in _WORDS:
            # As a word of its own: `relay2` is in no need of losing its beginning to relay@example.com.
            reason = re.sub(rf"(?<!\w){re.escape(local_part)}(?!\w)", "<address>", reason, flags=re.IGNORECASE)
    return replace(outcome, reason=cut(reason, MAX_REASON))


def log_level(outcome: Outcome) -> int:
    """Return ERROR for what a person has to correct. A provider's bad five minutes must not page."""
    match outcome:
        case Sent() | AddressGone() | Deferred():
            return logging.INFO
        case RetryLater(failure=Failure.CREDENTIALS | Failure.UNCLASSIFIED) | Rejected(failure=Failure.CREDENTIALS):
            return logging.ERROR
        case RetryLater() | Rejected():
            return logging.WARNING


class FailureLog:
    """Collects the failures of one batch by kind: a bad minute of a provider is 10,000 failures a second."""

    def __init__(self, channel: str) -> None:
        self._channel = channel
        self._found: dict[tuple[str, int], tuple[Message, int]] = {}

    def add(self, message: Message, error: str, level: int) -> None:
        """Add a failed message. `error` names the kind, without an address."""
        first, count = self._found.get((error, level), (message, 0))
        self._found[error, level] = (first, count + 1)

    def log(self) -> None:
        """Log one record for each kind, with its first message and the number of messages."""
        for (error, level), (first, count) in self._found.items():
            _log.log(
                level,
                "sending failed",
                extra={
                    "channel": self._channel,
                    "error": error,
                    "count": count,
                    "delivery_id": first.delivery_id,
                    "notification_id": first.content.notification_id,
                    "attempt": first.failed + 1,
                },
            )
