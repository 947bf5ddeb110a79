"""What one connection, one process and one look may cost: every number with its reason."""

from __future__ import annotations

from dataclasses import dataclass

# The largest message a client may send. An acknowledgement of 1,000 ids has 39 kB; everything else is far smaller.
MAX_MESSAGE = 64 * 1024

# Ids in one acknowledgement.
MAX_IDS = 1000

# A browser opens one connection per tab, unless the tabs share one. Namespaces of one connection do not count.
MAX_CONNECTIONS_PER_USER = 20


@dataclass(frozen=True, slots=True)
class Rate:
    """Events a second on average, and at once; one that asks or writes much counts for several."""

    per_second: float
    burst: int


# A client needs one acknowledgement a second.
PER_CONNECTION = Rate(20, 40)
# All connections of a user together, and all their namespaces: twenty tabs that acknowledge, and all come back at once.
PER_USER = Rate(60, 240)
# No single event may take all of that.
PER_USER_AND_EVENT = Rate(30, 120)
# A process holds 10,000 connections at most, and all of them may acknowledge one broadcast at the same moment.
PER_TENANT = Rate(2_000, 20_000)

# So many events over the limit while the bucket never fills again are no accident.
REFUSALS_BEFORE_DISCONNECT = 200

# Handshakes one connection may fail in a namespace; each costs the verification of a signature.
MAX_FAILED_HANDSHAKES = 5

# Packets waiting for a client that does not read. Beyond, it gets nothing new until it has caught up; the log keeps it.
MAX_BACKLOG = 500
# Emitting goes on when so few are left.
LOW_BACKLOG = 50

# Numbers a connection may be ahead of a gap before the log is asked instead.
MAX_AHEAD = 200


@dataclass(frozen=True, slots=True)
class Timing:
    """Intervals in seconds. Tests make their own."""

    # Redis sends nothing when a subscription dies with its connection, so the process listens for itself.
    heartbeat: float = 5.0
    deaf_after: float = 15.0
    # While Redis is away, what is published is lost; the sooner we listen again, the less the log has to heal.
    resubscribe_max: float = 4.0

    # Between two looks at the heads of the rooms with members: how late a lost publish arrives at the latest.
    heads: float = 15.0
    # What is committed is published a moment later; a connection is behind only if it still is after this.
    grace: float = 1.5
    # Workers finish in any order, so a small gap usually closes by itself.
    gap: float = 2.0
    # A client that was told `more` has this long to ask for it, then it is sent unasked.
    paging: float = 15.0
    # Between attempts while the database is away.
    retry: float = 2.0

    # Between two tellings of counts; what was asked for meanwhile goes together.
    counts: float = 0.2

    # A connection counts as present for so long after it was last reported; the process that held it may be dead.
    lease: float = 60.0
    # Each connection is reported so often.
    renew: float = 20.0
    # A connection that has ended counts so long: a page that is loaded again has not been away.
    reload: float = 3.0
    # Between two states of one connection; the last one is told.
    states: float = 1.0
    # While Redis is away, presence asks again so often.
    presence_retry: float = 5.0

    # The client is told so long before its token expires.
    expiring: float = 60.0
    # A connection that has not authenticated by then is closed.
    handshake: float = 45.0
    tick: float = 1.0
