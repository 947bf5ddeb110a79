"""Claim, send, record: the heart."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import timedelta

from bus.counters import Counters
from channels.base import Action, Message
from models.channels import CHANNELS, ChannelSpec
from models.deliveries.claim import Claim, Claimed, claim, disable_addresses, record
from models.deliveries.lifecycle import Failure, Outcome, RetryLater, State, Transition, next_transition
from models.sql.engine import write
from workers.runtime import Runtime

log = logging.getLogger(__name__)

# A task that has worked for this long rings for another and ends: queues take turns, and shutdown does not wait.
BUDGET = 10.0

# Where the credentials are refused, one batch in this time finds out whether they have been mended; the others stay in
# the ledger untouched.
PAUSE = timedelta(seconds=15)


def deliver(run: Runtime, channel: str, budget: float = BUDGET) -> bool:
    """Send what is due on the channel until there is nothing left. False where the budget (seconds) ran out first."""
    end = time.monotonic() + budget
    while deliver_batch(run, channel):
        if time.monotonic() > end:
            return False
    return True


def deliver_batch(run: Runtime, channel: str) -> int:
    """Claim, send and record one batch. Returns how many deliveries were taken up.

    No database connection is held while the channel sends. A paused channel has nothing to do.
    """
    if channel in run.paused and run.now() < run.paused[channel]:
        return 0
    spec = CHANNELS[channel]
    with write(run.engine) as connection:
        batch = claim(connection, channel, spec.policy, spec.batch_size, run.lease, run.now(), run.rng())
    if batch.ready:
        send(run, channel, batch)
    return len(batch.ready) + batch.skipped


def send(run: Runtime, channel: str, batch: Claim) -> None:
    """Send what was claimed, and record what became of it."""
    spec = CHANNELS[channel]
    results: list[tuple[Claimed, Transition]] = []
    for mode in ("live", "test"):
        results += _send_in(run, spec, channel, mode, [c for c in batch.ready if c.mode == mode])
    gone = {c.address_id: t.reason or "" for c, t in results if t.disable_address and c.mode == "live" and c.address_id}
    news = [(c.id, t) for c, t in results if batch.lease is not None or t.state is not State.SENT]
    if news:
        with write(run.engine) as connection:
            written = record(connection, batch.lease, news, run.now())
            disable_addresses(connection, gone, batch.at, run.now())
        if written < len(news):
            # Somebody else has written meanwhile: our lease had ended, or the client has acknowledged.
            log.info("results dropped", extra={"channel": channel, "dropped": len(news) - written})
    if run.rates is not None:
        _count(run.rates, channel, [transition.state for _, transition in results])
    _report(channel, results)


def _send_in(
    run: Runtime, spec: ChannelSpec, name: str, mode: str, claimed: Sequence[Claimed]
) -> list[tuple[Claimed, Transition]]:
    if not claimed:
        return []
    channel = run.channels[mode].get(name)
    if channel is None:
        missing = Transition(State.SUPPRESSED, 0, failure=Failure.POLICY, reason=f"{name} is not configured")
        return [(c, missing) for c in claimed]
    outcomes: Sequence[Outcome]
    try:
        outcomes = channel.send([_message(c) for c in claimed])
    except Exception as error:
        # A bug of one channel must not leave its batch to the end of the lease.
        log.exception("channel failed", extra={"channel": name})
        reason = f"unclassified: {type(error).__name__}"
        outcomes = [RetryLater(reason, Failure.UNCLASSIFIED)] * len(claimed)
    now = run.now()
    if mode == "live" and any(isinstance(o, RetryLater) and o.for_all for o in outcomes):
        run.paused[name] = now + PAUSE
    return [
        (
            c,
            next_transition(o, attempts=c.attempts, policy=spec.policy, now=now, expires_at=c.expires_at, rng=run.rng),
        )
        for c, o in zip(claimed, outcomes, strict=True)
    ]


def _message(c: Claimed) -> Message:
    return Message(
        delivery_id=c.id,
        attempt=c.attempts,
        action=Action(c.action),
        content=c.content,
        user=c.user,
        address=c.address,
        address_kind=c.address_kind,
        locale=c.locale,
        seq=c.seq,
    )


def _count(rates: Counters, channel: str, states: Sequence[State]) -> None:
    for state in (State.SENT, State.DEAD):
        if number := states.count(state):
            rates.count(f"{state}:{channel}", number)


def _report(channel: str, results: Sequence[tuple[Claimed, Transition]]) -> None:
    sent = sum(t.state is State.SENT for _, t in results)
    log.info("delivered", extra={"channel": channel, "batch": len(results), "sent": sent})
    detailed = log.isEnabledFor(logging.DEBUG)
    for c, t in results:
        if t.state is State.SENT or (t.state is State.PENDING and t.failure is None):
            if detailed:
                log.debug("sent" if t.state is State.SENT else "held", extra=_fields(channel, c))
        else:
            log.warning(
                "not sent", extra={**_fields(channel, c), "state": t.state, "failure": t.failure, "reason": t.reason}
            )


def _fields(channel: str, c: Claimed) -> dict[str, object]:
    return {
        "channel": channel,
        "notification": c.content.notification_id,
        "delivery": c.id,
        "attempt": c.attempts,
    }
