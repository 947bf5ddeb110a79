"""The objects that the web process works with, created once by create_app."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from flask import current_app

from actions.installation import Installation
from actions.tokens import Claims
from bus.counters import Counters
from bus.presence import Leases
from config.jwt_keys import KeySource
from config.settings import Settings
from web.auth import Authenticator
from web.limits import Limiter
from web.metrics import Metrics
from web.newcomers import Newcomers
from web.polling_pages import PollingPages
from web.turns import Turns

# Returns a short description of the error, or None.
Check = Callable[[], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context(Installation):
    """The installation as the web process sees it; `app.extensions["carillon"]`.

    `alive` holds the checks of /healthz by name: parts of this process that can die without it (a listener, a thread)
    enter themselves there.
    """

    settings: Settings
    keys: KeySource
    claims: Claims
    authenticator: Authenticator
    limiter: Limiter
    metrics: Metrics
    counters: Counters
    polling_pages: PollingPages
    leases: Leases
    newcomers: Newcomers
    turns: Turns
    alive: dict[str, Check] = field(default_factory=dict)


def context() -> Context:
    """The context of the application that serves the present request."""
    return cast(Context, current_app.extensions["carillon"])
