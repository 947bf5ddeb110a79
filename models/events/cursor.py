"""A client's position in the event log, and the opaque token that stands for it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Cursor:
    """A client's position: the last seq it has of each room, in one incarnation of the log."""

    epoch: str
    positions: Mapping[str, int] = field(default_factory=dict)

    def encode(self) -> str:
        """The opaque token that clients keep."""
        plain = json.dumps([self.epoch, dict(self.positions)], separators=(",", ":"))
        return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, token: str) -> Cursor:
        """Read a token. Raises ValueError if it is none of ours."""
        try:
            epoch, positions = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        except (binascii.Error, ValueError, TypeError, RecursionError) as error:
            raise ValueError("not a cursor") from error
        # bool is an int to isinstance, hence type().
        if not isinstance(epoch, str) or not isinstance(positions, dict):
            raise ValueError("not a cursor")
        if any(type(seq) is not int or not 0 <= seq < 2**63 for seq in positions.values()):
            raise ValueError("not a cursor")
        return cls(epoch, positions)
