"""Dialects: the names and members by which five kinds of clients receive and send events, over one log.

A connection's dialect is that of its namespace; on "/" it is the one that the client picks (auth.dialect), else that of
its tenant (`bin/carillon tenants dialect`), else `mixed`: all names of "/" at once. docs/realtime.md has the tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from web.dialects.as_given import as_given
from web.dialects.canonical import CANONICAL, REQUESTS
from web.dialects.dialect import Dialect, RequestMapping, mappings, merged
from web.dialects.four_namespaces import NS4
from web.dialects.groups import GROUP
from web.dialects.simple import SIMPLE
from web.dialects.tenant_events import TENANT
from web.dialects.unified_hub import HUB

# For clients that name no dialect, in a tenant that has none: clients of all seeds work. They receive a notification
# three times, under three names and one number, until the tenant or the client chooses a dialect.
MIXED = merged("mixed", "/", HUB, TENANT, SIMPLE, GROUP)

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {dialect.name: dialect for dialect in (CANONICAL, HUB, TENANT, NS4, GROUP, SIMPLE, MIXED)}
)
# Those that are available on "/".
ROOT_DIALECTS = tuple(name for name, dialect in DIALECTS.items() if "/" in dialect.events)


class DialectView:
    """One dialect in one namespace. There is one object for each, shared by all connections."""

    def __init__(self, namespace: str, dialect: Dialect) -> None:
        self.namespace = namespace
        self.dialect = dialect.name
        self._events = dialect.events[namespace]
        self._requests = {**REQUESTS, **dialect.requests.get(namespace, {})}

    def translate(self, event: str, payload: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """Return a canonical event as these clients receive it: under no name, one, or several."""
        if self.dialect != CANONICAL.name:
            payload = as_given(event, payload)
        return [(name, mapping.payload(payload)) for name, mapping in mappings(self._events, event)]

    def receives(self, event: str) -> bool:
        """Return whether these clients receive this event."""
        table = self._events
        return bool(table.get(event, table.get(f"{event.partition(':')[0]}:*", table.get("*"))))

    def request(self, event: str) -> RequestMapping:
        """Return what an event of these clients means."""
        return self._requests.get(event) or RequestMapping(event)


_VIEWS = {
    (namespace, dialect.name): DialectView(namespace, dialect)
    for dialect in DIALECTS.values()
    for namespace in dialect.events
}
# For clients that choose none.
_DEFAULT = {namespace: view for (namespace, _), view in _VIEWS.items()} | {"/": _VIEWS["/", MIXED.name]}

NAMESPACES: tuple[str, ...] = tuple(sorted(_DEFAULT))


def view_of(namespace: str, wanted: str | None = None) -> DialectView:
    """Return the dialect of a connection to this namespace that asks for `wanted`.

    Outside "/" the namespace decides, so that a client can send one `auth` everywhere. Raises LookupError for a dialect
    that does not exist or is not available on "/".
    """
    if wanted is None:
        return _DEFAULT[namespace]
    if wanted not in DIALECTS:
        raise LookupError(f"there is no dialect {wanted[:64]!r}: there are {', '.join(DIALECTS)}")
    if namespace != "/":
        return _DEFAULT[namespace]
    if (namespace, wanted) not in _VIEWS:
        raise LookupError(f"{wanted} is available in {', '.join(DIALECTS[wanted].events)}, not in /")
    return _VIEWS[namespace, wanted]
