"""From one message of the queue to every connection that it concerns."""

from __future__ import annotations

from typing import Any

from engineio import packet as engineio_packet

from web.realtime import metrics
from web.realtime.render import View
from web.realtime.sessions import Sessions
from web.realtime.wire import Frame


def deliver(sessions: Sessions, groups: list[dict[str, Any]]) -> int:
    """Send each event to the members of its rooms that this process has. Returns how many were sent."""
    sent = 0
    for group in groups:
        frames: dict[View, list[Frame]] = {}
        for address, seq in group["rooms"]:
            members = sessions.members(address)
            if not members:
                continue
            room = address.partition("/")[2]
            packets: dict[View, list[engineio_packet.Packet]] = {}
            for session in members:
                view = session.view
                if view not in packets:
                    if view not in frames:
                        told = view.told(group["event"], group["payload"])
                        frames[view] = [Frame(view.namespace, name, payload) for name, payload in told]
                    packets[view] = [frame.packet(room, seq) for frame in frames[view]]
                sent += session.offer(room, seq, packets[view])
    metrics.EMITS.inc(sent)
    return sent
