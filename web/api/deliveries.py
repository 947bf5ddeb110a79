"""Deliveries as callers see them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from models.deliveries.lifecycle import State
from web.api.fields import FailureName, Moment, StateName, View


class AttemptView(View):
    """An attempt that failed."""

    number: int
    at: Moment
    failure: FailureName
    reason: str


class DeliveryView(View):
    """A delivery: one notification to one address of one user. The address itself is not returned."""

    id: int
    user: str
    channel: str
    action: Literal["show", "withdraw"]
    state: StateName = Field(
        description="`sent`: the provider took it; in-app, it is in the user's log and published to open pages. That "
        "it was seen is said by `acked` alone."
    )
    attempts: int
    failure: FailureName | None
    reason: str | None
    provider_id: str | None
    created_at: Moment
    sent_at: Moment | None = Field(description="When it became `sent`. null if it has to be sent again.")
    acked_at: Moment | None
    next_attempt_at: Moment | None
    expires_at: Moment
    seq: int | None
    failed_attempts: list[AttemptView]


def delivery_view(row: Any, failed: list[Any]) -> DeliveryView:
    """A row of `deliveries` with its `user`, as callers see it."""
    computed = ("next_attempt_at", "failed_attempts")
    return DeliveryView(
        **{name: getattr(row, name) for name in DeliveryView.model_fields if name not in computed},
        next_attempt_at=row.due_at if row.state == State.PENDING else None,
        failed_attempts=[AttemptView(number=a.number, at=a.at, failure=a.failure, reason=a.reason) for a in failed],
    )
