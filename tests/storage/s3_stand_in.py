"""A storage that speaks as much of S3 as Carillon uses, and believes no request whose signature is not right."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

KEY_ID, SECRET, REGION, BUCKET = "AKIDSTANDIN", "a secret of the stand-in", "eu-central-1", "files"


class Refused(Exception):
    """As S3 answers: a status and a code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


class S3StandIn:
    """The objects by their keys, and the requests that came: (method, key)."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self.objects: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        # Answers with this status whatever is asked, if it is set.
        self.broken: int | None = None
        # A storage from before checksums.
        self.tells_checksums = True

    @property
    def url(self) -> str:
        """The setting that names it."""
        return f"s3://{BUCKET}/below?region={REGION}&endpoint={self.endpoint}"


def verify(method: str, path_and_query: str, headers: dict[str, str], now: datetime) -> dict[str, str]:
    """Check the signature as S3's documentation says. Returns the query. Raises Refused."""
    parts = urlsplit(path_and_query)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    try:
        given, signed = query.pop("X-Amz-Signature"), query["X-Amz-SignedHeaders"].split(";")
        key_id, day, region, service, last = query["X-Amz-Credential"].split("/")
        began = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        seconds = int(query["X-Amz-Expires"])
    except (KeyError, ValueError) as error:
        raise Refused(403, "AccessDenied") from error
    if (key_id, region, service, last, day) != (KEY_ID, REGION, "s3", "aws4_request", began.strftime("%Y%m%d")):
        raise Refused(403, "InvalidAccessKeyId")
    if not 1 <= seconds <= 604_800 or not now - timedelta(seconds=seconds) <= began <= now + timedelta(minutes=15):
        raise Refused(403, "ExpiredToken")
    # S3 wants every x-amz- header signed.
    if "host" not in signed or any(name.startswith("x-amz-") and name not in signed for name in headers):
        raise Refused(403, "HeadersNotSigned")
    lines = [f"{name}:{' '.join(headers.get(name, '').split())}" for name in signed]
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query.items())
    path = quote(unquote(parts.path), safe="/-_.~")
    written = "&".join(f"{name}={value}" for name, value in pairs)
    request = "\n".join([method, path, written, *lines, "", ";".join(signed), "UNSIGNED-PAYLOAD"])
    hashed = hashlib.sha256(request.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{query['X-Amz-Date']}\n{day}/{region}/s3/aws4_request\n{hashed}"
    key = ("AWS4" + SECRET).encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), given):
        raise Refused(403, "SignatureDoesNotMatch")
    return query


class _Handler(BaseHTTPRequestHandler):
    storage: S3StandIn
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            status, headers, answer = self._work(body)
        except Refused as refused:
            status, headers, answer = refused.status, {}, refused.code.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "content-length" not in headers:
            self.send_header("content-length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    def _work(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = verify(self.command, self.path, headers, datetime.now(UTC))
        key = unquote(urlsplit(self.path).path).removeprefix(f"/{BUCKET}/below/")
        self.storage.asked.append((self.command, key))
        if self.storage.broken:
            raise Refused(self.storage.broken, "InternalError")
        if self.command == "PUT":
            if _checksum(body) != headers.get("x-amz-checksum-sha256", _checksum(body)):
                raise Refused(400, "BadDigest")
            self.storage.objects[key] = body
            return 200, {}, b""
        if self.command == "DELETE":
            self.storage.objects.pop(key, None)
            return 204, {}, b""
        if key not in self.storage.objects:
            raise Refused(404, "NoSuchKey")
        stored = self.storage.objects[key]
        told = {name.removeprefix("response-"): value for name, value in query.items() if "response-" in name}
        if headers.get("x-amz-checksum-mode") == "ENABLED" and self.storage.tells_checksums:
            told["x-amz-checksum-sha256"] = _checksum(stored)
        return 200, told | {"content-length": str(len(stored))}, stored


def _checksum(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


@contextmanager
def s3_stand_in() -> Iterator[S3StandIn]:
    """Serve on the loopback until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    storage = S3StandIn(server.server_port)
    server.RequestHandlerClass = type("Handler", (_Handler,), {"storage": storage})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield storage
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
