"""The ids that services have for what they send, as they stand in `data`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def own_id(data: Mapping[str, Any], name: str, indexed: str | None) -> str | int | None:
    """Return the member `name` of the data, if the service gave it as its own id; else None.

    `indexed` is that id as a text, by which it is found in the database. The data keeps a number as a number, and can
    have a member of that name without being an id.
    """
    own = data.get(name)
    if not isinstance(own, str | int) or isinstance(own, bool):
        return None
    return own if str(own) == indexed else None
