"""What the service gave, in the members that clients of earlier systems read: its own ids, and its own severities.

Canonical clients find both in `data`, and in `own_ids`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from carillon.levels import level_of
from carillon.own_ids import own_id

# The member that names what an event of the domain is about.
_ID = {"notification": "notification_id", "alert": "alert_id"}


def as_given(event: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the canonical payload with these; Carillon's id is `carillon_id` then."""
    domain, _, rest = event.partition(":")
    if domain not in _ID:
        return payload
    given: dict[str, Any] = {}
    own_ids = payload.get("own_ids")
    data = payload.get("data")
    if rest == "new" and isinstance(data, dict):
        if domain == "notification":
            own = own_id(data, "notification_id", payload.get("reference"))
            own_ids = [own] if own is not None else None
        if level_of(data.get("severity")) == payload.get("level"):
            given["severity"] = data["severity"]
    if own_ids:
        given |= {"id": own_ids[0], _ID[domain]: own_ids[0], "carillon_id": payload.get("id")}
        if "ids" in payload:
            given["ids"] = own_ids
    if not given:
        return payload
    return {name: value for name, value in payload.items() if name != "own_ids"} | given
