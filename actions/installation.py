"""What every action works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from actions.batches import Batches
from actions.meter import Meter
from actions.quotas import Quotas
from bus.bells import Bells
from bus.publisher import Publisher
from models.catalogue.source import Catalogue
from models.sql.clock import utc_now
from storage.base import Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """The objects of one process that actions use, made once.

    `retention` bounds how long anything can be kept. `has_lab`: notifications of test keys have somewhere to go.
    `mail_takes_utf8`: the mail server accepts addresses with non-ASCII letters before the @. `storage`: where files
    are, None if attachments are switched off. `attachment_max_bytes`: the size of the largest. `now` is the time of the
    installation (models/sql/clock.py).
    """

    engine: Engine
    bells: Bells
    publisher: Publisher
    meter: Meter
    quotas: Quotas
    catalogue: Catalogue
    retention: timedelta
    has_lab: bool
    mail_takes_utf8: bool
    storage: Storage | None = None
    attachment_max_bytes: int = 0
    now: Callable[[], datetime] = utc_now
    # Notifications that come at the same time, by tenant: a tenant does not wait for what blocks another's transaction.
    accepting: Batches[Any, Any] = field(default_factory=Batches)
