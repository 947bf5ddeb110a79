"""The catalogue as an AsyncAPI 3 document at /asyncapi.json: the events of the socket, by namespace."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Flask

from models.catalogue.event_type import EventType
from models.catalogue.source import client_events, connection_events
from web import VERSION
from web.context import context
from web.dialects.canonical import CANONICAL
from web.dialects.dialect import OF_THE_CONNECTION, EventTable, Requests, mappings
from web.dialects.four_namespaces import NS4
from web.dialects.groups import GROUP
from web.dialects.simple import SIMPLE
from web.dialects.tenant_events import TENANT
from web.dialects.unified_hub import HUB
from web.documents import Document

_ABOUT = """Carillon sends events over Socket.IO, protocol 5. A client connects to a namespace with `auth: {token}`. The
server adds the connection to the rooms of its user and its tenant; a client names no room itself. Every event of a room
carries `room` and `seq`. The sequence number orders the events of a room and identifies each of them.

For JavaScript, `npm install URL/packages/carillon-client.tgz` installs a client that this server hands out. It
reconnects, fills gaps and falls back to polling. With the plain Socket.IO client:

```js
import { io } from "socket.io-client";

const socket = io("URL", { auth: { token: TOKEN, dialect: "canonical" } });
socket.on("notification:new", ({ title, room, seq }) => console.log(room, seq, title));
```

For Python, with `pip install "python-socketio[client]"`:

```python
import socketio

client = socketio.Client()
client.on("notification:new", lambda event: print(event["room"], event["seq"], event["title"]))
client.connect("URL", auth={"token": TOKEN, "dialect": "canonical"})
client.wait()
```

The same events over HTTP. The first answer has only a cursor; pass it as `?cursor=` in the next request:

