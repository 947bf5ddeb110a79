"""What workers take from Redis: bells and questions. Everything else is dropped, and no worker ends for it.

Celery and kombu trust the broker. An item of a queue that is not what they expect ends the worker, and orders such as
`shutdown` are obeyed, whoever sends them. A bell means "look", so a forged one does no harm: bells need their form and
no signature (docs/adr/0033).
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable
from datetime import datetime
from queue import Empty
from typing import Annotated, Any, Literal

from celery import current_app
from kombu.transport import redis
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

log = logging.getLogger(__name__)

# Errors of Redis, and "nothing there": the consumer expects them.
_OUTAGES = (Empty, *redis.Transport.connection_errors, *redis.Transport.channel_errors)

_Name = Annotated[str, Field(max_length=255)]


def _log_drop(place: str, error: str) -> None:
    # Nothing of the message: whoever sends it could fill the log (config/repeated_records.py counts what is the same).
    log.warning("messages dropped: no bells and no questions", extra={"place": place, "error": error})


class _Unreadable(logging.Filter):
    """Replaces what kombu logs for each message, with all of it."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not str(record.msg).startswith("Cannot process event"):
            return True
        _log_drop("control", "not JSON")
        return False


redis.logger.addFilter(_Unreadable())


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, populate_by_name=True)


class _Place(_Strict):
    exchange: _Name
    routing_key: _Name


class _Properties(_Strict):
    delivery_tag: _Name
    delivery_info: _Place
    body_encoding: Literal["base64"]
    priority: Annotated[int, Field(ge=0, le=9)] = 0


class _Message(_Strict):
    """A message of kombu with the members that are kept."""

    body: str
    content_type: Annotated[Literal["application/json"], Field(alias="content-type")]
    content_encoding: Annotated[Literal["utf-8"], Field(alias="content-encoding")]
    properties: _Properties

    def content(self) -> bytes:
        return base64.b64decode(self.body, validate=True)

    def rebuilt(self, body: bytes, headers: dict[str, Any]) -> dict[str, Any]:
        body_of = self.model_copy(update={"body": base64.b64encode(body).decode()})
        return body_of.model_dump(by_alias=True) | {"headers": headers}


class _BellHeaders(_Strict):
    task: _Name
    id: _Name
    expires: _Name | None = None


class _BellMessage(_Message):
    headers: _BellHeaders


class _Question(_Strict):
    """What `celery inspect` and Flower ask. Every other command would change the worker."""

    method: Literal[
        "ping", "stats", "active_queues", "registered", "active", "scheduled", "reserved", "revoked", "conf"
    ]
    destination: list[_Name] | None = None
    ticket: _Name | None = None
    reply_to: _Place | None = None


# Arguments, keyword arguments, and what to do afterwards: bells have strings only.
_Argument = Annotated[str, Field(max_length=128)]
_ARGUMENTS = TypeAdapter(
    tuple[list[_Argument], Annotated[dict[str, None], Field(max_length=0)], dict[str, None]],
    config=ConfigDict(strict=True),
)


def as_bell(message: object) -> dict[str, Any]:
    """Return a bell with what is needed of the message. Raises ValueError if it is none."""
    found = _BellMessage.model_validate(message)
    headers = found.headers
    if headers.task not in current_app.tasks or headers.task.startswith("celery."):
        raise ValueError("no task of ours")
    if headers.expires is not None:
        datetime.fromisoformat(headers.expires)
    arguments, _, _ = _ARGUMENTS.validate_json(found.content())
    kept = {"lang": "py", "retries": 0, "argsrepr": repr(arguments)[:1000], "kwargsrepr": "{}", **headers.model_dump()}
    return found.rebuilt(json.dumps([arguments, {}, {}]).encode(), kept)


def as_question(message: object) -> dict[str, Any]:
    """Return a question with what is needed of the message. Raises ValueError if it is none, or an order."""
    found = _Message.model_validate(message)
    question = _Question.model_validate_json(found.content())
    return found.rebuilt(question.model_dump_json().encode(), {})


class QoS(redis.QoS):
    """Keeps account of the messages that were taken.

    When Redis fails while a task runs, kombu 5.7 closes the channel. It then returns unacknowledged messages through
    the closed channel, and acknowledges tasks that end later through it. Either error ends the worker for good. Bells
    need neither, because the relay rings again.
    """

    restore_at_shutdown = False

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge a message, unless the channel is closed."""
        if self.channel.connection is not None:
            super().ack(delivery_tag)  # type: ignore[no-untyped-call]

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        """Return a message to its queue. What is no message is removed: it would be tried for ever."""
        try:
            super().restore_by_tag(tag, client, leftmost)  # type: ignore[no-untyped-call]
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            _log_drop("unacked", type(error).__name__)
            with self.pipe_or_acquire() as pipe:
                self._remove_from_indices(tag, pipe).execute()  # type: ignore[no-untyped-call]


class Channel(redis.Channel):
    """Reads from Redis, and drops what cannot be used."""

    QoS = QoS

    def _brpop_read(self, **options: Any) -> Any:
        read: Any = super()._brpop_read
        return self._usable("queue", lambda: read(**options))

    def _receive_one(self, c: Any) -> Any:
        read: Any = super()._receive_one
        return self._usable("control", lambda: read(c))

    def _usable(self, place: str, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except _OUTAGES:
            raise
        except Exception as error:  # noqa: BLE001 - whatever was wrong with it: a worker that ends, ends at the next too
            _log_drop(place, type(error).__name__)
            raise Empty from None


class Transport(redis.Transport):
    """Gives Celery what Redis has, where it is a bell or a question."""

    Channel = Channel

    def _deliver(self, message: Any, queue: str) -> None:
        if queue in current_app.amqp.queues:
            message = as_bell(message)
        elif queue.endswith(".celery.pidbox") and not queue.endswith(".reply.celery.pidbox"):
            message = as_question(message)
        super()._deliver(message, queue)  # type: ignore[no-untyped-call]
