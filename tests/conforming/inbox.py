"""A client's own inbox: every event may be applied twice, or on a state that is newer than the event."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Kept:
    """What the client knows of one item."""

    seen: bool = False
    read: bool = False


class Inbox:
    """Items by id."""

    def __init__(self, items: Iterable[dict[str, Any]] = ()) -> None:
        self.items = {item["id"]: Kept(item["seen_at"] is not None, item["read"]) for item in items}

    def counts(self) -> dict[str, int]:
        """As the server counts them."""
        kept = self.items.values()
        unread = [item for item in kept if not item.read]
        return {"unread": len(unread), "unseen": sum(not item.seen for item in unread), "total": len(kept)}

    def apply(self, name: str, payload: dict[str, Any]) -> None:
        """What the event says of items; other events say nothing of them."""
        if name == "notification:new":
            self.items.setdefault(payload["id"], Kept())
        elif name == "notification:deleted":
            for id_ in self._meant(payload):
                del self.items[id_]
        elif name in ("notification:seen", "notification:read", "notification:read_all", "notification:unread"):
            for id_ in self._meant(payload):
                item = self.items[id_]
                item.seen = True
                if name != "notification:seen":
                    item.read = name != "notification:unread"

    def _meant(self, payload: dict[str, Any]) -> list[str]:
        # All of them up to one, or some by their ids. The ids sort by time.
        up_to = payload.get("up_to")
        if up_to is not None:
            return [id_ for id_ in self.items if id_ <= up_to]
        return [id_ for id_ in payload.get("ids", [payload.get("id")]) if id_ in self.items]
