"""Decodes request bodies to JSON that both databases can store."""

from __future__ import annotations

import json
import re
import zlib
from typing import Any

from flask import request
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from actions.problems import Problem
from carillon.problems import FieldError

SINGLE = 256 * 1024
BULK = 2 * 1024 * 1024

# PostgreSQL keeps neither in a text; SQLite does, and would hide the fault.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def read_json(max_bytes: int) -> Any:
    """Return the decoded body. Raises Problem if it is not JSON, is too large, or has texts that cannot be stored."""
    if request.mimetype != "application/json":
        raise Problem(415, "unsupported_media_type", "send Content-Type: application/json")
    raw = _decoded(_received(max_bytes), max_bytes)
    try:
        # A byte order mark at the beginning may be ignored (RFC 8259 §8.1).
        document = json.loads(raw.decode("utf-8-sig"))
    except RecursionError as error:
        raise Problem(400, "malformed_json", "the body is nested too deeply") from error
    except ValueError as error:
        raise Problem(400, "malformed_json", f"the body is not JSON in UTF-8: {error}"[:200]) from error
    # Only an escape can bring either in: the decoder has refused them as they are.
    if b"\\u" in raw:
        _refuse_unstorable(document)
    return document


def _received(max_bytes: int) -> bytes:
    """All bytes of the body as they were sent."""
    request.max_content_length = max_bytes
    length = request.content_length
    if length is not None and length > max_bytes:
        raise _too_large(max_bytes)
    try:
        raw = request.get_data(cache=False)
    except RequestEntityTooLarge as error:
        raise _too_large(max_bytes) from error
    except (ParseException, ClientDisconnected, OSError) as error:
        # From the WSGI server: a chunk is malformed, or the connection has ended.
        raise Problem(
            400, "incomplete_body", "the body ended early, or its chunks are malformed: send it again"
        ) from error
    if length is not None and len(raw) < length:
        detail = f"the body has {len(raw)} bytes, and Content-Length says {length}: send it again"
        raise Problem(400, "incomplete_body", detail)
    return raw


def _decoded(raw: bytes, max_bytes: int) -> bytes:
    """The body without its Content-Encoding."""
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding == "identity":
        return raw
    if encoding not in ("gzip", "x-gzip"):
        detail = "send the body without Content-Encoding, or with gzip"
        raise Problem(415, "unsupported_encoding", detail, headers={"Accept-Encoding": "gzip"})
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        # At most so much is unpacked, whatever the body would become.
        plain = unpacker.decompress(raw, max_bytes + 1)
    except zlib.error as error:
        raise Problem(400, "malformed_encoding", "the body is not gzip, as Content-Encoding says") from error
    if len(plain) > max_bytes:
        raise _too_large(max_bytes)
    if not unpacker.eof or unpacker.unused_data:
        raise Problem(400, "malformed_encoding", "the body is not one whole gzip stream")
    return plain


def _too_large(max_bytes: int) -> Problem:
    return Problem(413, "request_entity_too_large", f"the body can have at most {max_bytes} bytes")


def _refuse_unstorable(document: Any) -> None:
    # A stack and not recursion: the depth is the caller's choice.
    stack: list[tuple[str, Any]] = [("", document)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, str):
            if _UNSTORABLE.search(value):
                message = "must not contain NUL or half of a surrogate pair"
                raise Problem(
                    422,
                    "validation",
                    f"{path or 'body'}: {message}",
                    errors=[FieldError(field=path or "body", code="unstorable_text", message=message)],
                )
        elif isinstance(value, dict):
            for name, item in value.items():
                where = f"{path}.{name}" if path else name
                stack += [(where, item), (where, name)]
        elif isinstance(value, list):
            stack += [(f"{path}.{number}" if path else str(number), item) for number, item in enumerate(value)]
