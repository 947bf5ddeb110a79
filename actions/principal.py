"""On whose behalf an action is carried out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from actions.problems import Problem

Mode = Literal["live", "test"]
Kind = Literal["user", "service", "operator"]


@dataclass(frozen=True, slots=True)
class Principal:
    """The user, service or operator that asks.

    `id` is the user's id, the prefix of an API key, or the subject of a service's or an operator's token. `issued_at`
    and `expires_at` are None for API keys, which are valid until they are revoked.
    """

    kind: Kind
    tenant: str
    id: str
    mode: Mode
    expires_at: datetime | None = None
    issued_at: datetime | None = None


def require_live(caller: Principal, what: str) -> None:
    """Raise Problem (403) if the caller uses a test key. `what` completes "a test key cannot …"."""
    if caller.mode == "test":
        raise Problem(403, "forbidden", f"a test key cannot {what}: use a live key")
