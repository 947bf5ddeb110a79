"""What the payload of an event may be: JSON that both databases keep as it is and every client reads as it was."""

from __future__ import annotations

import json
import re
from typing import Any

# Bytes as UTF-8, and levels of nesting.
MAX_BYTES = 8 * 1024
MAX_DEPTH = 16

# JavaScript, and so most clients, count exactly up to here.
LARGEST_NUMBER = 2**53

# PostgreSQL keeps neither NUL nor half a surrogate pair in a text; SQLite does, and would hide the fault.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def fault_of(data: Any, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> str | None:
    """What is wrong with a payload, in a few words, or None."""
    if not isinstance(data, dict):
        return "must be an object"
    # A stack and not recursion: the depth is the caller's choice.
    stack: list[tuple[Any, int]] = [(data, 1)]
    while stack:
        value, depth = stack.pop()
        if isinstance(value, dict | list):
            if depth > max_depth:
                return f"must be nested at most {max_depth} levels deep"
            stack += [(item, depth + 1) for item in (value.values() if isinstance(value, dict) else value)]
            # Any other key would come back as a text.
            stack += [(_Key(key), depth) for key in value] if isinstance(value, dict) else []
        elif (fault := _scalar_fault(value)) is not None:
            return fault
    size = len(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())
    return f"must not exceed {max_bytes} bytes as JSON; it has {size}" if size > max_bytes else None


class _Key:
    """The name of a member, to be told from a text that is a value."""

    def __init__(self, name: Any) -> None:
        self.name = name


def _scalar_fault(value: Any) -> str | None:
    if isinstance(value, _Key):
        value = value.name
        if not isinstance(value, str):
            return f"the names of members must be texts, not {type(value).__name__}"
    if isinstance(value, str):
        return "must not contain NUL or half of a surrogate pair" if _UNSTORABLE.search(value) else None
    if value is None or isinstance(value, bool):
        return None
    if not isinstance(value, int | float):
        return f"{type(value).__name__} is not JSON: send it as a text"
    # A comparison with NaN is false, hence "not within" and not "beyond".
    if not -LARGEST_NUMBER <= value <= LARGEST_NUMBER:
        return "numbers must be finite and lie within 2**53 of zero: send larger ones as texts"
    return None
