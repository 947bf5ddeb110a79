"""The catalogue that all tenants share: what is built in, and what the operator's file adds."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from models.catalogue.event_type import LONGEST_NAME, NAME, RESERVED_DOMAINS, Declaration, EventType
from models.catalogue.schema import faults_of_schema

Catalogue = Mapping[str, EventType]

_BUILT_IN = Path(__file__).parent / "built_in"
# Thousands of types; a larger file is not a catalogue.
_MOST_BYTES = 4 * 1024 * 1024


class CatalogueError(ValueError):
    """The operator's file cannot be used; the message lists everything that is wrong, one line each."""


@cache
def built_in() -> Catalogue:
    """Our types and those of the seed systems, by name."""
    types: dict[str, EventType] = {}
    for path in sorted(_BUILT_IN.glob("*.toml")):
        for name, document in tomllib.loads(path.read_text(encoding="utf-8")).items():
            types[name] = EventType(name=name, **document)
    return MappingProxyType(types)


@cache
def shared(path: Path | None = None) -> Catalogue:
    """What is built in and what the file at `path` declares, read once in a process. Raises CatalogueError."""
    if path is None:
        return built_in()
    return MappingProxyType({**built_in(), **_read(path)})


def faults_of(name: str, declaration: Declaration, trusted: bool = False) -> list[tuple[str, str]]:
    """(field, what is wrong) for a declaration of somebody other than us; nothing, if it may be used."""
    wrong: list[tuple[str, str]] = []
    if not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        wrong.append(("name", f"must be domain:action, of letters, digits, _ . -, at most {LONGEST_NAME} long"))
    elif name.partition(":")[0] in RESERVED_DOMAINS or (name in built_in() and built_in()[name].reserved):
        wrong.append(("name", "is reserved: Carillon emits it itself"))
    wrong += [("payload", fault) for fault in faults_of_schema(declaration.payload, trusted)]
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
        faults = faults_of(name, declaration, trusted=True)
        wrong += [f"{name}: {where}: {fault}" for where, fault in faults]
        if not faults:
            types[name] = EventType(name=name, **declaration.model_dump())
    if wrong:
        raise CatalogueError(f"{path}:\n" + "\n".join(f"  {line}" for line in wrong))
    return types


def _parse(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise CatalogueError(f"{path}: larger than {_MOST_BYTES} bytes")
        text = path.read_text(encoding="utf-8")
        document = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, CatalogueError):
            raise
        raise CatalogueError(
            f"{path}: not readable as {'JSON' if path.suffix == '.json' else 'TOML'}: {error}"
        ) from error
    if not isinstance(document, dict):
        raise CatalogueError(f"{path}: must hold an object: types by their names")
    return document
