"""Files in a bucket of a storage that speaks S3: AWS, MinIO and others. Bytes go from and to clients directly."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO
from urllib.parse import parse_qs, quote, urlsplit

import httpx

from storage.base import GENERIC, Member, NotStored, Signed, StorageUnavailable, content_disposition
from storage.sigv4 import Credentials, presign

_CHECKSUM = "x-amz-checksum-sha256"
# Seconds for which the URLs of our own requests are valid: clocks may differ.
_OWN = 300
# Seconds in which a file must have been copied.
_COPY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, or what is below `prefix` in it. `url` has no slash at its end."""

    url: str
    region: str
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> Bucket:
        """Read s3://bucket/prefix?region=…&endpoint=…. Raises ValueError with what is wrong."""
        parts = urlsplit(text)
        options = {name: values[-1] for name, values in parse_qs(parts.query, strict_parsing=bool(parts.query)).items()}
        if parts.scheme != "s3" or not parts.netloc or "@" in parts.netloc:
            raise ValueError("must be s3://bucket?region=…, without credentials")
        region = options.pop("region", "us-east-1")
        endpoint = options.pop("endpoint", f"https://s3.{region}.amazonaws.com").rstrip("/")
        if options:
            raise ValueError(f"has unknown options: {', '.join(sorted(options))}")
        if urlsplit(endpoint).scheme not in ("http", "https") or not urlsplit(endpoint).hostname:
            raise ValueError("the endpoint must begin with http:// or https://")
        prefix = parts.path.strip("/")
        return cls(f"{endpoint}/{quote(parts.netloc)}", region, f"{prefix}/" if prefix else "")

    def object(self, key: str) -> str:
        """The URL of an object. The bucket is in the path, where no certificate and no DNS has to know it."""
        return f"{self.url}/{quote(self.prefix + key)}"


class S3Storage:
    """See storage.base.Storage. Uses presigned URLs for its own requests too, so there is one way to sign."""

    def __init__(
        self,
        bucket: Bucket,
        credentials: Credentials,
        timeout: float,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._bucket = bucket
        self._credentials = credentials
        self._clock = clock
        self._client = httpx.Client(timeout=timeout, transport=transport)

    def upload(self, key: str, size: int, sha256: str, member: Member, expires_at: datetime) -> Signed:  # noqa: ARG002
        """See Storage. The storage itself refuses another size (a signed header) and other bytes (the checksum)."""
        headers = {"content-type": GENERIC, _CHECKSUM: _base64(sha256)}
        url = self._sign("PUT", key, expires_at, headers | {"content-length": str(size)})
        # Clients send Content-Length themselves; browsers let nobody else set it.
        return Signed("PUT", url, expires_at, headers)

    def download(self, key: str, name: str, member: Member, expires_at: datetime) -> Signed:  # noqa: ARG002
        """See Storage."""
        answer = {"response-content-type": GENERIC, "response-content-disposition": content_disposition(name)}
        return Signed("GET", self._sign("GET", key, expires_at, query=answer), expires_at)

    def show(self, key: str, media_type: str, member: Member, expires_at: datetime) -> Signed:  # noqa: ARG002
        """See Storage."""
        answer = {"response-content-type": media_type, "response-content-disposition": "inline"}
        return Signed("GET", self._sign("GET", key, expires_at, query=answer), expires_at)

    def holds(self, key: str, size: int, sha256: str) -> bool:
        """See Storage. Asks for the checksum that the storage has computed."""
        answer = self._ask("HEAD", key, {"x-amz-checksum-mode": "ENABLED"})
        if answer.status_code == 404:
            return False
        _require(answer, 200)
        if _CHECKSUM not in answer.headers:
            raise StorageUnavailable("the storage tells no SHA-256 of what it has stored")
        stored = (answer.headers.get("content-length"), answer.headers[_CHECKSUM])
        return stored == (str(size), _base64(sha256))

    def read(self, key: str, into: BinaryIO) -> None:
        """See Storage."""
        url, end = self._own_url("GET", key, {}), time.monotonic() + _COPY_SECONDS
        try:
            with self._client.stream("GET", url) as answer:
                if answer.status_code == 404:
                    raise NotStored(key)
                _require(answer, 200)
                for chunk in answer.iter_raw():
                    if time.monotonic() > end:
                        raise StorageUnavailable("the storage is too slow")
                    into.write(chunk)
        except httpx.HTTPError as error:
            raise _unavailable(error) from error

    def write(self, key: str, content: bytes) -> None:
        """See Storage."""
        headers = {"content-type": GENERIC, _CHECKSUM: _base64(hashlib.sha256(content).hexdigest())}
        _require(self._ask("PUT", key, headers | {"content-length": str(len(content))}, content), 200)

    def delete(self, key: str) -> None:
        """See Storage."""
        _require(self._ask("DELETE", key, {}), 204, 200, 404)

    def check(self) -> None:
        """See Storage."""
        key, content = f"check/{secrets.token_hex(8)}", secrets.token_bytes(16)
        self.write(key, content)
        try:
            if not self.holds(key, len(content), hashlib.sha256(content).hexdigest()):
                raise StorageUnavailable("a file that was stored is not there")
        finally:
            self.delete(key)

    def close(self) -> None:
        """See Storage."""
        self._client.close()

    def _sign(
        self,
        method: str,
        key: str,
        expires_at: datetime,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> str:
        now = self._clock()
        seconds = max(1, int((expires_at - now).total_seconds()))
        bucket = self._bucket
        return presign(
            self._credentials, bucket.region, method, bucket.object(key), now, seconds, headers=headers, query=query
        )

    def _own_url(self, method: str, key: str, headers: Mapping[str, str]) -> str:
        now, bucket = self._clock(), self._bucket
        return presign(self._credentials, bucket.region, method, bucket.object(key), now, _OWN, headers=headers)

    def _ask(self, method: str, key: str, headers: Mapping[str, str], content: bytes | None = None) -> httpx.Response:
        try:
            return self._client.request(method, self._own_url(method, key, headers), headers=headers, content=content)
        except httpx.HTTPError as error:
            raise _unavailable(error) from error


def _base64(sha256: str) -> str:
    return base64.b64encode(bytes.fromhex(sha256)).decode()


def _require(answer: httpx.Response, *statuses: int) -> None:
    if answer.status_code not in statuses:
        raise StorageUnavailable(f"the storage answers {answer.request.method} with {answer.status_code}")


def _unavailable(error: httpx.HTTPError) -> StorageUnavailable:
    # The class only: messages can quote the URL, which is signed.
    return StorageUnavailable(f"the storage does not answer: {type(error).__name__}")
