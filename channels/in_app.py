"""The in-app channel: a batch is published to the Socket.IO message queue, and every web process receives it.

Published is not delivered: Redis keeps nothing for a web process that is away. The client's next replay finds in the
log what did not arrive, and only the client's acknowledgement says that it was seen.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from bus.envelope import Entry, Envelope, pack, room_name
from bus.publisher import Publisher
from bus.redis import UNAVAILABLE
from channels.base import Channel
from config.settings import Settings
from models.channels import IN_APP
from models.deliveries.lifecycle import Failure, Outcome, Rejected, RetryLater, Sent
from models.deliveries.message import Action, Message
from models.events.vocabulary import NOTIFICATION_DELETED, NOTIFICATION_NEW, notification_deleted, notification_new
from models.rooms.names import user_room
from models.sql.clock import utc_now

log = logging.getLogger(__name__)


class InAppChannel:
    """Puts notifications on the screens that are connected."""

    name = IN_APP

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def send(
        self,
        batch: Sequence[Message],
        deadline: float = math.inf,  # noqa: ARG002 - a publish takes a few seconds at most
    ) -> Sequence[Outcome]:
        """Publish the batch, in one message unless it is very large. `Sent` means published, and no more."""
        # A message without a seq is in no envelope: clients could not order it, so it is rejected.
        outcomes: list[Outcome] = [Rejected("no event in the log", Failure.UNCLASSIFIED)] * len(batch)
        numbered = [index for index, message in enumerate(batch) if message.seq is not None]
        for envelope in pack(_entries([batch[index] for index in numbered])):
            outcome = self._send(envelope)
            for position in envelope.positions:
                outcomes[numbered[position]] = outcome
        return outcomes

    def check(self) -> str | None:
        """See Channel. It is no failure that no web process is subscribed: nobody is connected then."""
        try:
            self._publisher.round_trip()
        except (*UNAVAILABLE, TimeoutError) as error:
            return f"redis: {type(error).__name__}"
        return None

    def close(self) -> None:
        """Release the connections to Redis."""
        self._publisher.close()

    def _send(self, envelope: Envelope) -> Outcome:
        try:
            subscribers = self._publisher.publish(list(envelope.groups.values()))
        except UNAVAILABLE as error:
            return RetryLater(f"redis: {type(error).__name__}", Failure.PROVIDER_DOWN)
        if not subscribers:
            # Then nobody is connected, so nothing is lost. But a wrong topic looks the same.
            log.warning("no web process listens", extra={"redis_channel": self._publisher.channel})
        return Sent()


def _entries(batch: Sequence[Message]) -> Iterator[Entry]:
    rendered: dict[tuple[int, Action], tuple[str, dict[str, Any]]] = {}
    for message in batch:
        # Messages of a batch share one Content object, which cannot be hashed itself.
        key = (id(message.content), message.action)
        if key not in rendered:
            rendered[key] = _event(message)
        event, payload = rendered[key]
        yield Entry(key, event, payload, room_name(message.content.tenant, user_room(message.user)), message.seq or 0)


def _event(message: Message) -> tuple[str, dict[str, Any]]:
    if message.action is Action.WITHDRAW:
        return NOTIFICATION_DELETED, notification_deleted(message.content)
    return NOTIFICATION_NEW, notification_new(message.content)


def build(settings: Settings, mode: str, _now: Callable[[], datetime] = utc_now) -> Channel | None:
    """The channel of live keys; for test keys the lab's screen, or None if there is no lab."""
    if mode == "live":
        return InAppChannel(Publisher.of(settings))
    if settings.lab_url is None:
        return None
    # Imported only here: a process without a lab needs none of its HTTP.
    from channels.lab import LabScreen

    return LabScreen(settings.lab_url, settings.provider_timeout)
