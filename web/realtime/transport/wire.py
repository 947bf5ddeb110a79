"""Socket.IO packets on the wire: read strictly, written once for many rooms."""

from __future__ import annotations

import json
import math
from functools import cached_property
from typing import Any

from engineio import packet as engineio_packet
from socketio import packet

# Names that are not events: the library calls the handlers of its own events by them, and a client that sends an event
# "disconnect" or "*" would run ours. Node's server refuses all but the last.
RESERVED = frozenset({"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener", "*"})

# Binary attachments that one event may announce, as in Node's parser.
MAX_ATTACHMENTS = 10

# The payload of an event that has attachments.
BINARY = object()


class Malformed(ValueError):
    """A packet that is not one of Socket.IO's protocol, or one that no client has a reason to send."""


class StrictJson:
    """JSON as its standard has it: no NaN, no Infinity, in or out."""

    @staticmethod
    def dumps(value: Any, **options: Any) -> str:
        """Encode; a number that JSON does not know becomes null."""
        try:
            return json.dumps(value, allow_nan=False, **options)
        except ValueError:
            return json.dumps(_finite(value), allow_nan=False, **options)

    @staticmethod
    def loads(text: str | bytes, **_: Any) -> Any:
        """Decode. Raises ValueError, and nothing else."""
        try:
            return json.loads(text, parse_constant=_refuse, parse_float=_float, parse_int=_int)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("the number is too large")
    return number


def _int(text: str) -> int:
    # Reading a number takes time that grows with the square of its length.
    if len(text) > 20:
        raise ValueError("the number is too large")
    return int(text)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


class StrictPacket(packet.Packet):  # type: ignore[misc]  # the base carries no types
    """A packet of the protocol, read without surprises.

    No event of ours has binary attachments. `announced` is how many come after this packet, for the caller to skip.
    """

    uses_binary_events = False
    json = StrictJson

    def __init__(self, *args: Any, encoded_packet: str | None = None, **options: Any) -> None:
        self.announced = 0
        super().__init__(*args, encoded_packet=encoded_packet, **options)
        if encoded_packet == "":
            raise Malformed("an empty packet")

    def decode(self, encoded_packet: str) -> int:
        """Read a packet of a client. Raises Malformed."""
        try:
            self.announced = super().decode(encoded_packet)
        except (ValueError, TypeError) as error:
            raise Malformed(str(error)) from error
        if self.packet_type not in (packet.CONNECT, packet.DISCONNECT, packet.EVENT, packet.BINARY_EVENT):
            # Acknowledgements too: we never ask a client for one.
            raise Malformed("not a packet that clients send")
        if self.announced > MAX_ATTACHMENTS or bool(self.announced) != (self.packet_type == packet.BINARY_EVENT):
            raise Malformed("attachments")
        if self.packet_type in (packet.EVENT, packet.BINARY_EVENT):
            named = isinstance(self.data, list) and self.data and isinstance(self.data[0], str)
            if not named or self.data[0] in RESERVED:
                raise Malformed("not the name of an event")
        # The caller collects no attachments.
        return 0


class EventPacket(engineio_packet.Packet):  # type: ignore[misc]  # the base carries no types
    """One event, encoded once for all connections that receive it, including the frame of the WebSocket."""

    def __init__(self, text: str) -> None:
        super().__init__(engineio_packet.MESSAGE, text)
        self.encode_cache = f"{engineio_packet.MESSAGE}{text}"

    @cached_property
    def frame(self) -> bytes:
        """The frame of the WebSocket. Servers do not mask frames, so it is the same for all connections."""
        return text_frame(self.encode_cache)


def text_frame(text: str) -> bytes:
    """A message of one frame (RFC 6455 §5.2)."""
    data = text.encode()
    size = len(data)
    if size < 126:
        return b"\x81%c%b" % (size, data)
    return (b"\x81\x7e" + size.to_bytes(2) if size < 65_536 else b"\x81\x7f" + size.to_bytes(8)) + data


def event_packet(namespace: str, name: str, payload: dict[str, Any]) -> EventPacket:
    """The packet of one event."""
    text = StrictJson.dumps([name, payload], separators=(",", ":"))
    return EventPacket(f"2{_prefix(namespace)}{text}")


class Frame:
    """One event for many rooms: encoded once, room and number are filled in for each."""

    def __init__(self, namespace: str, name: str, payload: dict[str, Any]) -> None:
        rest = {key: value for key, value in payload.items() if key not in ("room", "seq")}
        body = StrictJson.dumps(rest, separators=(",", ":"))[1:-1]
        self._head = f'2{_prefix(namespace)}[{StrictJson.dumps(name)},{{{body}{"," if body else ""}"room":'

    def packet(self, room: str, seq: int) -> EventPacket:
        """The packet for one room."""
        return EventPacket(f'{self._head}{json.dumps(room)},"seq":{seq}}}]')


def _prefix(namespace: str) -> str:
    return "" if namespace == "/" else f"{namespace},"
