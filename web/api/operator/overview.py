"""The state of the installation: rates, latencies, queues, dead letters, processes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import Field

from actions.principal import Mode, Principal
from bus.counters import KEPT, LATE, STEP, Pause, Tally
from bus.redis import UNAVAILABLE
from models.channels import CHANNELS, acknowledging
from models.deliveries.dead_letters import MAX_COUNTED, DeadFilter, count_classes, summarise
from models.deliveries.due import backlog
from models.deliveries.lifecycle import Failure
from models.sql.engine import read
from web.api.deliveries import NOT_REDRIVABLE
from web.api.endpoint import Api
from web.api.fields import Query, View
from web.api.operator_scope import every_tenant, tenant_meant
from web.context import context

api = Api("overview", "How the installation does, for operators.", prefix="/v1/operator")

# Points in a series: as many as a chart can show.
_POINTS = 240
_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


class OverviewQuery(Query):
    """How far back."""

    minutes: int = Field(15, ge=1, le=KEPT // 60 - 1)


class Quantiles(View):
    """Seconds from the acceptance of a notification to its acknowledgement, up to 25 % too high.

    `late` is the number that took longer than a minute, because the user was away. The others do not include them.
    """

    p50: float | None
    p95: float | None
    p99: float | None
    count: int
    late: int


class Series(View):
    """Numbers for each step; null if there is no data. By channel where channels differ."""

    at: list[int] = Field(description="Unix time at which the step begins.")
    accepted: list[int]
    requests: list[int]
    sent: dict[str, list[int]]
    acked: dict[str, list[int]]
    dead: dict[str, list[int]]
    oldest: dict[str, list[float | None]] = Field(
        description="How long (seconds) the oldest delivery has been due, as measured by the relay."
    )
    p50: list[float | None]
    p95: list[float | None]
    p99: list[float | None]


class QueueView(View):
    """The deliveries due on a channel now, counted up to 10,000."""

    channel: str
    due: int
    oldest_seconds: float
    paused_until: datetime | None = Field(
        description="The channel is paused because its provider has an outage. Then, one batch tries again."
    )
    paused_for: Failure | None = Field(description="The class of failure for which the channel is paused.")


class OverviewView(View):
    """The state of the installation. Without Redis there are no series, and `counted` is false."""

    counted: bool
    step_seconds: int
    series: Series
    latency: Quantiles
    queues: list[QueueView]
    dead_letters: dict[str, int] = Field(description=f"By class of failure, of at most {MAX_COUNTED:,} letters.")
    web_processes: int
    connections: int


class DeadGroup(View):
    """Dead letters with these values in common."""

    tenant: str
    mode: Mode
    channel: str
    failure: str
    number: int
    not_redrivable: dict[str, int] = Field(description=NOT_REDRIVABLE)


class DeadSummary(View):
    """Groups of dead letters, the largest first. `more`: there are more than were counted."""

    data: list[DeadGroup]
    more: bool


class DeadSummaryQuery(Query):
    """Whose dead letters."""

    tenant: str | None = Field(None, description="Every tenant's, if not given.")


@api.declare("GET", "/overview", auth="operator", answers={200: OverviewView})
def get_overview(caller: Principal, query: OverviewQuery) -> OverviewView:
    """Show rates and latencies over time, and the present state. For operators of every tenant."""
    every_tenant(caller)
    rates = context().counters
    try:
        history = rates.history(query.minutes * 60)
        processes = rates.web_processes()
        paused = rates.paused()
        counted = True
    except UNAVAILABLE:
        history, processes, paused, counted = [], {}, {}, False
    steps, size = _merged(history)
    now = context().now()
    with read(context().engine) as connection:
        queues = [(channel, *backlog(connection, channel, now)) for channel in CHANNELS]
        dead = count_classes(connection)
    return OverviewView(
        counted=counted,
        step_seconds=size,
        series=_series(steps),
        latency=_latency([tally for _, tally in steps]),
        queues=[_queue(channel, due, oldest, paused.get(channel)) for channel, due, oldest in queues],
        dead_letters=dead,
        web_processes=len(processes),
        connections=sum(processes.values()),
    )


@api.declare("GET", "/dead-letters/summary", auth="operator", answers={200: DeadSummary}, problems=[404])
def summarise_dead_letters(caller: Principal, query: DeadSummaryQuery) -> DeadSummary:
    """Count dead letters by tenant, mode, channel and class of failure."""
    which = DeadFilter(tenant_id=tenant_meant(caller, query.tenant))
    with read(context().engine) as connection:
        groups, more = summarise(connection, which, context().now())
    return DeadSummary(data=[DeadGroup.model_validate(group._asdict()) for group in groups], more=more)


def _queue(channel: str, due: int, oldest: float, pause: Pause | None) -> QueueView:
    return QueueView(
        channel=channel,
        due=due,
        oldest_seconds=round(oldest, 3),
        paused_until=datetime.fromtimestamp(pause.until, UTC) if pause else None,
        paused_for=Failure(pause.failure) if pause else None,
    )


def _merged(history: Sequence[tuple[int, Tally]]) -> tuple[list[tuple[int, Tally]], int]:
    """(no more steps than a chart has points, their length in seconds)."""
    together = max(-(-len(history) // _POINTS), 1)
    size = together * STEP
    steps: dict[int, Tally] = {}
    for begin, tally in history:
        # By the clock and not by position: otherwise every request would have different steps.
        steps.setdefault(begin // size * size, Tally()).add(tally)
    return list(steps.items()), size


def _series(steps: Sequence[tuple[int, Tally]]) -> Series:
    tallies = [tally for _, tally in steps]

    def numbers(name: str) -> list[int]:
        return [tally.counts[name] for tally in tallies]

    quantiles: dict[str, Any] = {
        name: [_rounded(tally.quantile(share)) for tally in tallies] for name, share in _QUANTILES.items()
    }
    return Series(
        at=[begin for begin, _ in steps],
        accepted=numbers("accepted"),
        requests=numbers("requests"),
        sent={channel: numbers(f"sent:{channel}") for channel in CHANNELS},
        # Only clients acknowledge.
        acked={channel: numbers(f"acked:{channel}") for channel in acknowledging()},
        dead={channel: numbers(f"dead:{channel}") for channel in CHANNELS},
        oldest={channel: [tally.levels.get(f"oldest:{channel}") for tally in tallies] for channel in CHANNELS},
        **quantiles,
    )


def _latency(tallies: Sequence[Tally]) -> Quantiles:
    whole = Tally()
    for tally in tallies:
        whole.add(tally)
    quantiles = {name: _rounded(whole.quantile(share)) for name, share in _QUANTILES.items()}
    return Quantiles(**quantiles, count=sum(whole.times.values()), late=whole.counts[LATE])


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
