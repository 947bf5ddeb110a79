"""What the web process works with, put together once by create_app."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from flask import current_app
from sqlalchemy import Engine

from bus.bells import Bells
from bus.counters import Counters
from config.settings import Settings
from models.catalogue.source import Catalogue
from web.auth import Authenticator, JwtKeys
from web.limits import Limiter
from web.metrics import Metrics
from web.poll_interval import PollInterval

if TYPE_CHECKING:
    # At run time it would lead back here.
    from web.realtime.presence.leases import Leases

# Says what is wrong in a few words, or None.
Check = Callable[[], str | None]


def utc_now() -> datetime:
    """The time, for whoever was given no other clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Context:
    """Settings and the objects made from them; `app.extensions["carillon"]`.

    `alive` holds the checks of /healthz by name: parts of this process that can die without it (a listener, a thread)
    enter themselves there.
    """

    settings: Settings
    engine: Engine
    bells: Bells
    keys: JwtKeys
    authenticator: Authenticator
    limiter: Limiter
    metrics: Metrics
    rates: Counters
    pace: PollInterval
    catalogue: Catalogue
    leases: Leases
    now: Callable[[], datetime] = utc_now
    alive: dict[str, Check] = field(default_factory=dict)


def context() -> Context:
    """The context of the application that serves the present request."""
    return cast(Context, current_app.extensions["carillon"])
