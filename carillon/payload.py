"""The rule for JSON payloads: both databases store them unchanged and every client reads them unchanged."""

from __future__ import annotations

import json
import re
from typing import Any

# Bytes of UTF-8 JSON: the `data` of a notification or an alert, and the payload of an event.
MAX_DATA_BYTES = 3 * 1024
MAX_EVENT_BYTES = 8 * 1024
# Levels of nesting; the object itself is the first.
MAX_DEPTH = 16
# JavaScript, and with it most clients, represents every integer exactly up to here.
MAX_NUMBER = 2**53

# PostgreSQL stores neither NUL nor an unpaired surrogate in a text. SQLite does, which would hide the error.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def payload_error(data: Any, max_bytes: int = MAX_EVENT_BYTES, max_depth: int = MAX_DEPTH) -> str | None:
    """Return what is wrong with a payload, as the rest of a sentence that begins with its name, or None.

    `max_bytes` bounds the compact UTF-8 JSON, `max_depth` the levels of nesting. Never raises, whatever `data` is.
    """
    if not isinstance(data, dict):
        return "must be an object"
    # A stack instead of recursion: the caller chooses the depth.
    stack: list[tuple[Any, int]] = [(data, 1)]
    while stack:
        value, depth = stack.pop()
        if not isinstance(value, dict | list):
            error = _scalar_error(value)
        elif depth > max_depth:
            error = f"must be nested at most {max_depth} levels deep"
        else:
            error = _names_error(value) if isinstance(value, dict) else None
            stack += [(item, depth + 1) for item in (value.values() if isinstance(value, dict) else value)]
        if error is not None:
            return error
    size = len(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())
    return f"must not exceed {max_bytes} bytes as JSON; it has {size}" if size > max_bytes else None


def is_storable(text: str) -> bool:
    """Whether both databases can store the text: no NUL, no unpaired surrogate."""
    return _UNSTORABLE.search(text) is None


def _names_error(members: dict[Any, Any]) -> str | None:
    for name in members:
        # JSON would turn any other key into a string.
        if not isinstance(name, str):
            return f"the names of members must be strings, not {type(name).__name__}"
        if not is_storable(name):
            return _scalar_error(name)
    return None


def _scalar_error(value: Any) -> str | None:
    if isinstance(value, str):
        return None if is_storable(value) else "must not contain NUL or half of a surrogate pair"
    if value is None or isinstance(value, bool):
        return None
    if not isinstance(value, int | float):
        return f"{type(value).__name__} is not JSON: send it as a string"
    # Written this way round because every comparison with NaN is false.
    if not -MAX_NUMBER <= value <= MAX_NUMBER:
        return "numbers must be finite and lie within 2**53 of zero: send larger ones as strings"
    return None
