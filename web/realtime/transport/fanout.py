"""Sends the events of one message of the queue to the connections of this process."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from web.dialects import DialectView
from web.realtime import metrics
from web.realtime.gateway.sessions import Session, Sessions
from web.realtime.transport.wire import EventPacket, Frame, event_packet


def deliver(sessions: Sessions, groups: list[dict[str, Any]]) -> int:
    """Send each event to the members of its rooms that this process has. Returns how many were sent.

    An event with the number 0 is not in the log, and is sent without room and number.
    """
    sent = 0
    for group in groups:
        frames: dict[DialectView, list[Frame]] = {}
        for address, seq in group["rooms"]:
            members = sessions.members(address)
            if not members:
                continue
            if not seq:
                sent += send_unlogged(members, group["event"], group["payload"])
                continue
            room = address.partition("/")[2]
            packets: dict[DialectView, list[EventPacket]] = {}
            for session in members:
                view = session.view
                if view not in packets:
                    if view not in frames:
                        named = view.translate(group["event"], group["payload"])
                        frames[view] = [Frame(view.namespace, name, payload) for name, payload in named]
                    packets[view] = [frame.packet(room, seq) for frame in frames[view]]
                sent += session.offer(room, seq, packets[view])
    metrics.EMITS.inc(sent)
    return sent


def send_unlogged(members: Iterable[Session], event: str, payload: dict[str, Any]) -> int:
    """Send these connections an event that is not in the log. Returns to how many it was sent."""
    packets: dict[DialectView, list[EventPacket]] = {}
    sent = 0
    for session in members:
        view = session.view
        if view not in packets:
            packets[view] = [event_packet(view.namespace, *named) for named in view.translate(event, payload)]
        sent += bool(packets[view]) and session.send_unlogged(packets[view])
    return sent
