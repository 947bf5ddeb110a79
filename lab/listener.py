"""A Socket.IO client like an open page: it shows each notification once and in order, and acknowledges it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import socketio

# Seconds to wait for a connection or an answer. Many clients that connect at once are slow on a busy machine.
TIMEOUT = 30.0


class Listener:
    """One connection of one user. `shown` holds the ids of notifications in the order they were shown."""

    def __init__(self, token: str) -> None:
        self.shown: list[str] = []
        self.shown_at: dict[str, float] = {}
        self.acknowledged: set[str] = set()
        self._token = token
        self._ready = asyncio.Event()
        self._positions: dict[str, int] = {}
        # Events that arrived before an earlier one, by room and seq. None is an event with nothing to show.
        self._early: dict[str, dict[int, str | None]] = {}
        self._client = socketio.AsyncClient(reconnection=True)
        self._client.on("session:ready", self._on_ready)
        self._client.on("notification:new", self._on_notification)
        self._client.on("event:skipped", self._on_skipped)

    async def connect(self, url: str) -> None:
        """Connect, and wait until the replay is complete."""
        await self._client.connect(url, auth={"token": self._token}, transports=["websocket"], wait_timeout=TIMEOUT)
        await asyncio.wait_for(self._ready.wait(), TIMEOUT)

    async def close(self) -> None:
        """Disconnect."""
        await self._client.disconnect()

    async def _on_ready(self, position: dict[str, Any]) -> None:
        self._positions = dict(position["positions"])
        self._ready.set()

    async def _on_notification(self, event: dict[str, Any]) -> None:
        await self._receive(event["room"], {event["seq"]: event["id"]})

    async def _on_skipped(self, event: dict[str, Any]) -> None:
        await self._receive(event["room"], dict.fromkeys(range(event["from"], event["seq"] + 1)))

    async def _receive(self, room: str, arrived: dict[int, str | None]) -> None:
        position = self._positions.get(room, 0)
        early = self._early.setdefault(room, {})
        # A seq at or before the position is a duplicate.
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
            answer = await self._client.call("notification:ack", {"ids": fresh}, timeout=TIMEOUT)
            if answer.get("ok"):
                self.acknowledged |= set(fresh)
