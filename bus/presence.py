"""Presence in Redis: one lease for each connection, one state for each user, and every change announced once.

Redis may forget everything at any moment; leases that are renewed bring it back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal, NamedTuple, cast, get_args

from bus.envelope import PRESENCE_FRAME
from bus.redis import UNAVAILABLE, connect
from models.timestamps import iso

Status = Literal["online", "away", "busy"]
OFFLINE = "offline"
_STATES = frozenset(get_args(Status))
_LEASE = re.compile(r"[a-z]+ ([0-9]{1,18})")

# A connection counts as present for this long (seconds) after its last report; the process that held it may be dead.
LEASE = 60.0
# A connection that has ended counts for this long: a page that is loaded again has not been away.
RELOAD = 3.0

# In a tenant with more users present, changes are not announced: each would go to every user, and a thousand users who
# connect at once would be a million events.
MAX_ANNOUNCED = 200
# Users whose states one question can name.
MAX_ASKED = 200
# Users in one list.
MAX_LISTED = 1000
# Leases that one step ends. Redis does nothing else meanwhile.
STEP = 200

# Everything in one step and by the clock of Redis, the announcement included: a change is announced once, by whichever
# process finds it, and changes are announced in the order in which they happened.
_KEEP = """
local prefix, channel, head, tail, moment = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local most, step, kept = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local rank = {away = 1, online = 2, busy = 3}
local due = prefix .. 'due'
local changes, sizes, groups = {}, {}, {}

