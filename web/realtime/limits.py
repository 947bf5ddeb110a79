"""Limits of one connection, one user and one tenant, each with its reason."""

from __future__ import annotations

from bus.token_bucket import Limit

# The largest message a client may send. An acknowledgement of 1,000 ids has 39 kB; everything else is far smaller.
MAX_MESSAGE = 64 * 1024

# Ids in one acknowledgement.
MAX_IDS = 1000

# A browser opens one connection per tab, unless the tabs share one. Namespaces of one connection do not count.
MAX_CONNECTIONS_PER_USER = 20


# A client needs one acknowledgement a second.
PER_CONNECTION = Limit(20, 40)
# All connections of a user together, and all their namespaces: twenty tabs that acknowledge, and all come back at once.
PER_USER = Limit(60, 240)
# No single event may take all of that.
PER_USER_AND_EVENT = Limit(30, 120)
# A process holds 10,000 connections at most, and all of them may acknowledge one broadcast at the same moment.
PER_TENANT = Limit(2_000, 20_000)

# This many refused events before the bucket has filled again are no accident. A page that emits a thousand at once
# still gets a thousand answers.
REFUSALS_BEFORE_DISCONNECT = 2_000

# Handshakes one connection may fail in a namespace; each costs the verification of a signature.
MAX_FAILED_HANDSHAKES = 5

# Packets waiting for a client that does not read. Beyond, it gets nothing new until it has caught up; the log keeps it.
MAX_BACKLOG = 500
# Sending continues when this few are left.
LOW_BACKLOG = 50

# Numbers a connection may be ahead of a gap before the log is asked instead.
MAX_AHEAD = 200
