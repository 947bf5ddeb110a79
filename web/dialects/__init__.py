"""Five kinds of clients over one log: how each of them is told what happens, and what their events mean.

A connection's dialect is that of its namespace; on "/" it is the one that the client picks (auth.dialect), else that of
its tenant (`flask tenants dialect`), else `mixed`: all names of "/" at once. docs/realtime.md has the tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from web.dialects.canonical import CANONICAL, REQUESTS
from web.dialects.dialect import Dialect, RequestMapping, telling, together
from web.dialects.four_namespaces import NS4
from web.dialects.groups import GROUP
from web.dialects.simple import SIMPLE
from web.dialects.tenant_events import TENANT
from web.dialects.unified_hub import HUB

# For clients that name no dialect, in a tenant that has none: those of all seeds go on working. They hear of a
# notification three times, under three names and one number, until somebody picks.
MIXED = together("mixed", "/", HUB, TENANT, SIMPLE, GROUP)

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {dialect.name: dialect for dialect in (CANONICAL, HUB, TENANT, NS4, GROUP, SIMPLE, MIXED)}
)
# Those that can be spoken on "/".
ROOT_DIALECTS = tuple(name for name, dialect in DIALECTS.items() if "/" in dialect.events)


class DialectView:
    """One dialect in one namespace: how the connections there are told, and what they mean. There is one for each."""

    def __init__(self, namespace: str, dialect: Dialect) -> None:
        self.namespace = namespace
        self.dialect = dialect.name
        # Its clients keep their position, and name it when they come back.
        self.conforming = dialect is CANONICAL
        self._events = dialect.events[namespace]
        self._requests = {**REQUESTS, **dialect.requests.get(namespace, {})}

    def told(self, event: str, payload: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """A canonical event as these clients hear it: nothing, once, or under several names."""
        return [(name, told.payload(payload)) for name, told in telling(self._events, event)]

    def hears(self, event: str) -> bool:
        """Whether these clients hear of such events."""
        table = self._events
        return bool(table.get(event, table.get(f"{event.partition(':')[0]}:*", table.get("*"))))

    def asked(self, event: str) -> RequestMapping:
        """What an event of these clients means."""
        return self._requests.get(event) or RequestMapping(event)


_VIEWS = {
    (namespace, dialect.name): DialectView(namespace, dialect)
    for dialect in DIALECTS.values()
    for namespace in dialect.events
}
# What is spoken where nobody picks.
_USUAL = {namespace: view for (namespace, _), view in _VIEWS.items()} | {"/": _VIEWS["/", MIXED.name]}

NAMESPACES: tuple[str, ...] = tuple(sorted(_USUAL))


def view_of(namespace: str, wanted: str | None = None) -> DialectView:
    """How a connection to this namespace is served that wants this dialect.

    Outside of "/" the namespace decides, so that a client may show one `auth` everywhere. Raises LookupError for a
    dialect that does not exist or is not spoken on "/".
    """
    if wanted is None:
        return _USUAL[namespace]
    if wanted not in DIALECTS:
        raise LookupError(f"there is no dialect {wanted[:64]!r}: there are {', '.join(DIALECTS)}")
    if namespace != "/":
        return _USUAL[namespace]
    if (namespace, wanted) not in _VIEWS:
        raise LookupError(f"{wanted} is spoken in {', '.join(DIALECTS[wanted].events)}, not in /")
    return _VIEWS[namespace, wanted]
