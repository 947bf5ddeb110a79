"""The keys under which Redis holds presence. web/realtime/presence/leases.py writes them."""

from __future__ import annotations

from typing import Any, cast

# Users whose connections are counted in one round trip.
_STEP = 1000


def keys(channel: str) -> str:
    """What all keys of an installation begin with; several on one Redis are told apart by their channels.

    of:<tenant>/<user>   connection -> "<state> <end of its lease in ms>"
    due                  <tenant>/<user>, by the first moment at which a lease of theirs ends
    status:<tenant>      user -> state, as it was last told; who is not there is offline
    """
    return f"{channel}:presence:"


def connections(redis: Any, channel: str, tenant: str, user: str) -> list[str]:
    """The connections of a user that are there now, as Engine.IO names them. Raises redis.exceptions.RedisError."""
    found = cast(dict[bytes, bytes], redis.hgetall(f"{keys(channel)}of:{tenant}/{user}"))
    seconds, micros = redis.time()
    now = 1000 * seconds + micros // 1000
    return sorted(name.decode() for name, lease in found.items() if int(lease.rpartition(b" ")[2]) > now)


def count(redis: Any, channel: str, tenant: str) -> tuple[int, int]:
    """(users who are present, their connections) of the tenant. Raises redis.exceptions.RedisError.

    A connection that has ended counts until its lease has, some seconds later. All namespaces of it are one.
    """
    users = cast(list[bytes], redis.hkeys(f"{keys(channel)}status:{tenant}"))
    connections = 0
    for start in range(0, len(users), _STEP):
        pipeline = redis.pipeline(transaction=False)
        for user in users[start : start + _STEP]:
            pipeline.hlen(f"{keys(channel)}of:{tenant}/".encode() + user)
        connections += sum(pipeline.execute())
    return len(users), connections
