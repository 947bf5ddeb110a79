"""Record that a token was minted."""

from __future__ import annotations

from datetime import timedelta

from actions.audit import record
from actions.installation import Installation
from actions.principal import Principal
from models.sql.engine import write


def record_token(
    installation: Installation, caller: Principal, audience: str, subject: str, lifetime: timedelta
) -> None:
    """Record a token before it is given out. The token itself is not in the record."""
    seconds = int(lifetime.total_seconds())
    with write(installation.engine) as connection:
        record(connection, installation, caller, "token.mint", subject, audience=audience, expires_in=seconds)
