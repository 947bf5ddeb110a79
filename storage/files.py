"""Files in a directory, with URLs of our own web process, which signs them and stores and gives out the bytes."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import jwt

from storage.base import GENERIC, Member, NotStored, Signed, StorageUnavailable

_KEY = re.compile(r"(?!\.{1,2}/)[A-Za-z0-9_.:\-]{1,64}/[0-9a-f\-]{16,36}(\.preview)?")
_ALGORITHM = "HS256"
_CHUNK = 64 * 1024
# Bytes after which the disk is waited for, so that no single wait is long: nobody else is served meanwhile.
_SYNC = 1024 * 1024


class InvalidTicket(Exception):
    """The URL was not signed here, was changed, is for another method, or has expired."""


class Refused(Exception):
    """The bytes are not those that were announced. `short`: the body has ended early."""

    def __init__(self, reason: str, *, short: bool = False) -> None:
        super().__init__(reason)
        self.short = short


class Busy(Exception):
    """The same file is being stored at this moment."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a signed URL allows a member: to PUT a file of this size and SHA-256, or to GET one."""

    method: str
    key: str
    member: Member
    size: int = 0
    sha256: str = ""


class FileStorage:
    """See storage.base.Storage. `secret` is called when it is first needed."""

    def __init__(self, directory: Path, public_url: str, secret: Callable[[], bytes]) -> None:
        self._directory = directory
        self._url = f"{public_url.rstrip('/')}/attachments"
        self._secret = secret

    def upload(self, key: str, size: int, sha256: str, member: Member, expires_at: datetime) -> Signed:
        """See Storage."""
        signed = self._sign(Ticket("PUT", key, member, size=size, sha256=sha256), expires_at)
        return Signed("PUT", signed, expires_at, {"content-type": GENERIC})

    def download(self, key: str, name: str, member: Member, expires_at: datetime) -> Signed:  # noqa: ARG002
        """See Storage. The web process knows the name."""
        return Signed("GET", self._sign(Ticket("GET", key, member), expires_at), expires_at)

    def show(self, key: str, media_type: str, member: Member, expires_at: datetime) -> Signed:  # noqa: ARG002
        """See Storage."""
        return Signed("GET", self._sign(Ticket("GET", key, member), expires_at), expires_at)

    def ticket(self, token: str, method: str) -> Ticket:
        """What the last part of a URL allows. Raises InvalidTicket."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token, self._key, algorithms=[_ALGORITHM], options={"require": ["exp", "method"]}
            )
        except (jwt.PyJWTError, ValueError) as error:
            raise InvalidTicket from error
        del claims["exp"]
        ticket = Ticket(member=Member(claims.pop("tenant"), claims.pop("user")), **claims)
        if ticket.method != method:
            raise InvalidTicket
        return ticket

    def receive(self, ticket: Ticket, read: Callable[[int], bytes]) -> None:
        """Store what `read(at most)` returns, until there is as much as the ticket says.

        Raises Refused, Busy and StorageUnavailable, and what `read` raises, but OSError is taken for the disk's. Then
        nothing is stored.
        """
        target = self._path(ticket.key)
        part = target.with_name(f"{target.name}.part")
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # One writer at a time, or many uploads with one ticket would fill the disk. The lock ends with its process.
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                _lock(file, part)
                try:
                    file.truncate(0)
                    _copy(ticket, read, file)
                    part.replace(target)
                finally:
                    part.unlink(missing_ok=True)
        except OSError as error:
            raise StorageUnavailable(f"cannot write to the directory of attachments: {error.strerror}") from error

    def holds(self, key: str, size: int, sha256: str) -> bool:  # noqa: ARG002
        """See Storage. What is there has the right SHA-256: `receive` stores nothing else."""
        try:
            return self._path(key).stat().st_size == size
        except FileNotFoundError:
            return False

    def path(self, key: str) -> Path:
        """Where the file is. Raises NotStored."""
        path = self._path(key)
        if not path.is_file():
            raise NotStored(key)
        return path

    def read(self, key: str, into: BinaryIO) -> None:
        """See Storage."""
        with self.path(key).open("rb") as file:
            shutil.copyfileobj(file, into)

    def write(self, key: str, content: bytes) -> None:
        """See Storage."""
        path = self._path(key)
        temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary.write_bytes(content)
            temporary.replace(path)
        except OSError as error:
            raise StorageUnavailable(f"cannot write to the directory of attachments: {error.strerror}") from error

    def delete(self, key: str) -> None:
        """See Storage."""
        path = self._path(key)
        try:
            path.unlink(missing_ok=True)
            path.with_name(f"{path.name}.part").unlink(missing_ok=True)
        except OSError as error:
            raise StorageUnavailable(f"cannot change the directory of attachments: {error.strerror}") from error

    def check(self) -> None:
        """See Storage."""
        key, content = f"check/{secrets.token_hex(8)}", secrets.token_bytes(16)
        self.write(key, content)
        try:
            if self.path(key).read_bytes() != content:
                raise StorageUnavailable("a file that was stored is not there")
        finally:
            self.delete(key)

    def close(self) -> None:
        """See Storage."""

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError("not a key of an attachment")
        return self._directory / key

    def _sign(self, ticket: Ticket, expires_at: datetime) -> str:
        claims: dict[str, Any] = {"method": ticket.method, "key": ticket.key, "exp": expires_at}
        claims |= {"tenant": ticket.member.tenant, "user": ticket.member.user}
        if ticket.method == "PUT":
            claims |= {"size": ticket.size, "sha256": ticket.sha256}
        return f"{self._url}/{jwt.encode(claims, self._key, _ALGORITHM)}"

    @cached_property
    def _key(self) -> bytes:
        # Of its own: what is signed for one purpose must not count for another.
        return hmac_key(self._secret())


def hmac_key(secret: bytes) -> bytes:
    """The key of the URLs, from the installation's secret."""
    return hashlib.blake2b(b"carillon attachments", key=secret, digest_size=32).digest()


def _lock(file: BinaryIO, part: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Another one may have finished between the opening and the lock. Then this is its file.
        ours = os.fstat(file.fileno()).st_ino == part.stat().st_ino
    except (BlockingIOError, FileNotFoundError) as error:
        raise Busy from error
    if not ours:
        raise Busy


def _copy(ticket: Ticket, read: Callable[[int], bytes], file: BinaryIO) -> None:
    digest, left = hashlib.sha256(), ticket.size
    while left:
        chunk = read(min(left, _CHUNK))
        if not chunk:
            raise Refused(f"the body ends {left} bytes before its announced size", short=True)
        digest.update(chunk)
        file.write(chunk)
        left -= len(chunk)
        if left // _SYNC != (left + len(chunk)) // _SYNC or not left:
            file.flush()
            os.fsync(file.fileno())
        # A client that is fast always has the next bytes ready. Let others be served.
        time.sleep(0)
    if digest.hexdigest() != ticket.sha256:
        raise Refused("the body does not have the announced SHA-256")
