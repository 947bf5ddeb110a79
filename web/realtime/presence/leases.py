"""Who is present, as Redis knows it: one lease for each connection, one state for each user, changes told once.

Redis may forget everything at any moment; leases that are renewed bring it back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal, cast

import redis

from bus.envelope import BATCH
from bus.presence_keys import keys
from bus.redis import redis_options
from models.timestamps import iso
from web.realtime.limits import Timing

Status = Literal["online", "away", "busy"]
OFFLINE = "offline"

# In a tenant with more users present nobody is told of each change: everybody would hear of everybody, and a thousand
# who come at once would be a million events.
MOST_ANNOUNCED = 200
# Users in one list.
MOST_LISTED = 1000
# Leases that are looked at in one step of Redis, which does nothing else meanwhile.
STEP = 200

# Whoever asks is waiting; after a failure nobody asks for this long (seconds).
_PAUSE = 5.0

# Everything in one step and by the clock of Redis, the announcement included: whoever finds a change tells it, nobody
# else does, and changes are told in the order in which they happened. Its keys: bus/presence_keys.py.
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
  local seats, told = prefix .. 'of:' .. member, prefix .. 'status:' .. tenant
  local state, first = nil, nil
  local found = redis.call('HGETALL', seats)
  for i = 1, #found, 2 do
    local its_state, its_end = string.match(found[i + 1], '^(%a+) (%d+)$')
    its_end = tonumber(its_end)
    if its_end <= now then
      redis.call('HDEL', seats, found[i])
    else
      if not state or rank[its_state] > rank[state] then state = its_state end
      if not first or its_end < first then first = its_end end
    end
  end
  if first then redis.call('ZADD', due, first, member) else redis.call('ZREM', due, member) end
  local before = redis.call('HGET', told, user) or nil
  if state == before then return end
  if state then redis.call('HSET', told, user, state) else redis.call('HDEL', told, user) end
  changes[#changes + 1] = {tenant, user, state or 'offline'}
end

-- All of them first: what comes together must not be told as one change after the other.
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
    redis.call('HSET', seats, connection, its_state .. ' ' .. math.min(tonumber(its_end), now + length))
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
  settle(string.match(member, '^([^/]*)/(.*)$'))
end

-- How many are there is asked when all have come: of a crowd that connects at once nobody is told, not even its first.
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


@dataclass(frozen=True, slots=True)
class Report:
    """What is to be known of one connection: its state, or that it has ended (`status` None)."""

    tenant: str
    user: str
    connection: str
    status: Status | None


@dataclass(frozen=True, slots=True)
class Present:
    """The states of users, `offline` included where they were asked for. `more`: there were too many to list."""

    users: Mapping[str, str]
    more: bool = False


class Leases:
    """The states of all users of this installation. Connects at the first call. Every method raises Away."""

    def __init__(self, redis_url: str, channel: str, timing: Timing | None = None) -> None:
        self._redis = redis.Redis.from_url(redis_url, decode_responses=True, **redis_options())
        self._prefix = keys(channel)
        self._timing = timing or Timing()
        self._script = self._redis.register_script(_KEEP)
        # As channels.in_app publishes them; the hole is filled by the script.
        message = {"method": "emit", "event": BATCH, "data": ["HOLE"], "binary": False, "namespace": "/"}
        message |= {"room": BATCH, "skip_sid": None, "callback": None, "host_id": "presence"}
        head, _, tail = json.dumps(message).partition('"HOLE"')
        self._constants = [self._prefix, channel, head, tail]
        self._paused_until = 0.0

    def keep(self, reports: Sequence[Report]) -> int:
        """Renew, change and end leases, and look after some that have run out. Returns how many of these there were."""
        timing = self._timing
        entries = [
            [r.tenant, r.user, r.connection, r.status or "", int(1000 * (timing.lease if r.status else timing.reload))]
            for r in reports
        ]
        # Longer than any lease in it, so that what nobody looks after is forgotten.
        kept = int(2000 * timing.lease)
        moment = iso(datetime.now(UTC))
        try:
            ended: Any = self._script(
                args=[*self._constants, moment, MOST_ANNOUNCED, STEP, kept, json.dumps(entries, ensure_ascii=False)]
            )
        except (redis.RedisError, OSError) as error:
            raise Away(type(error).__name__) from error
        return int(ended)

    def states(self, tenant: str, users: Sequence[str] | None = None) -> Present:
        """The states of these users, or of everybody in the tenant who is present, up to MOST_LISTED."""
        now = time.monotonic()
        if now < self._paused_until:
            raise Away("not asked again yet")
        told = f"{self._prefix}status:{tenant}"
        try:
            # Perhaps no process with connections is left to do it.
            self.keep([])
            if users is None:
                found = dict(islice(self._redis.hscan_iter(told, count=MOST_LISTED), MOST_LISTED + 1))
                return Present(dict(islice(found.items(), MOST_LISTED)), len(found) > MOST_LISTED)
            known = cast(list[str | None], self._redis.hmget(told, list(users))) if users else []
        except (redis.RedisError, OSError, Away) as error:
            self._paused_until = time.monotonic() + _PAUSE
            raise Away(type(error).__name__) from error
        return Present({user: state or OFFLINE for user, state in zip(users, known, strict=True)})
