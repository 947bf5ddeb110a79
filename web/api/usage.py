"""What a tenant used, by day."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date

from pydantic import Field

from actions.principal import Principal
from actions.usage_period import USUAL, period
from models.sql.engine import read
from models.usage.queries import by_day
from web.api.endpoint import Api
from web.api.fields import Query, View
from web.context import context

api = Api("usage", "What a tenant used, by day.")


class UsageQuery(Query):
    """Which days, both included."""

    since: date | None = Field(None, description=f"The first day (UTC). Default: {USUAL} days in all.")
    until: date | None = Field(None, description="The last day (UTC). Default: today.")

    def period(self) -> tuple[date, date]:
        """Return the first and the last day. Raises Problem (422)."""
        return period(self.since, self.until, context().now().astimezone(UTC).date())


class Usage(View):
    """What was used in a time."""

    notifications: int = Field(description="Accepted, without replays of a known Idempotency-Key.")
    recipients: int = Field(description="Users to whom notifications were addressed, once for each notification.")
    deliveries: dict[str, dict[str, int]] = Field(
        description="By channel, then by the state in which they ended in this time: `sent`, `dead`, `expired`, "
        "`suppressed` or `cancelled`. Withdrawals are included. One that is sent again after a redrive counts again."
    )


class UsageDay(Usage):
    """What was used on a day."""

    day: date = Field(description="UTC, such as 2026-11-27.")


class UsageView(View):
    """Days on which something was used, newest first."""

    data: list[UsageDay]


@api.declare("GET", "/usage", auth=["service", "operator"], answers={200: UsageView})
def get_usage(caller: Principal, query: UsageQuery) -> UsageView:
    """Return what the tenant used, by day, of live or of test notifications.

    The counts are a few seconds behind, and are kept for 400 days. At most 366 days are returned at once.
    """
    since, until = query.period()
    with read(context().engine) as connection:
        days = by_day(connection, caller.tenant, caller.mode, since, until)
    return UsageView(data=[UsageDay(day=day, **asdict(used)) for day, used in days.items()])
