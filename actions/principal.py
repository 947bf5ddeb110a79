"""On whose behalf an action is carried out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from actions.problems import Problem

Mode = Literal["live", "test"]
Kind = Literal["user", "service", "operator"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from, for the audit log: the peer's IP address, and the id of the request."""

    ip: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """The user, service or operator that asks.

    `id` is the user's id, the prefix of an API key, or the subject of a service's or an operator's token; for
    commands it is `cli:` and the login name. `issued_at` and `expires_at` are None for API keys, which are checked at
    each request.
    """

    kind: Kind
    tenant: str
    id: str
    mode: Mode
    expires_at: datetime | None = None
    issued_at: datetime | None = None
    origin: Origin = field(default=Origin(), compare=False)

    @property
    def name(self) -> str:
        """Kind and id, such as `operator ann`: who made something, for people."""
        return f"{self.kind} {self.id}"


def require_live(caller: Principal, what: str) -> None:
    """Raise Problem (403) if the caller uses a test key. `what` completes "a test key cannot …"."""
    if caller.mode == "test":
        raise Problem(403, "forbidden", f"a test key cannot {what}: use a live key")
