"""Deliver: claim a batch, send it, record the outcomes."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from models.addresses.queries import disable_addresses
from models.channels import CHANNELS, ChannelSpec
from models.deliveries.claim import claim
from models.deliveries.lifecycle import OPEN, Failure, Outcome, RetryLater, State, Transition, next_transition
from models.deliveries.message import Batch, Message, Settled
from models.deliveries.record import correct, record
from models.sql.engine import write
from workers.runtime import Runtime

log = logging.getLogger(__name__)

# A task that has worked for this long (seconds) rings for another one and ends: queues take turns, and a shutdown does
# not wait.
BUDGET = 10.0

# While credentials are refused, one batch in this time finds out whether they work again. Everything else stays in the
# ledger untouched.
CREDENTIALS_PAUSE = timedelta(seconds=15)


def deliver(run: Runtime, channel: str, budget: float = BUDGET) -> bool:
    """Send what is due on the channel until there is nothing left. False if the budget (seconds) ran out first."""
    end = time.monotonic() + budget
    while deliver_batch(run, channel):
        if time.monotonic() > end:
            return False
    return True


def deliver_batch(run: Runtime, channel: str) -> int:
    """Claim, send and record one batch. Returns how many deliveries were claimed.

    No database connection is held while the channel sends. A paused channel has nothing to do.
    """
    if channel in run.paused and run.now() < run.paused[channel]:
        return 0
    spec = CHANNELS[channel]
    deadline = time.monotonic() + run.lease
    with write(run.engine) as connection:
        batch = claim(connection, channel, spec.policy, spec.batch_size, run.lease, run.now(), run.rng())
    _count(run, channel, batch.settled)
    if batch.messages:
        send(run, channel, batch, deadline)
    return len(batch.messages) + len(batch.settled)


def send(run: Runtime, channel: str, batch: Batch, deadline: float) -> None:
    """Send a batch, and record what became of it. `deadline` (by `time.monotonic()`) is the end of its claim."""
    spec = CHANNELS[channel]
    results: list[tuple[Message, Transition]] = []
    for mode in ("live", "test"):
        results += _send_in(run, spec, channel, mode, [m for m in batch.messages if m.mode == mode], deadline)
    _record(run, channel, batch, results)
    _count(run, channel, [Settled(m.content.tenant, m.mode, transition) for m, transition in results])
    _report(channel, results)


def _record(run: Runtime, channel: str, batch: Batch, results: Sequence[tuple[Message, Transition]]) -> None:
    gone = {m.address_id: t.reason or "" for m, t in results if t.disable_address and m.mode == "live" and m.address_id}
    # A batch without a lease was recorded as sent when it was written: only what failed is news.
    news = [(m.delivery_id, t) for m, t in results if batch.lease is not None or t.state is not State.SENT]
    if not news:
        return
    with write(run.engine) as connection:
        if batch.lease is not None:
            written = record(connection, batch.lease, news, run.now())
        else:
            written = correct(connection, news, run.now())
        disable_addresses(connection, gone, batch.at, run.now())
    if written < len(news):
        # Our lease had run out, or the client has acknowledged meanwhile.
        log.info("results dropped", extra={"channel": channel, "dropped": len(news) - written})


def _send_in(
    run: Runtime, spec: ChannelSpec, name: str, mode: str, messages: Sequence[Message], deadline: float
) -> list[tuple[Message, Transition]]:
    if not messages:
        return []
    channel = run.channels[mode].get(name)
    if channel is None:
        missing = Transition(State.SUPPRESSED, 0, failure=Failure.POLICY, reason=f"{name} is not configured")
        return [(message, missing) for message in messages]
    outcomes: Sequence[Outcome]
    try:
        outcomes = channel.send(messages, deadline)
    except Exception as error:
        # A bug in one channel must not leave its batch to the end of the lease.
        log.exception("channel failed", extra={"channel": name})
        reason = f"unclassified: {type(error).__name__}"
        outcomes = [RetryLater(reason, Failure.UNCLASSIFIED)] * len(messages)
    now = run.now()
    if mode == "live" and any(isinstance(o, RetryLater) and o.for_all for o in outcomes):
        run.paused[name] = now + CREDENTIALS_PAUSE
    return [
        (
            m,
            next_transition(
                o,
                attempts=m.attempt,
                policy=spec.policy,
                now=now,
                expires_at=m.content.expires_at,
                rng=run.rng,
            ),
        )
        for m, o in zip(messages, outcomes, strict=True)
    ]


def _count(run: Runtime, channel: str, ended: Sequence[Settled]) -> None:
    if run.counters is not None:
        for (state, failure), times in Counter((t.state, t.failure) for _, _, t in ended).items():
            # `pending` is an attempt that failed and is made again later.
            run.counters.add_total(f"deliveries:{channel}:{state}:{failure or 'none'}", times)
        states = [transition.state for _, _, transition in ended]
        for state in (State.SENT, State.DEAD):
            if number := states.count(state):
                run.counters.increment(f"{state}:{channel}", number)
    if run.usage is not None:
        for (tenant, mode, state), number in Counter((tenant, mode, t.state) for tenant, mode, t in ended).items():
            if state not in OPEN:
                run.usage.count(tenant, mode, state, number, channel)


def _report(channel: str, results: Sequence[tuple[Message, Transition]]) -> None:
    sent = sum(t.state is State.SENT for _, t in results)
    log.info("delivered", extra={"channel": channel, "batch": len(results), "sent": sent})
    detailed = log.isEnabledFor(logging.DEBUG)
    for m, t in results:
        if t.state is State.SENT or (t.state is State.PENDING and t.failure is None):
            if detailed:
                log.debug("sent" if t.state is State.SENT else "deferred", extra=_fields(channel, m))
        else:
            log.warning(
                "not sent", extra={**_fields(channel, m), "state": t.state, "failure": t.failure, "reason": t.reason}
            )


def _fields(channel: str, m: Message) -> dict[str, object]:
    return {
        "channel": channel,
        "notification": m.content.notification_id,
        "delivery": m.delivery_id,
        "attempt": m.attempt,
    }
