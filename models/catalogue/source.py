"""The catalogue that all tenants share: what is built in, and what the operator's file adds."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from models.catalogue.event_type import MAX_NAME, NAME, RESERVED_DOMAINS, Declaration, EventType
from models.catalogue.schema import schema_errors

Catalogue = Mapping[str, EventType]

_BUILT_IN = Path(__file__).parent / "built_in"
_CLIENT_EVENTS = Path(__file__).parent / "client_events.toml"
_CONNECTION_EVENTS = Path(__file__).parent / "connection_events.toml"
# Thousands of types; a larger file is not a catalogue.
_MAX_BYTES = 4 * 1024 * 1024


class CatalogueError(ValueError):
    """The operator's file cannot be used; the message lists everything that is wrong, one line each."""


@cache
def built_in() -> Catalogue:
    """Our types and those of the systems that Carillon replaces, by name."""
    types: dict[str, EventType] = {}
    for path in sorted(_BUILT_IN.glob("*.toml")):
        for name, document in tomllib.loads(path.read_text(encoding="utf-8")).items():
            types[name] = EventType(name=name, **document)
    return MappingProxyType(types)


@cache
def client_events() -> Catalogue:
    """What clients send on the socket, by name. A name can be that of another event of the server too."""
    return _fixed(_CLIENT_EVENTS, emitted_by="client")


@cache
def connection_events() -> Catalogue:
    """What the server sends to one connection, by name, apart from the session:* of what is built in."""
    return _fixed(_CONNECTION_EVENTS, emitted_by="server", replay=False)


def _fixed(path: Path, **common: Any) -> Catalogue:
    documents = tomllib.loads(path.read_text(encoding="utf-8"))
    return MappingProxyType(
        {
            name: EventType(name=name, reserved=True, rooms=["user"], **common, **document)
            for name, document in documents.items()
        }
    )


@cache
def shared(path: Path | None = None) -> Catalogue:
    """What is built in and what the file at `path` declares, read once in a process. Raises CatalogueError."""
    if path is None:
        return built_in()
    return MappingProxyType({**built_in(), **_read(path)})


def declaration_errors(name: str, declaration: Declaration, trusted: bool = False) -> list[tuple[str, str]]:
    """(field, what is wrong) for each error of a declaration; empty if it can be used."""
    wrong: list[tuple[str, str]] = []
    if not NAME.fullmatch(name) or len(name) > MAX_NAME:
        wrong.append(("name", f"must be domain:action, of letters, digits, _ . -, at most {MAX_NAME} long"))
    elif (
        name.partition(":")[0] in RESERVED_DOMAINS
        or name in client_events()
        or (name in built_in() and built_in()[name].reserved)
    ):
        wrong.append(("name", "is reserved by Carillon"))
    wrong += [("payload", fault) for fault in schema_errors(declaration.payload, trusted)]
    return wrong


def _read(path: Path) -> dict[str, EventType]:
    wrong: list[str] = []
    types: dict[str, EventType] = {}
    for name, document in _parse(path).items():
        try:
            declaration = Declaration.model_validate(document)
        except ValidationError as error:
            wrong += [f"{name}: {'.'.join(map(str, e['loc'])) or 'declaration'}: {e['msg']}" for e in error.errors()]
            continue
        faults = declaration_errors(name, declaration, trusted=True)
        wrong += [f"{name}: {where}: {fault}" for where, fault in faults]
        if not faults:
            types[name] = EventType(name=name, **declaration.model_dump())
    if wrong:
        raise CatalogueError(f"{path}:\n" + "\n".join(f"  {line}" for line in wrong))
    return types


def _parse(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise CatalogueError(f"{path}: larger than {_MAX_BYTES} bytes")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, CatalogueError):
            raise
        raise CatalogueError(f"{path}: not readable as TOML: {error}") from error