local function settle(tenant, user)
  local member = tenant .. '/' .. user
  local seats, announced = prefix .. 'of:' .. member, prefix .. 'status:' .. tenant
  local state, first = nil, nil
  local found = redis.call('HGETALL', seats)
  for i = 1, #found, 2 do
    local its_state, its_end = string.match(found[i + 1], '^(%a+) (%d+)$')
    its_end = tonumber(its_end)
    -- Others may write to Redis: a lease that is none has ended.
    if not its_end or not rank[its_state] or its_end <= now then
      redis.call('HDEL', seats, found[i])
    else
      -- Longer than any lease: from before the clock was set back.
      if its_end > now + kept then
        its_end = now + math.floor(kept / 2)
        redis.call('HSET', seats, found[i], its_state .. ' ' .. its_end)
      end
      if not state or rank[its_state] > rank[state] then state = its_state end
      if not first or its_end < first then first = its_end end
    end
  end
  if first then redis.call('ZADD', due, first, member) else redis.call('ZREM', due, member) end
  local before = redis.call('HGET', announced, user) or nil
  if state == before then return end
  if state then redis.call('HSET', announced, user, state) else redis.call('HDEL', announced, user) end
  changes[#changes + 1] = {tenant, user, state or 'offline'}
end

-- All of them first: what comes together must not be announced as one change after the other.
local touched, seen = {}, {}
for _, entry in ipairs(cjson.decode(ARGV[9])) do
  local tenant, user, connection, state, length = unpack(entry)
  local seats = prefix .. 'of:' .. tenant .. '/' .. user
  local known = redis.call('HGET', seats, connection)
  if state ~= '' then
    redis.call('HSET', seats, connection, state .. ' ' .. (now + length))
    redis.call('PEXPIRE', seats, kept)
  elseif known then
    local its_state, its_end = string.match(known, '^(%a+) (%d+)$')
    if its_state then
      redis.call('HSET', seats, connection, its_state .. ' ' .. math.min(tonumber(its_end), now + length))
    end
  end
  local member = tenant .. '/' .. user
  if not seen[member] then
    seen[member] = true
    touched[#touched + 1] = {tenant, user}
  end
end
for _, who in ipairs(touched) do settle(who[1], who[2]) end

local ended = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, step)
for _, member in ipairs(ended) do
  local tenant, user = string.match(member, '^([^/]*)/(.*)$')
  if tenant then settle(tenant, user) else redis.call('ZREM', due, member) end
end

for _, member in ipairs(redis.call('ZRANGEBYSCORE', due, now + kept + 1, '+inf', 'LIMIT', 0, step)) do
  local tenant, user = string.match(member, '^([^/]*)/(.*)$')
  if tenant then settle(tenant, user) else redis.call('ZREM', due, member) end
end

-- Counted when all have come: of a crowd that connects at once no change is announced, not even the first.
for _, change in ipairs(changes) do
  local tenant, user, state = unpack(change)
  sizes[tenant] = sizes[tenant] or redis.call('HLEN', prefix .. 'status:' .. tenant)
  if sizes[tenant] <= most then
    local payload = {id = user, user = user, status = state, created_at = moment}
    local rooms = {{tenant .. '/tenant:' .. tenant, 0}}
    groups[#groups + 1] = {event = 'presence:' .. state, payload = payload, rooms = rooms}
  end
end
if #groups > 0 then redis.call('PUBLISH', channel, head .. cjson.encode(groups) .. tail) end
return #ended
"""


class Away(Exception):
    """Redis does not answer."""


@contextmanager
def _away() -> Iterator[None]:
    try:
        yield
    except UNAVAILABLE as error:
        raise Away(type(error).__name__) from error


@dataclass(frozen=True, slots=True)
class Report:
    """The state of one connection, or that it has ended (`status` None)."""

    tenant: str
    user: str
    connection: str
    status: Status | None


@dataclass(frozen=True, slots=True)
class Present:
    """The states of users, `offline` included if they were named. `more`: there were too many to list."""

    users: Mapping[str, str]
    more: bool = False


class Counted(NamedTuple):
    """Users who are present, their connections, and web processes."""

    users: int
    connections: int
    web_processes: int


class Leases:
    """The states of all users of an installation. Connects at the first call. Every method raises Away.

    `lease` and `reload` are how long (seconds) a connection counts after its last report, and after its end. Keys:

    of:<tenant>/<user>   connection -> "<state> <end of its lease in ms>"
    due                  <tenant>/<user>, by the first moment at which one of their leases ends
    status:<tenant>      user -> state, as it was last announced; a user who is not in it is offline
    """

    def __init__(self, redis_url: str, topic: str, lease: float = LEASE, reload: float = RELOAD) -> None:
        self._redis = connect(redis_url, text=True)
        self._topic = topic
        self._prefix = f"{topic}:presence:"
        self._lease = lease
        self._reload = reload
        self._script = self._redis.register_script(_KEEP)
        self._constants = [self._prefix, topic, *PRESENCE_FRAME]

    @_away()
    def keep(self, reports: Sequence[Report]) -> int:
        """Renew, change and end leases, and end some that have run out. Returns how many of these there were."""
        entries = [
            [r.tenant, r.user, r.connection, r.status or "", int(1000 * (self._lease if r.status else self._reload))]
            for r in reports
        ]
        # Longer than any lease in it, so that a key that is not renewed expires.
        kept = int(2000 * self._lease)
        moment = iso(datetime.now(UTC))
        ended: Any = self._script(
            args=[*self._constants, moment, MAX_ANNOUNCED, STEP, kept, json.dumps(entries, ensure_ascii=False)]
        )
        return int(ended)

    @_away()
    def states(self, tenant: str, users: Sequence[str] | None = None) -> Present:
        """The states of these users, or of all users of the tenant who are present, up to MAX_LISTED."""
        status = f"{self._prefix}status:{tenant}"
        # Perhaps no process with connections is left to end leases.
        self.keep([])
        if users is None:
            found = dict(islice(self._redis.hscan_iter(status, count=MAX_LISTED), MAX_LISTED + 1))
            listed = {user: state for user, state in found.items() if state in _STATES}
            return Present(dict(islice(listed.items(), MAX_LISTED)), len(found) > MAX_LISTED)
        known = cast(list[str | None], self._redis.hmget(status, list(users))) if users else []
        states = (state if state in _STATES else OFFLINE for state in known)
        return Present(dict(zip(users, cast(Iterator[str], states), strict=True)))

    @_away()
    def connections(self, tenant: str, user: str) -> list[str]:
        """The ids of the connections that a user has now, as Engine.IO names them."""
        found = cast(dict[str, str], self._redis.hgetall(f"{self._prefix}of:{tenant}/{user}"))
        seconds, micros = self._redis.time()
        now = 1000 * seconds + micros // 1000
        leases = {name: _LEASE.fullmatch(lease) for name, lease in found.items()}
        return sorted(name for name, lease in leases.items() if lease and int(lease[1]) > now)

    @_away()
    def count(self, tenant: str) -> Counted:
        """How many users of the tenant are present, with how many connections, on how many web processes.

        A connection that has ended counts until its lease has, some seconds later. All its namespaces count once.
        """
        users = cast(list[str], self._redis.hkeys(f"{self._prefix}status:{tenant}"))
        connections = 0
        for start in range(0, len(users), MAX_LISTED):
            with self._redis.pipeline(transaction=False) as pipeline:
                for user in users[start : start + MAX_LISTED]:
                    pipeline.hlen(f"{self._prefix}of:{tenant}/{user}")
                connections += sum(pipeline.execute())
        [(_, processes)] = cast(list[tuple[str, int]], self._redis.pubsub_numsub(self._topic))
        return Counted(len(users), connections, int(processes))
