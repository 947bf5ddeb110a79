"""A client's position in the event log, and the opaque token that stands for it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

# Characters of a token that is part of a URL, for which gunicorn and nginx have 8 KiB.
MAX_IN_URL = 6000


@dataclass(frozen=True, slots=True)
class Cursor:
    """A client's position: the last seq it has of each room, in one incarnation of the log.

    Of a conversation that is not named, the client has everything whose mark is lower than `mark` (commit_order.py).
    So a cursor stays small, however many conversations its user has. Any other room that is not named is new to it.
    """

    epoch: str
    positions: Mapping[str, int] = field(default_factory=dict)
    mark: int | None = None

    def encode(self) -> str:
        """The opaque token that clients keep."""
        parts = [self.epoch, dict(self.positions), *([] if self.mark is None else [self.mark])]
        plain = json.dumps(parts, separators=(",", ":"))
        return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, token: str) -> Cursor:
        """Read a token. Raises ValueError if it is none of ours."""
        try:
            epoch, positions, *rest = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        except (binascii.Error, ValueError, TypeError, RecursionError) as error:
            raise ValueError("not a cursor") from error
        # bool is an int to isinstance, hence type().
        if not isinstance(epoch, str) or not isinstance(positions, dict):
            raise ValueError("not a cursor")
        # Cursors of earlier versions have no mark.
        numbers = [*positions.values(), *rest]
        if len(rest) > 1 or any(type(number) is not int or not 0 <= number < 2**63 for number in numbers):
            raise ValueError("not a cursor")
        return cls(epoch, positions, *rest)
