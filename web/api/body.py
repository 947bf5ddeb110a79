"""Decodes request bodies to JSON that both databases can store."""

from __future__ import annotations

import json
import re
from typing import Any

from flask import request

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
