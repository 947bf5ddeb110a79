"""What a conforming client does with what it hears, as docs/realtime.md has it. Pure: no clock, no network.

Whoever drives it owns the connection: it shows everything that comes to `hear`, `answered` and `polled`, and does what
`stale`, `more`, `gap` and `shown` ask for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tests.conforming.inbox import Inbox

Payload = dict[str, Any]


class Client:
    """One user's view of their rooms, and their inbox."""

    def __init__(self) -> None:
        # Kept across connections, and across the end of the program.
        self.cursor: str | None = None
        self.epoch = ""
        self.positions: dict[str, int] = {}
        # What came before something that is missing, by room and number. None: nothing stands behind the number.
        self.early: dict[str, dict[int, tuple[str, Payload] | None]] = {}
        self.inbox = Inbox()
        # The counts as the server told them last.
        self.told: Mapping[str, int] | None = None
        # The state is not to be trusted: fetch it by REST. Not before there is a cursor, or what comes in between is
        # in neither of them.
        self.stale = False
        # The server has more: ask at once.
        self.more = False
        # Ids that were shown and are not acknowledged yet.
        self.shown: dict[str, None] = {}
        # The connection is open, and session:ready has not come: whatever comes now is a replay, in order.
        self.replaying = False
        # Heard since the state was asked for, which may be older than this.
        self._meanwhile: list[tuple[str, Payload]] | None = None
        # For whoever looks on: the cursor at which the state was begun anew, and what was applied since, in order.
        self.applied: list[tuple[str, int, str, Payload]] = []
        self.begun_at: str | None = None

    @property
    def gap(self) -> bool:
        """Whether something is missing that may still come by itself; if not within two seconds, `sync`."""
        return any(self.early.values())

    def position(self) -> Payload:
        """From where `sync` goes on."""
        return {"cursor": self.cursor, "positions": dict(self.positions)} if self.cursor else {}

    def connecting(self) -> Payload:
        """What the handshake names besides the token."""
        # What came too early comes again.
        self.early.clear()
        self.replaying = True
        return self.position()

    def hear(self, name: str, payload: Payload) -> None:
        """An event on the socket."""
        if name in ("session:ready", "session:resync"):
            self.answered(payload)
        elif name == "event:skipped":
            self._arrive(payload["room"], dict.fromkeys(range(payload["from"], payload["seq"] + 1)))
        elif "seq" in payload:
            self._arrive(payload["room"], {payload["seq"]: (name, payload)})
        elif name == "notification:count":
            self.told = payload

    def answered(self, answer: Payload) -> None:
        """The server has said where the connection is: the greeting, a resync, the answer of `sync`."""
        self._take_cursor(answer)
        self.replaying = False
        for room, seq in answer["positions"].items():
            self.positions[room] = max(seq, self.positions.get(room, 0))
            self._catch_up(room)

    def polled(self, page: Payload) -> None:
        """A page of GET /v1/events. Numbers without an event are left out there: the cursor stands for them."""
        # What came too early on a socket comes again here.
        self.early.clear()
        self._take_cursor(page)
        for event in page["data"]:
            room, seq, payload = event["room"], event["seq"], event["payload"]
            if seq > self.positions.get(room, 0):
                self._apply(room, seq, None if event["event"] == "event:skipped" else (event["event"], payload))

    def fetching(self) -> None:
        """The state is being asked for by REST."""
        self._meanwhile = []

    def fetched(self, items: Iterable[Payload], counts: Mapping[str, int]) -> None:
        """The state, as it was at some moment since `fetching`; no use where history broke off again meanwhile."""
        if self._meanwhile is None:
            return
        self.inbox = Inbox(items)
        self.told = counts
        for event in self._meanwhile:
            self._change(*event)
        self._meanwhile = None
        self.stale = False

    def acknowledged(self, ids: Iterable[str]) -> None:
        """The server has taken the acknowledgement of these."""
        for id_ in ids:
            self.shown.pop(id_, None)

    def _take_cursor(self, answer: Payload) -> None:
        # An answer of polling names no epoch: there another one is always incomplete.
        epoch = answer.get("epoch", self.epoch)
        if self.cursor is None or not answer["complete"] or (self.epoch and epoch != self.epoch):
            self.stale = True
            # A state that is on its way may be older than what was just passed over.
            self._meanwhile = None
            self.early.clear()
            self.positions.clear()
            self.begun_at = answer["cursor"]
            self.applied.clear()
        self.epoch, self.cursor, self.more = epoch, answer["cursor"], answer["more"]

    def _arrive(self, room: str, arrived: Mapping[int, tuple[str, Payload] | None]) -> None:
        position = self.positions.get(room, 0)
        early = self.early.setdefault(room, {})
        for seq, event in arrived.items():
            if seq > position:
                early.setdefault(seq, event)
        if self.replaying and early:
            # Its number follows the cursor, and whoever has polled knows only that.
            self.positions[room] = min(early) - 1
        self._catch_up(room)

    def _catch_up(self, room: str) -> None:
        early = self.early.get(room, {})
        for seq in [seq for seq in early if seq <= self.positions.get(room, 0)]:
            del early[seq]
        while (seq := self.positions.get(room, 0) + 1) in early:
            self._apply(room, seq, early.pop(seq))

    def _apply(self, room: str, seq: int, event: tuple[str, Payload] | None) -> None:
        self.positions[room] = seq
        if event is None:
            return
        name, payload = event
        self.applied.append((room, seq, name, payload))
        if name == "notification:new":
            self.shown[payload["id"]] = None
        if self._meanwhile is not None:
            self._meanwhile.append(event)
        self._change(name, payload)

    def _change(self, name: str, payload: Payload) -> None:
        if name == "notification:count":
            self.told = {key: payload[key] for key in ("unread", "unseen", "total")}
        else:
            self.inbox.apply(name, payload)
