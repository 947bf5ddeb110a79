"""Send dead letters again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import NamedTuple
from uuid import UUID

import uuid_utils.compat

from actions.audit import INSTALLATION, record
from actions.installation import Installation
from actions.principal import Principal
from models.channels import CHANNELS
from models.deliveries import dead_letters
from models.deliveries.dead_letters import DeadFilter
from models.sql.engine import write

# Dead letters in one transaction.
MAX_AT_ONCE = 1000


class Redrive(NamedTuple):
    """A step of a redrive, `redriven` letters long. `remaining`: there may be more.

    `not_redriven`: how many dead letters stay dead by why (`hopeless`), counted in the last step only.
    """

    id: UUID
    redriven: int
    remaining: bool
    not_redriven: Mapping[str, int]


def redrive(
    installation: Installation,
    caller: Principal,
    which: DeadFilter,
    limit: int = MAX_AT_ONCE,
    redrive_id: UUID | None = None,
) -> Redrive:
    """Make up to `limit` dead letters pending again. Those that would not be sent all the same stay dead.

    `redrive_id`: the redrive that this step continues.
    """
    id_ = redrive_id or uuid_utils.compat.uuid7()
    tenant = which.tenant_id or INSTALLATION
    with write(installation.engine) as connection:
        number = dead_letters.redrive(connection, which, installation.now(), limit, id_)
        remaining = number == limit
        hopeless = {} if remaining else dead_letters.count_hopeless(connection, which, installation.now())
        if number:
            given = {name: value for name, value in asdict(which).items() if name not in ("ids", "tenant_id")}
            details = {name: str(value) for name, value in given.items() if value is not None} | {"number": number}
            record(connection, installation, caller, "dead_letters.redrive", str(id_), tenant=tenant, **details)
    if number:
        for channel in [which.channel] if which.channel else CHANNELS:
            installation.bells.deliver(channel)
    return Redrive(id_, number, remaining, hopeless)
