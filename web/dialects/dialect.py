"""What a dialect is: a table of names and members, and the few rules by which it is read."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

# Computes a member from the canonical payload; ABSENT leaves it out.
Member = Callable[[Mapping[str, Any]], Any]
ABSENT: Any = object()

# The member that holds the time of an event.
_TIME = "created_at"


def member(*names: str) -> Member:
    """The value of the first of these members that is there."""

    def first(payload: Mapping[str, Any]) -> Any:
        return next((payload[name] for name in names if name in payload), ABSENT)

    return first


def constant(value: Any) -> Member:
    """The same value in every event."""
    return lambda _: value


def escaped(name: str) -> Member:
    """The text of a member, escaped for HTML."""
    return lambda payload: html.escape(str(payload[name])) if name in payload else ABSENT


def in_room(kind: str, *names: str) -> Member:
    """The room of this kind whose key is the first of these members that is there."""
    key = member(*names)

    def room(payload: Mapping[str, Any]) -> Any:
        value = key(payload)
        # An id can be a number. Any other value is passed on, for the handler to refuse.
        named = isinstance(value, str | int) and not isinstance(value, bool)
        return f"{kind}:{value}" if named else value

    return room


@dataclass(frozen=True, slots=True)
class EventMapping:
    """An event's name in a dialect, and the members that are added to its canonical payload.

    `*` in `name` stands for what the `*` of the table's pattern matched. Members of the object at `spread` are copied
    to the top, unless a member there has the name. `times` are further names for created_at, unless they are taken.
    """

    name: str = "*"
    members: Mapping[str, Member] = field(default_factory=dict)
    spread: str | None = None
    times: tuple[str, ...] = ()

    def payload(self, canonical: Mapping[str, Any]) -> dict[str, Any]:
        """Return the payload in this dialect."""
        payload = dict(canonical)
        inner = canonical.get(self.spread) if self.spread is not None else None
        if isinstance(inner, dict):
            payload = {**inner, **payload}
        for name, member in self.members.items():
            value = member(canonical)
            if value is not ABSENT:
                payload[name] = value
        if _TIME in canonical:
            payload = dict.fromkeys(self.times, canonical[_TIME]) | payload
        return payload


@dataclass(frozen=True, slots=True)
class RequestMapping:
    """An event of a client as a canonical operation, with the members of its payload and of the answer.

    Without `members` the payload is passed on unchanged. `bare` names the member that a payload stands for if it is not
    an object.
    """

    operation: str
    members: Mapping[str, Member] = field(default_factory=dict)
    bare: str | None = None
    answer: Mapping[str, Member] = field(default_factory=dict)

    def payload(self, given: Any) -> Any:
        """Return the payload of the canonical operation."""
        if not self.members:
            return given
        if not isinstance(given, dict):
            given = {} if given is None or self.bare is None else {self.bare: given}
        values = {name: member(given) for name, member in self.members.items()}
        return {name: value for name, value in values.items() if value is not ABSENT}

    def answered(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Return the answer in this dialect."""
        values = {name: member(answer) for name, member in self.answer.items()}
        return answer | {name: value for name, value in values.items() if value is not ABSENT}


# Events of a connection itself. Clients of every dialect get them by these names, in every namespace.
OF_THE_CONNECTION = frozenset(
    ("direct_message", "session:ready", "session:resync", "session:expiring", "session:closing")
)

# By canonical event, `domain:*` or `*`; the first of the three that the table has counts.
EventTable = Mapping[str, tuple[EventMapping, ...]]
# By a client's event. An event that is not there has its canonical meaning.
Requests = Mapping[str, RequestMapping]


@dataclass(frozen=True, slots=True)
class Dialect:
    """The names and members of one kind of client, by namespace."""

    name: str
    events: Mapping[str, EventTable]
    requests: Mapping[str, Requests] = field(default_factory=dict)


def mappings(table: EventTable, event: str) -> list[tuple[str, EventMapping]]:
    """Return the names of an event with their mappings; none if the table leaves the event out.

    For a pattern, such as `alert:*`, the names are patterns too.
    """
    if event in OF_THE_CONNECTION:
        return [(event, EventMapping())]
    domain, _, rest = event.partition(":")
    if event in table and rest != "*":
        return [(mapping.name.replace("*", event), mapping) for mapping in table[event]]
    if f"{domain}:*" in table:
        return [(mapping.name.replace("*", rest), mapping) for mapping in table[f"{domain}:*"]]
    return [(mapping.name.replace("*", event), mapping) for mapping in table.get("*", ())]


def merged(name: str, namespace: str, *dialects: Dialect) -> Dialect:
    """Return a dialect that has the names of all these dialects in a namespace. For each name the first one counts."""
    tables = [dialect.events[namespace] for dialect in dialects]
    events: dict[str, tuple[EventMapping, ...]] = {}
    for event in {event: None for table in tables for event in table}:
        named: dict[str, EventMapping] = {}
        for table in tables:
            for name_here, mapping in mappings(table, event):
                named.setdefault(name_here, EventMapping(name_here, mapping.members, mapping.spread, mapping.times))
        events[event] = tuple(named.values())
    requests: dict[str, RequestMapping] = {}
    for dialect in reversed(dialects):
        requests |= dialect.requests.get(namespace, {})
    return Dialect(name, {namespace: events}, {namespace: requests})
