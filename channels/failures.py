"""How a failed send is told: a reason without the address, and one log record for all that failed alike."""

from __future__ import annotations

import logging
import re
from dataclasses import replace

from models.deliveries.lifecycle import AddressGone, Deferred, Failure, Outcome, Rejected, RetryLater, Sent
from models.deliveries.message import Message

# A reason is read by a person; what answers may be a whole web page.
LONGEST_REASON = 300
# A local part is quoted without its domain often enough; one shorter than this is a syllable of ordinary words.
SHORTEST_SECRET = 3

# Seconds before credentials are tried again: a person has to mend them, and asking more often only fills the log.
CREDENTIALS_RETRY_AFTER = 300.0

_log = logging.getLogger(__name__)


def redact(outcome: Outcome, *addresses: str) -> Outcome:
    """`outcome` with a reason fit for storing: bounded, in one line, and not quoting an address as answers do."""
    if isinstance(outcome, Sent | Deferred):
        return outcome
    reason = " ".join(outcome.reason.split())
    for secret in (*addresses, *(address.rpartition("@")[0] for address in addresses)):
        if len(secret) >= SHORTEST_SECRET:
            reason = re.sub(re.escape(secret), "<address>", reason, flags=re.IGNORECASE)
    return replace(outcome, reason=reason[:LONGEST_REASON])


def log_level(outcome: Outcome) -> int:
    """ERROR is for what a person has to mend; a provider's bad five minutes must not page."""
    match outcome:
        case Sent() | AddressGone() | Deferred():
            return logging.INFO
        case RetryLater(failure=Failure.CREDENTIALS | Failure.UNCLASSIFIED) | Rejected(failure=Failure.CREDENTIALS):
            return logging.ERROR
        case RetryLater() | Rejected():
            return logging.WARNING


class FailureLog:
    """The failures of one batch, gathered by kind: a bad minute of a provider is 10,000 failures a second."""

    def __init__(self, channel: str) -> None:
        self._channel = channel
        self._found: dict[tuple[str, int], tuple[Message, int]] = {}

    def add(self, message: Message, error: str, level: int) -> None:
        """`message` failed; `error` names the kind and quotes nobody."""
        first, count = self._found.get((error, level), (message, 0))
        self._found[error, level] = (first, count + 1)

    def log(self) -> None:
        """One record for each kind, with the first message it befell and how many there were."""
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
                    "attempt": first.attempt,
                },
            )
