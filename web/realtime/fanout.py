"""From one message of the queue to every connection that it concerns."""

from __future__ import annotations

from typing import Any

from engineio import packet as engineio_packet

from web.realtime import metrics
from web.realtime.render import NAMESPACES
from web.realtime.sessions import Sessions
from web.realtime.wire import Frame


def deliver(sessions: Sessions, groups: list[dict[str, Any]]) -> int:
    """Send each event to the members of its rooms that this process has. Returns how many were sent."""
    sent = 0
    for group in groups:
        frames: dict[str, Frame] = {}
        for address, seq in group["rooms"]:
            members = sessions.members(address)
            if not members:
                continue
            room = address.partition("/")[2]
            packets: dict[str, engineio_packet.Packet] = {}
            for session in members:
                namespace = session.namespace
                if namespace not in packets:
                    if namespace not in frames:
                        name, payload = NAMESPACES[namespace](group["event"], group["payload"])
                        frames[namespace] = Frame(namespace, name, payload)
                    packets[namespace] = frames[namespace].packet(room, seq)
                sent += session.offer(room, seq, packets[namespace])
    metrics.EMITS.inc(sent)
    return sent
