"""A screen: a Socket.IO client that takes events in order and once, and acknowledges what it has shown."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import socketio

# A crowd that connects all at once takes its time on a busy machine.
PATIENCE = 30.0


class Listener:
    """One connection of one user. `shown` holds the ids of notifications in the order in which they were shown."""

    def __init__(self, token: str) -> None:
        self.shown: list[str] = []
        self.shown_at: dict[str, float] = {}
        self.acknowledged: set[str] = set()
        self._token = token
        self._ready = asyncio.Event()
        self._positions: dict[str, int] = {}
        # What came before something that is still missing, by room and number; None stands for nothing to show.
        self._early: dict[str, dict[int, str | None]] = {}
        self._client = socketio.AsyncClient(reconnection=True)
        self._client.on("session:ready", self._begin)
        self._client.on("notification:new", self._new)
        self._client.on("event:skipped", self._skipped)

    async def connect(self, url: str) -> None:
        """Connect, and wait until everything missed before has come."""
        await self._client.connect(url, auth={"token": self._token}, transports=["websocket"], wait_timeout=PATIENCE)
        await asyncio.wait_for(self._ready.wait(), PATIENCE)

    async def close(self) -> None:
        """Leave."""
        await self._client.disconnect()

    async def _begin(self, position: dict[str, Any]) -> None:
        self._positions = dict(position["positions"])
        self._ready.set()

    async def _new(self, event: dict[str, Any]) -> None:
        await self._take(event["room"], {event["seq"]: event["id"]})

    async def _skipped(self, event: dict[str, Any]) -> None:
        await self._take(event["room"], dict.fromkeys(range(event["from"], event["seq"] + 1)))

    async def _take(self, room: str, arrived: dict[int, str | None]) -> None:
        position = self._positions.get(room, 0)
        early = self._early.setdefault(room, {})
        # A number that was there before is a repetition.
        early |= {seq: id_ for seq, id_ in arrived.items() if seq > position}
        fresh: list[str] = []
        while position + 1 in early:
            position += 1
            if (id_ := early.pop(position)) is not None:
                fresh.append(id_)
        self._positions[room] = position
        if fresh:
            self.shown += fresh
            self.shown_at |= dict.fromkeys(fresh, time.monotonic())
            answer = await self._client.call("notification:ack", {"ids": fresh}, timeout=PATIENCE)
            if answer.get("ok"):
                self.acknowledged |= set(fresh)
