"""Sends the events of one message of the queue to the connections of this process."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from web.dialects import DialectView
from web.realtime import metrics
from web.realtime.gateway.sessions import Session, Sessions, skipped_packets
from web.realtime.transport.wire import EventPacket, Frame, event_packet


def deliver(sessions: Sessions, groups: list[dict[str, Any]]) -> int:
    """Send each event to the members of its rooms that this process has. Returns how many were sent.

    An event with the number 0 is not in the log, and is sent without room and number. Members whom the event is not for
    are sent that its number is skipped.
    """
    sent = 0
    for group in groups:
        frames: dict[DialectView, list[Frame]] = {}
        audience = group.get("audience")
        for address, seq in group["rooms"]:
            members = sessions.members(address)
            if not members:
                continue
            if not seq:
                others = [session for session in members if session.user != group.get("without")]
                sent += send_unlogged(others, group["event"], group["payload"])
                continue
            room = address.partition("/")[2]
            packets: dict[tuple[DialectView, bool], list[EventPacket]] = {}
            for session in members:
                view = session.view
                included = audience is None or session.user in audience
                if (view, included) not in packets:
                    if not included:
                        packets[view, included] = skipped_packets(view, room, seq)
                    else:
                        if view not in frames:
                            named = view.translate(group["event"], group["payload"])
                            frames[view] = [Frame(view.namespace, name, payload) for name, payload in named]
                        packets[view, included] = [frame.packet(room, seq) for frame in frames[view]]
                sent += session.offer(room, seq, packets[view, included])
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
