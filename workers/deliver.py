"""Deliver: claim a batch, send it, record the outcomes."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from bus.counters import Pause
from models.addresses.queries import disable_addresses
from models.channels import CHANNELS, ChannelSpec
from models.deliveries.claim import claim
from models.deliveries.lifecycle import (
    OPEN,
    AddressGone,
    Failure,
    Outcome,
    RetryLater,
    Sent,
    State,
    Transition,
    next_transition,
)
from models.deliveries.message import Batch, Message, Settled
from models.deliveries.record import correct, record, storable
from models.sql.engine import UNAVAILABLE, write
from workers.runtime import Runtime

log = logging.getLogger(__name__)

# A task that has worked for this long (seconds) rings for another one and ends: queues take turns, and a shutdown does
# not wait.
BUDGET = 10.0

# The longest Retry-After (seconds) for which a whole channel is paused. A message waits for as long as it is told to.
MAX_RETRY_AFTER = 3600.0

# Results that the database does not take are kept for this many leases, and tried again after 0.1 to 2 seconds.
LEASES_KEPT = 2
FIRST_WAIT, LONGEST_WAIT = 0.1, 2.0
# A process that is told to end keeps them for this long (seconds). With the last try, which takes 12 s if the database
# stands still, that is less than the 30 s after which orchestrators send SIGKILL.
STOP_WAIT = 10.0

# Failures of the provider itself. Refused credentials can be those of one platform, and are `for_all` if they are not.
_DOWN = frozenset({Failure.QUOTA, Failure.PROVIDER_DOWN})

# What a database and its driver raise for a value that they do not take.
UNSTORABLE = (SQLAlchemyError, ValueError, ArithmeticError)

Result = tuple[Message, Transition]
Results = Sequence[Result]


def deliver(run: Runtime, channel: str, budget: float = BUDGET) -> bool:
    """Send what is due on the channel until there is nothing left. False if the budget (seconds) ran out first."""
    end = time.monotonic() + budget
    while deliver_batch(run, channel):
        if time.monotonic() > end:
            return False
    return True


def deliver_batch(run: Runtime, channel: str) -> int:
    """Claim, send and record one batch. Returns how many deliveries were claimed.

    No database connection is held while the channel sends. A paused channel has nothing to do, except that after each
    pause one batch finds out whether the provider's outage has ended. Nothing is claimed while results wait for the
    database: among what is due could be what was sent.
    """
    breaker = run.breakers[channel]
    if run.unrecorded or not breaker.allows():
        return 0
    spec = CHANNELS[channel]
    deadline = time.monotonic() + run.lease
    try:
        with write(run.engine) as connection:
            now = run.now()
            leases_now = run.leases_now() if run.leases_now else now
            batch = claim(connection, channel, spec.policy, spec.batch_size, run.lease, now, run.rng(), leases_now)
        _count(run, channel, batch.settled)
        if batch.messages:
            send(run, channel, batch, deadline)
    finally:
        # This batch may have said nothing about the provider: it was empty, or of test messages.
        breaker.release()
    return len(batch.messages) + len(batch.settled)


def send(run: Runtime, channel: str, batch: Batch, deadline: float) -> None:
    """Send a batch, and record what became of it. `deadline` (by `time.monotonic()`) is the end of its claim."""
    spec = CHANNELS[channel]
    results: list[Result] = []
    for mode in ("live", "test"):
        results += _send_in(run, spec, channel, mode, [m for m in batch.messages if m.mode == mode], deadline)
    _record(run, channel, batch, results)
    _count(run, channel, [Settled(m.content.tenant, m.mode, transition) for m, transition in results])
    _report(channel, results)


def _record(run: Runtime, channel: str, batch: Batch, results: Results) -> None:
    # A batch without a lease was recorded as sent when it was written: only what failed is news.
    news = [(m, t) for m, t in results if batch.lease is not None or t.state is not State.SENT]
    if not news:
        return
    if batch.lease is None:
        # If this cannot be recorded, connected clients get it from the log (ADR 18).
        written = _store(run, channel, batch, news)
    else:
        written = _store_when_possible(run, channel, batch, batch.lease, news)
    if written < len(news):
        # Our lease had run out, or the client has acknowledged meanwhile.
        log.info("results dropped", extra={"channel": channel, "dropped": len(news) - written})


def _store_when_possible(run: Runtime, channel: str, batch: Batch, lease: UUID, results: Results) -> int:
    """Store results that nobody else knows, and wait for the database if it is away."""
    # While it is away nobody can claim these deliveries, so results are good for longer than the lease. The wait ends,
    # because this can be another fault that looks like an outage.
    end = time.monotonic() + LEASES_KEPT * run.lease
    pause = FIRST_WAIT
    try:
        while True:
            try:
                return _store(run, channel, batch, results)
            except UNAVAILABLE as error:
                if run.stopping.is_set():
                    end = min(end, time.monotonic() + STOP_WAIT)
                if time.monotonic() + pause > end:
                    log.error("results lost", extra={"channel": channel, "batch": len(results)})
                    raise
                if lease not in run.unrecorded:
                    run.unrecorded.add(lease)
                    fields = {"channel": channel, "batch": len(results), "error": type(error).__name__}
                    log.warning("results wait for the database", extra=fields)
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_WAIT)
    finally:
        run.unrecorded.discard(lease)


def _store(run: Runtime, channel: str, batch: Batch, results: Results) -> int:
    """Write the results, one by one if the database does not take them together. Returns how many were written."""
    try:
        return _write(run, batch, results)
    except UNAVAILABLE:
        raise
    except UNSTORABLE as error:
        # What was sent and is not recorded is sent again when the lease ends. So one result must not stop the others.
        fields = {"channel": channel, "batch": len(results), "error": type(error).__name__}
        log.error("results cannot be stored together", extra=fields)
        return sum(_write_alone(run, channel, batch, message, transition) for message, transition in results)


def _write(run: Runtime, batch: Batch, results: Results) -> int:
    gone = {
        m.address_id: storable(t.reason) or ""
        for m, t in results
        if t.disable_address and m.mode == "live" and m.address_id
    }
    transitions = [(m.delivery_id, t) for m, t in results]
    with write(run.engine) as connection:
        # Addresses before deliveries, as in models/sql/locks.py.
        disable_addresses(connection, gone, batch.at, run.now())
        if batch.lease is not None:
            return record(connection, batch.lease, transitions, run.now())
        return correct(connection, transitions, run.now())


def _write_alone(run: Runtime, channel: str, batch: Batch, message: Message, transition: Transition) -> int:
    reason = None if transition.reason is None else "the reason cannot be stored"
    for result in (transition, replace(transition, reason=reason, provider_id=None)):
        try:
            return _write(run, batch, [(message, result)])
        except UNAVAILABLE:
            raise
        except UNSTORABLE as error:
            fields = _fields(channel, message) | {"error": type(error).__name__}
            log.error("result cannot be stored", extra=fields)
    return 0


def _send_in(
    run: Runtime, spec: ChannelSpec, name: str, mode: str, messages: Sequence[Message], deadline: float
) -> list[Result]:
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
    if mode == "live":
        _pause_or_resume(run, name, outcomes)
    now = run.now()
    return [
        (
            m,
            next_transition(
                o,
                attempts=m.attempt,
                failed=m.failed,
                policy=spec.policy,
                now=now,
                expires_at=m.content.expires_at,
                rng=run.rng,
            ),
        )
        for m, o in zip(messages, outcomes, strict=True)
    ]


def _pause_or_resume(run: Runtime, channel: str, outcomes: Sequence[Outcome]) -> None:
    """Pause the channel if its provider has an outage for everything, and end the pause if something got through."""
    breaker = run.breakers[channel]
    failed = [o for o in outcomes if isinstance(o, RetryLater) and (o.for_all or o.failure in _DOWN)]
    if any(isinstance(outcome, Sent | AddressGone) for outcome in outcomes):
        if breaker.succeeded():
            log.info("channel resumed", extra={"channel": channel})
            if run.counters is not None:
                run.counters.pause(channel, None)
        return
    # A single message may be the only one that the provider does not take now, and there is no queue behind it.
    if len(failed) > 1 or any(o.for_all for o in failed) or (failed and not breaker.closed):
        # The time after which credentials are tried again is ours; the provider has not asked for it.
        asked = [o.after or 0.0 for o in failed if o.failure is not Failure.CREDENTIALS]
        breaker.failed(min(max(asked, default=0.0), MAX_RETRY_AFTER))
        failure, seconds = failed[0].failure, breaker.seconds_left
        log.warning("channel paused", extra={"channel": channel, "seconds": round(seconds, 1), "failure": failure})
        if run.counters is not None:
            run.counters.pause(channel, Pause(failure, run.now().timestamp() + seconds))


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


def _report(channel: str, results: Results) -> None:
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
        "attempt": m.failed + 1,
    }
