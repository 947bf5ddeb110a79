"""Polling as clients of tenant events know it: events since a time, acknowledged one by one.

Deprecated by GET /v1/events, whose cursor is exact; it goes on working until SUNSET.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Annotated, Any

from flask import request
from pydantic import BaseModel, Field

from actions.acknowledge import acknowledge_polled
from actions.principal import Principal
from actions.problems import Problem, invalid, not_found
from carillon.fields import Strict
from models.events.cursor import MAX_IN_URL, Cursor
from models.events.log import Event, read_after
from models.polling.queries import read_since
from models.sql.engine import read
from web.api.endpoint import Answer, Api
from web.api.fields import Moment, Query, View
from web.context import context
from web.dialects.as_given import as_given
from web.dialects.dialect import mappings
from web.dialects.render import EVENT_SKIPPED, render
from web.dialects.tenant_events import TENANT

api = Api("polling", "Events for clients without a socket, as they knew it before.", prefix="/api/polling")

DEPRECATED = datetime(2026, 11, 1, tzinfo=UTC)
SUNSET = datetime(2028, 11, 1, tzinfo=UTC)
_HEADERS = {
    "Cache-Control": "no-store",
    "Deprecation": f"@{int(DEPRECATED.timestamp())}",
    "Sunset": format_datetime(SUNSET, usegmt=True),
    "Link": '</v1/events>; rel="successor-version"',
}

# In milliseconds, as in the answer.
MIN_INTERVAL = 5000
DEFAULT_INTERVAL = 10_000
MAX_INTERVAL = 60_000

PAGE = 200
MAX_IDS_AT_ONCE = 1000

# Clients send the time of their last answer by their own clock. Events committed while that answer was under way
# are older. So older events are included, except those that the client has acknowledged.
SLACK = timedelta(seconds=2 * MAX_INTERVAL / 1000)

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class TenantPath(BaseModel):
    """Names the tenant. A tenant other than the token's is not found."""

    tenant: str = Field(max_length=64)


class SinceQuery(Query):
    """The position to poll from."""

    since: str | None = Field(
        None,
        max_length=MAX_IN_URL,
        description="The cursor of the last answer, or a time in ISO 8601. Default: all events that are kept.",
    )


class PolledEvent(View):
    """One event. Its id is the same in every answer."""

    id: str
    type: str
    payload: dict[str, Any]
    created_at: Moment


class Advice(View):
    """How to poll, in milliseconds."""

    minInterval: int = MIN_INTERVAL  # noqa: N815 - the names that clients read
    defaultInterval: int = DEFAULT_INTERVAL  # noqa: N815
    maxInterval: int = MAX_INTERVAL  # noqa: N815
    backoffMultiplier: float = 1.5  # noqa: N815
    maxRetries: int = 5  # noqa: N815


class PolledPage(View):
    """The missed events. `complete` false: some are gone. `more`: poll again at once, with this cursor."""

    data: list[PolledEvent]
    cursor: str
    complete: bool
    more: bool
    poll: Advice


class EventIds(Strict):
    """What was handled."""

    eventIds: Annotated[list[str], Field(max_length=MAX_IDS_AT_ONCE)]  # noqa: N815


class Acknowledged(View):
    """The number of them that were not acknowledged before."""

    acknowledged: int


@api.declare(
    "GET",
    "/<tenant>/events",
    auth="user",
    answers={200: PolledPage},
    problems=[404, 429],
    headers=list(_HEADERS),
)
def poll_tenant_events(caller: Principal, path: TenantPath, query: SinceQuery) -> Answer:
    """Poll for events of the user and of the tenant.

    Since a time: the events that this page was not given yet, and those that the user has not acknowledged. Since a
    cursor: all events after it.
    """
    _check(caller, path)
    start = _parse(query.since)
    pages = context().polling_pages
    last = pages.last_answer(caller.tenant, caller.id, start) if isinstance(start, datetime) else None
    now = context().now()
    wait = pages.wait(caller.tenant, caller.id, last, now)
    if wait:
        detail = f"poll at most every {MIN_INTERVAL // 1000} s; try again in {wait} s"
        # These clients read `data` of every answer.
        raise Problem(
            429, "polling_too_fast", detail, headers={"Retry-After": str(wait)} | _HEADERS, members={"data": []}
        )
    with read(context().engine) as connection:
        if isinstance(start, Cursor):
            replay = read_after(connection, caller.tenant, caller.id, start, now, PAGE)
        else:
            horizon = now - timedelta(days=context().settings.retention_days)
            # A time in the future only says that the client's clock is fast.
            since = _BEGINNING if start > now else max(start, _BEGINNING + SLACK) - SLACK
            given = last.cursor if last is not None else None
            replay = read_since(connection, caller.tenant, caller.id, since, horizon, now, PAGE, given)
    pages.answered(caller.tenant, caller.id, replay.cursor, now)
    page = PolledPage(
        data=[event for event in map(_event, replay.events) if event is not None],
        cursor=replay.cursor.encode(),
        complete=replay.complete,
        more=replay.more,
        poll=Advice(),
    )
    return Answer(page, headers=_HEADERS)


@api.before_request
def _name_the_type() -> None:
    # These clients send JSON without a Content-Type, which browsers send as plain text.
    if request.environ.get("CONTENT_TYPE", "").partition(";")[0].strip() in ("", "text/plain"):
        request.environ["CONTENT_TYPE"] = "application/json"


@api.declare(
    "POST",
    "/<tenant>/events/acknowledge",
    auth="user",
    answers={200: Acknowledged},
    problems=[404, 409],
    headers=list(_HEADERS),
)
def acknowledge_tenant_events(caller: Principal, path: TenantPath, body: EventIds) -> Answer:
    """Acknowledge events, so that they are not sent again. Other ids are ignored.

    The body is JSON, whether or not Content-Type says so.
    """
    _check(caller, path)
    new = acknowledge_polled(context(), caller, _by_room(body.eventIds))
    return Answer(Acknowledged(acknowledged=new), headers=_HEADERS)


def _check(caller: Principal, path: TenantPath) -> None:
    if path.tenant != caller.tenant:
        raise not_found("tenant")


def _parse(since: str | None) -> datetime | Cursor:
    if since is None:
        return _BEGINNING
    try:
        # A client that does not encode the plus of an offset sends a space.
        moment = datetime.fromisoformat(since.replace(" ", "+") if "T" in since else since)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        pass
    try:
        return Cursor.decode(since)
    except ValueError as error:
        raise invalid("since", "since", "is neither a time in ISO 8601 nor a cursor of this server") from error


def _event(event: Event) -> PolledEvent | None:
    canonical, payload = render(event)
    # An event under two names would be two events to these clients.
    mapping = mappings(TENANT.events["/"], canonical)[:1] if canonical != EVENT_SKIPPED else []
    for name, how in mapping:
        id_ = f"{event.room}:{event.seq}"
        return PolledEvent(
            id=id_, type=name, payload=how.payload(as_given(canonical, payload)), created_at=event.created_at
        )
    return None


def _by_room(ids: Iterable[str]) -> dict[str, set[int]]:
    seqs: dict[str, set[int]] = {}
    for one in ids:
        room, _, number = one.rpartition(":")
        # 18 digits are below 2**63, and isdigit would take those of other scripts.
        if number.isascii() and number.isdigit() and len(number) <= 18:
            seqs.setdefault(room, set()).add(int(number))
    return seqs
