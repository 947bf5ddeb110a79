"""The position of one connection in each of its rooms. Pure: no clock, no network, no lock of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from models.events.cursor import Cursor
from web.realtime.limits import MAX_AHEAD


@dataclass(frozen=True, slots=True)
class ResumeRequest:
    """The position from which a client wants to continue.

    A room that it does not name begins at its head. No epoch means the present one. `lost`: the client sent a position
    that cannot be decoded, and has to fetch its state again.
    """

    epoch: str = ""
    positions: Mapping[str, int] = field(default_factory=dict)
    lost: bool = False

    @classmethod
    def of(cls, cursor: str | None, positions: Mapping[str, int], epoch: str = "") -> ResumeRequest:
        """Combine a cursor with newer positions of single rooms. Raises ValueError if the cursor is not valid."""
        if cursor is None:
            return cls(epoch, dict(positions))
        known = Cursor.decode(cursor)
        newest = {room: max(seq, known.positions.get(room, 0)) for room, seq in positions.items()}
        return cls(known.epoch, {**known.positions, **newest})


class Progress:
    """What has been sent on one connection, and whether live events can be sent.

    Live events are committed before they are published. So an event that is held back while the log is read is in the
    log as well: only its number has to be remembered. The connection therefore gets every event once and in order.
    """

    def __init__(self, rooms: tuple[str, ...]) -> None:
        self.epoch = ""
        # The highest number up to which nothing is missing.
        self.positions: dict[str, int] = dict.fromkeys(rooms, 0)
        # Numbers beyond a gap that have been sent already.
        self._ahead: dict[str, set[int]] = {room: set() for room in rooms}
        # While the log is read: the highest live number seen in each room. None: live events pass.
        self._held: dict[str, int] | None = {}

    @property
    def live(self) -> bool:
        """Whether live events are sent."""
        return self._held is None

    @property
    def gap(self) -> bool:
        """Whether an event was sent that comes after a missing one."""
        return any(self._ahead.values())

    def is_ahead(self, room: str) -> bool:
        """Whether an event was sent in this room that comes after a missing one."""
        return bool(self._ahead[room])

    def admit(self, room: str, seq: int) -> bool:
        """Return whether to send this live event now. If so, it counts as sent."""
        if room not in self.positions:
            return False
        if self._held is not None:
            self._held[room] = max(seq, self._held.get(room, 0))
            return False
        position, ahead = self.positions[room], self._ahead[room]
        if seq <= position or seq in ahead:
            return False
        if seq == position + 1:
            self._advance(room, seq)
            return True
        if len(ahead) >= MAX_AHEAD:
            self.hold()
            return self.admit(room, seq)
        ahead.add(seq)
        return True

    def hold(self) -> None:
        """Hold live events back, because the log is going to be read."""
        if self._held is None:
            self._held = {}

    def release(self) -> bool:
        """Let live events pass again. False if one was held back that has not been sent: read the log again."""
        if self._held and any(seq > self.positions[room] for room, seq in self._held.items()):
            return False
        self._held = None
        return True

    def start(self, epoch: str, positions: Mapping[str, int]) -> None:
        """Set the positions of the rooms that are named; others stay as they are."""
        if epoch != self.epoch:
            self.positions = dict.fromkeys(self.positions, 0)
        self.epoch = epoch
        for room in self.positions:
            self.positions[room] = positions.get(room, self.positions[room])
            self._ahead[room].clear()

    def was_sent(self, room: str, seq: int) -> bool:
        """Return whether this number was sent already, after a gap."""
        return seq in self._ahead[room]

    def reach(self, cursor: Cursor) -> None:
        """Note that everything up to the cursor has been sent."""
        if cursor.epoch != self.epoch:
            self.start(cursor.epoch, cursor.positions)
        for room in self.positions:
            if room in cursor.positions:
                self._advance(room, cursor.positions[room])

    def cursor(self) -> Cursor:
        """Return the position as clients keep it.

        A room that the log does not know yet is at 0. If it were left out, it would count as new at the next connect,
        and events in between would be skipped.
        """
        return Cursor(self.epoch, dict(self.positions))

    def behind(self, epoch: str, heads: Mapping[str, int]) -> bool:
        """Return whether the log has events that were not sent, or has another epoch than the positions."""
        return epoch != self.epoch or any(seq < heads.get(room, 0) for room, seq in self.positions.items())

    def _advance(self, room: str, seq: int) -> None:
        ahead = self._ahead[room]
        if not ahead:
            self.positions[room] = seq
            return
        while seq + 1 in ahead:
            seq += 1
        self.positions[room] = seq
        self._ahead[room] = {number for number in ahead if number > seq}
