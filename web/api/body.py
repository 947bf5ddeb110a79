"""From the bytes of a request to JSON that both databases can keep."""

from __future__ import annotations

import json
import re
from typing import Any

from flask import request

from web.problems import FieldError, Problem

SINGLE = 256 * 1024
BULK = 2 * 1024 * 1024

# PostgreSQL keeps neither in a text; SQLite does, and would hide the fault.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# JavaScript, and so most clients, count exactly up to here.
LARGEST_NUMBER = 2**53


def read_json(max_bytes: int) -> Any:
    """The decoded body. Raises Problem for what is not JSON, is too large, or has texts that cannot be stored."""
    if request.mimetype != "application/json":
        raise Problem(415, "unsupported_media_type", "send Content-Type: application/json")
    request.max_content_length = max_bytes
    raw = request.get_data(cache=False)
    try:
        document = json.loads(raw.decode("utf-8"))
    except RecursionError as error:
        raise Problem(400, "malformed_json", "the body is nested too deeply") from error
    except ValueError as error:
        raise Problem(400, "malformed_json", f"the body is not JSON in UTF-8: {error}"[:200]) from error
    # Only an escape can bring either in: the decoder has refused them as they are.
    if b"\\u" in raw:
        _refuse_unstorable(document)
    return document


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


def check_data(data: dict[str, Any], max_bytes: int, max_depth: int) -> str | None:
    """What is wrong with a free JSON object, or None: its size once encoded, its depth, numbers that clients lose."""
    stack: list[tuple[Any, int]] = [(data, 1)]
    while stack:
        value, depth = stack.pop()
        if isinstance(value, (dict, list)):
            if depth > max_depth:
                return f"must be nested at most {max_depth} levels deep"
            stack += [(item, depth + 1) for item in (value.values() if isinstance(value, dict) else value)]
        # A comparison with NaN is false, hence "not within" and not "beyond".
        elif isinstance(value, (int, float)) and not -LARGEST_NUMBER <= value <= LARGEST_NUMBER:
            return "numbers must be finite and lie within 2**53 of zero: send larger ones as strings"
    size = len(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())
    return f"must not exceed {max_bytes} bytes as JSON; it has {size}" if size > max_bytes else None
