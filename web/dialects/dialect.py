"""What a dialect is: a table of names and members, and the few rules by which it is read."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

# What a member is made of: the canonical payload in, the value out, or ABSENT.
Member = Callable[[Mapping[str, Any]], Any]
ABSENT: Any = object()

# The member that holds the time of an event.
_TIME = "created_at"


def of(*names: str) -> Member:
    """What the first of these members says that is there."""

    def first(payload: Mapping[str, Any]) -> Any:
        return next((payload[name] for name in names if name in payload), ABSENT)

    return first


def always(value: Any) -> Member:
    """The same in every event."""
    return lambda _: value


def escaped(name: str) -> Member:
    """A text that may be put into HTML as it is."""
    return lambda payload: html.escape(str(payload[name])) if name in payload else ABSENT


def in_room(kind: str, *names: str) -> Member:
    """The room of this kind whose key the first of these members says."""
    key = of(*names)

    def room(payload: Mapping[str, Any]) -> Any:
        value = key(payload)
        # An id may come as a number. What is neither is passed on, for the handler to refuse.
        named = isinstance(value, str | int) and not isinstance(value, bool)
        return f"{kind}:{value}" if named else value

    return room


@dataclass(frozen=True, slots=True)
class EventMapping:
    """How an event is told: under which name, and what its payload has beside the canonical members.

    In `name`, `*` stands for what the star of the table's pattern matched. Of the object at `spread` the members stand
    at the top as well, where their names are free. `times` are other names for created_at, where they are free.
    """

    name: str = "*"
    members: Mapping[str, Member] = field(default_factory=dict)
    spread: str | None = None
    times: tuple[str, ...] = ()

    def payload(self, canonical: Mapping[str, Any]) -> dict[str, Any]:
        """The payload as this dialect has it."""
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
    """What an event of a client means: the canonical operation, and what is made of its payload and of the answer.

    Without `members` the payload passes as it is. `bare` is the member that a payload stands for that is no object.
    """

    operation: str
    members: Mapping[str, Member] = field(default_factory=dict)
    bare: str | None = None
    answer: Mapping[str, Member] = field(default_factory=dict)

    def payload(self, given: Any) -> Any:
        """The payload as the operation has it."""
        if not self.members:
            return given
        if not isinstance(given, dict):
            given = {} if given is None or self.bare is None else {self.bare: given}
        values = {name: member(given) for name, member in self.members.items()}
        return {name: value for name, value in values.items() if value is not ABSENT}

    def answered(self, answer: dict[str, Any]) -> dict[str, Any]:
        """The answer as the client knows it."""
        values = {name: member(answer) for name, member in self.answer.items()}
        return answer | {name: value for name, value in values.items() if value is not ABSENT}


# Canonical event, `domain:*` or `*` -> how it is told; the first of the three that the table has.
EventTable = Mapping[str, tuple[EventMapping, ...]]
# A client's event -> what it means. One that is not there means what it means canonically.
Requests = Mapping[str, RequestMapping]


@dataclass(frozen=True, slots=True)
class Dialect:
    """The names and members that one kind of client knows, by namespace."""

    name: str
    events: Mapping[str, EventTable]
    requests: Mapping[str, Requests] = field(default_factory=dict)


def telling(table: EventTable, event: str) -> list[tuple[str, EventMapping]]:
    """Under which names an event is told, and how; nothing, if this table has no use for it.

    Of a pattern it tells the names with the star in them.
    """
    domain, _, rest = event.partition(":")
    if event in table and rest != "*":
        return [(told.name.replace("*", event), told) for told in table[event]]
    if f"{domain}:*" in table:
        return [(told.name.replace("*", rest), told) for told in table[f"{domain}:*"]]
    return [(told.name.replace("*", event), told) for told in table.get("*", ())]


def together(name: str, namespace: str, *dialects: Dialect) -> Dialect:
    """One dialect that speaks like all of them in a namespace. Of two tellings under one name the first holds."""
    tables = [dialect.events[namespace] for dialect in dialects]
    events: dict[str, tuple[EventMapping, ...]] = {}
    for event in {event: None for table in tables for event in table}:
        named: dict[str, EventMapping] = {}
        for table in tables:
            for as_name, told in telling(table, event):
                named.setdefault(as_name, EventMapping(as_name, told.members, told.spread, told.times))
        events[event] = tuple(named.values())
    requests: dict[str, RequestMapping] = {}
    for dialect in reversed(dialects):
        requests |= dialect.requests.get(namespace, {})
    return Dialect(name, {namespace: events}, {namespace: requests})
