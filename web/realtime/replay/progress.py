"""The position of one connection in each of its rooms. Pure: no clock, no network, no lock of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from models.events.cursor import Cursor
from models.events.log import Replay
from web.realtime.limits import MAX_AHEAD


@dataclass(frozen=True, slots=True)
class ResumeRequest:
    """The position from which a client wants to continue.

    A room that it does not name begins at its head, a conversation at the `mark` if there is one. No epoch means the
    present one. `lost`: the client sent a position that cannot be decoded, and has to fetch its state again.
    """

    epoch: str = ""
    positions: Mapping[str, int] = field(default_factory=dict)
    lost: bool = False
    mark: int | None = None

    @classmethod
    def of(cls, cursor: str | None, positions: Mapping[str, int], epoch: str = "") -> ResumeRequest:
        """Combine a cursor with newer positions of single rooms. Raises ValueError if the cursor is not valid."""
        if cursor is None:
            return cls(epoch, dict(positions))
        known = Cursor.decode(cursor)
        newest = {room: max(seq, known.positions.get(room, 0)) for room, seq in positions.items()}
        return cls(known.epoch, {**known.positions, **newest}, mark=known.mark)


class Progress:
    """What has been sent on one connection, and whether live events can be sent.

    Live events are committed before they are published. So an event that is held back while the log is read is in the
    log as well: only its number has to be remembered. The connection therefore gets every event once and in order.
    """

    def __init__(self, own: tuple[str, ...]) -> None:
        """`own`: the rooms that every user has. Conversations are known once the log has been read."""
        self._own = own
        self.epoch = ""
        # The highest number up to which nothing is missing.
        self.positions: dict[str, int] = dict.fromkeys(own, 0)
        # In conversations that are not in `_named`, everything that has a lower mark was sent, and nothing else.
        self.mark: int | None = None
        self._named: set[str] = set()
        # The same that `_named` becomes when the mark is raised.
        self._recent: set[str] = set()
        # Numbers beyond a gap that have been sent already.
        self._ahead: dict[str, set[int]] = {room: set() for room in own}
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
        return bool(self._ahead.get(room))

    def admit(self, room: str, seq: int) -> bool:
        """Return whether to send this live event now. If so, it counts as sent."""
        if self._held is not None:
            self._held[room] = max(seq, self._held.get(room, 0))
            return False
        if room not in self.positions:
            return False
        position, ahead = self.positions[room], self._ahead[room]
        if seq <= position or seq in ahead:
            return False
        if room not in self._own:
            self._named.add(room)
            self._recent.add(room)
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
        held = self._held or {}
        if any(seq > self.positions[room] for room, seq in held.items() if room in self.positions):
            return False
        self._held = None
        return True

    def start(self, epoch: str, positions: Mapping[str, int], mark: int | None = None) -> None:
        """Set the positions of the rooms that are named; the user's own rooms stay as they are otherwise.

        The positions of other conversations are found by the mark, when the log is read.
        """
        own = dict.fromkeys(self._own, 0) if epoch != self.epoch else {room: self.positions[room] for room in self._own}
        self.epoch, self.mark = epoch, mark
        self.positions = {**own, **positions}
        self._named = set(positions).difference(self._own)
        self._ahead = {room: set() for room in self.positions}

    def was_sent(self, room: str, seq: int) -> bool:
        """Return whether this number was sent already, after a gap."""
        return seq in self._ahead.get(room, ())

    def reach(self, page: Replay) -> None:
        """Note that a page has been sent, and which rooms there are. The others are not the user's any more."""
        if not page.complete or page.cursor.epoch != self.epoch:
            self.start(page.cursor.epoch, page.positions)
        for room in self.positions.keys() - page.positions.keys() - set(self._own):
            self.leave(room)
        for room, seq in page.positions.items():
            if room in self.positions:
                self._advance(room, seq)
            else:
                self.positions[room], self._ahead[room] = seq, set()
        # While the log is read nothing else is sent, so the cursor says all that there is to say.
        self.mark = page.cursor.mark
        self._named = {room for room in page.cursor.positions if room not in self._own}
        self._named |= {room for room, ahead in self._ahead.items() if ahead and room not in self._own}

    def leave(self, room: str) -> None:
        """Forget a conversation."""
        self.positions.pop(room, None)
        self._ahead.pop(room, None)
        self._named.discard(room)
        self._recent.discard(room)

    def is_unnamed(self, room: str) -> bool:
        """Return whether the client has been told nothing of a position in this room."""
        return room not in self._own and room not in self._named

    def look(self) -> None:
        """Note that `settle` is going to be called with a mark that is read from now on."""
        self._recent = set()

    def settle(self, mark: int, beyond: Iterable[str]) -> None:
        """Raise the mark: everything below it was sent, and `beyond` are the rooms that may have more.

        So the cursor does not grow while the connection lasts.
        """
        if self.mark is not None and mark <= self.mark:
            # A replay has just set a newer one.
            return
        self.mark = mark
        self._named = {room for room in beyond if room in self.positions and room not in self._own} | self._recent

    def cursor(self) -> Cursor:
        """Return the position as clients keep it.

        A room that the log does not know yet is at 0. If it were left out, it would count as new at the next connect,
        and events in between would be skipped.
        """
        named = (*self._own, *sorted(self._named))
        return Cursor(self.epoch, {room: self.positions[room] for room in named if room in self.positions}, self.mark)

    def known(self) -> Cursor:
        """Return the position in all rooms, for reading the log."""
        return Cursor(self.epoch, dict(self.positions), self.mark)

    def behind(self, epoch: str, heads: Mapping[str, int]) -> bool:
        """Return whether the log has events that were not sent, or has another epoch than the positions."""
        return epoch != self.epoch or any(
            self.positions[room] < head for room, head in heads.items() if room in self.positions
        )

    def _advance(self, room: str, seq: int) -> None:
        ahead = self._ahead[room]
        if not ahead:
            self.positions[room] = seq
            return
        while seq + 1 in ahead:
            seq += 1
        self.positions[room] = seq
        self._ahead[room] = {number for number in ahead if number > seq}