```sh
curl -H "Authorization: Bearer $TOKEN" "URL/v1/events"
```
"""

# The namespaces that clients connect to, and the names of events there. Clients that choose another dialect on "/"
# receive the same events under its names.
_SPACES: dict[str, tuple[EventTable, Requests]] = {
    space: (table, dialect.requests.get(space, {}))
    for dialect in (NS4, HUB, CANONICAL)
    for space, table in dialect.events.items()
}

_PLACE = {
    "room": {"type": "string", "description": "The room of the event, such as user:alice."},
    "seq": {"type": "integer", "description": "The number of the event in its room. Numbers have no gaps."},
}


def register(app: Flask) -> None:
    """Serve the document."""
    # Not the application's own decorator: that one would describe the route in /openapi.json.
    routes = Blueprint("asyncapi", __name__)
    routes.get("/asyncapi.json", endpoint="asyncapi")(Document(current).answer)
    app.register_blueprint(routes)


def current() -> dict[str, Any]:
    """The document of this server."""
    types = [*context().catalogue.values(), *connection_events().values(), *client_events().values()]
    return document(types, context().settings.public_url)


def document(types: Iterable[EventType], public_url: str) -> dict[str, Any]:
    """The document of these types, those that clients send among them, for a server at this URL."""
    listed = [type_ for type_ in types if type_.emitted_by != "nobody"]
    known = sorted(listed, key=lambda type_: (type_.name, type_.emitted_by == "client"))
    where = urlsplit(public_url)
    spaces = {space: _messages(space, known) for space in sorted(_SPACES)}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Carillon", "version": VERSION, "description": _ABOUT.replace("URL", public_url)},
        "defaultContentType": "application/json",
        "servers": {
            "here": {
                "host": where.netloc,
                "pathname": "/socket.io/",
                "protocol": "wss" if where.scheme == "https" else "ws",
                "security": [{"$ref": "#/components/securitySchemes/token"}],
            }
        },
        "channels": {_channel_id(space): _channel(space, messages) for space, messages in spaces.items()},
        "operations": {
            f"{action}{_title(_channel_id(space))}": operation
            for space, messages in spaces.items()
            for action, operation in _operations(space, messages).items()
        },
        "components": {
            "messages": {_message_id(type_): _message(type_) for type_ in known},
            "schemas": {_message_id(type_): _payload(type_) for type_ in known},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": 'A JWT with aud "carillon:client", as auth.token of the Socket.IO handshake.',
                }
            },
        },
    }


def _messages(space: str, types: Iterable[EventType]) -> dict[str, tuple[EventType, str]]:
    """Return the types that are sent or received in a namespace, each with its name there, by message id."""
    table, requests = _SPACES[space]
    found: dict[str, tuple[EventType, str]] = {}
    for type_ in types:
        if type_.emitted_by == "server":
            names = [name for name, _ in mappings(table, type_.name)]
            if space == "/" and not names:
                # Not canonical: clients of the other dialects get it.
                names = [type_.name]
        else:
            # The server understands them by their canonical names in every namespace.
            others = [name for name, asked in requests.items() if asked.operation == type_.name]
            names = [type_.name, *(name for name in others if name not in client_events())]
        for number, name in enumerate(names):
            found[_message_id(type_) + (f"-{number + 1}" if number else "")] = (type_, name)
    return found


def _channel(space: str, messages: Mapping[str, tuple[EventType, str]]) -> dict[str, Any]:
    return {
        "address": space,
        "title": "The canonical namespace" if space == "/" else f"The namespace {space}",
        "description": "All events." if space == "/" else "Some of the events, for clients written for this namespace.",
        "messages": {
            id_: {"$ref": f"#/components/messages/{_message_id(type_)}"}
            if name == type_.name
            else _message(type_) | {"name": name}
            for id_, (type_, name) in messages.items()
        },
    }


def _operations(space: str, messages: Mapping[str, tuple[EventType, str]]) -> dict[str, Any]:
    channel = _channel_id(space)
    operations: dict[str, Any] = {}
    # AsyncAPI describes the server: what it sends, its clients receive.
    for action, emitted_by in (("send", "server"), ("receive", "client")):
        these = [
            {"$ref": f"#/channels/{channel}/messages/{id_}"}
            for id_, (type_, _) in messages.items()
            if type_.emitted_by == emitted_by
        ]
        if these:
            operations[action] = {
                "action": action,
                "channel": {"$ref": f"#/channels/{channel}"},
                "title": f"Events sent by {'the server' if action == 'send' else 'clients'} on {space}",
                "messages": these,
            }
    return operations


def _message(type_: EventType) -> dict[str, Any]:
    message: dict[str, Any] = {
        "name": type_.name,
        "title": type_.title,
        "payload": {"$ref": f"#/components/schemas/{_message_id(type_)}"},
        "tags": [{"name": type_.name.partition(":")[0]}, {"name": f"priority:{type_.priority}"}],
        "x-rooms": type_.rooms,
        "x-replay": type_.replay,
        "x-ttl": type_.ttl,
        "x-reserved": type_.reserved,
        "x-emitted-by": type_.emitted_by,
        "x-priority": type_.priority,
        "x-names": _names(type_),
    }
    if type_.description:
        message["description"] = type_.description
    if type_.coalesce is not None:
        message["x-coalesce"] = type_.coalesce.model_dump()
    return message


def _names(type_: EventType) -> list[dict[str, str]]:
    """The names of the type in other dialects and namespaces, where they are not the canonical name on "/"."""
    names: list[dict[str, str]] = []
    for dialect in (HUB, NS4, TENANT, GROUP, SIMPLE):
        for space in dict.fromkeys([*dialect.events, *dialect.requests]):
            if type_.name in OF_THE_CONNECTION:
                known = []
            elif type_.emitted_by == "server":
                known = [name for name, _ in mappings(dialect.events.get(space, {}), type_.name)]
            else:
                requests = dialect.requests.get(space, {})
                known = [name for name, asked in requests.items() if asked.operation == type_.name]
            names += [
                {"dialect": dialect.name, "namespace": space, "name": name}
                for name in known
                if (space, name) != ("/", type_.name)
            ]
    return names


def _payload(type_: EventType) -> dict[str, Any]:
    of_a_connection = type_.name.startswith("session:") or type_.name in connection_events()
    place = _PLACE if type_.emitted_by == "server" and not of_a_connection else {}
    schema: dict[str, Any] = {"type": "object", **type_.payload}
    definitions = schema.pop("$defs", {})
    if definitions:
        # A reference is resolved against the whole document there.
        base = f"#/components/schemas/{_message_id(type_)}/definitions/"
        schema = _moved(schema, base) | {"definitions": _moved(definitions, base)}
    return schema | {"properties": {**schema.get("properties", {}), **place}}


def _moved(value: Any, base: str) -> Any:
    if isinstance(value, Mapping):
        return {
            key: base + item.removeprefix("#/$defs/") if key == "$ref" and isinstance(item, str) else _moved(item, base)
            for key, item in value.items()
        }
    return [_moved(item, base) for item in value] if isinstance(value, list) else value


def _channel_id(space: str) -> str:
    return space.removeprefix("/") or "canonical"


def _message_id(type_: EventType) -> str:
    # Some names are an event of the server and another one of clients.
    name = f"client.{type_.name}" if type_.emitted_by == "client" else type_.name
    return re.sub(r"[^A-Za-z0-9.\-_]", ".", name)


def _title(name: str) -> str:
    return name[:1].upper() + name[1:]
