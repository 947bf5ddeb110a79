"""The contract of a storage, and what both storages need."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO, Protocol
from urllib.parse import quote

# What every file is given out as, whatever its sender calls it: no browser shows or runs it.
GENERIC = "application/octet-stream"


class StorageUnavailable(Exception):
    """The storage does not answer, or not as it should. The message has no URL and no credentials."""


class NotStored(Exception):
    """There is no such file."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A request that a client can make without a token, with these headers, until `expires_at`."""

    method: str
    url: str
    expires_at: datetime
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Member:
    """The user for whom a request is signed."""

    tenant: str
    user: str


class Storage(Protocol):
    """A place for files. A key names a file: letters, digits and _ . : - and one slash."""

    def upload(self, key: str, size: int, sha256: str, member: Member, expires_at: datetime) -> Signed:
        """A PUT that stores exactly these bytes and no others. `sha256` is in hexadecimal digits."""

    def download(self, key: str, name: str, member: Member, expires_at: datetime) -> Signed:
        """A GET of the file, which browsers save under `name` and never show."""

    def show(self, key: str, media_type: str, member: Member, expires_at: datetime) -> Signed:
        """A GET of a picture that we have made, which browsers show."""

    def holds(self, key: str, size: int, sha256: str) -> bool:
        """Whether the file was stored, with this size and SHA-256. Raises StorageUnavailable."""

    def read(self, key: str, into: BinaryIO) -> None:
        """Copy the file. Raises NotStored and StorageUnavailable."""

    def write(self, key: str, content: bytes) -> None:
        """Store a small file that we have made. Raises StorageUnavailable."""

    def delete(self, key: str) -> None:
        """Delete the file, if there is one. Raises StorageUnavailable."""

    def check(self) -> None:
        """Store, find and delete a file. Raises StorageUnavailable with what is wrong."""

    def close(self) -> None:
        """Release the connections."""


def content_disposition(name: str) -> str:
    """The header that makes a browser save a file under this name (RFC 6266), with an ASCII name for old clients."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = "".join(character if character.isprintable() and character not in '"\\%' else "_" for character in plain)
    return f"attachment; filename=\"{plain.strip() or 'file'}\"; filename*=UTF-8''{quote(name, safe='')}"
