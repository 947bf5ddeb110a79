"""The lab's own HTTP interface: the journal, the screens of test keys, the faults."""

from __future__ import annotations

import json
import math
from typing import Any

from aiohttp import web

from lab.faults import PROVIDERS, VOCABULARY, WORDS
from lab.journal import CHANNELS, OUTCOMES, Arrival, Filter, Journal
from lab.script import Script, UnknownFault
from lab.wire import Malformed, json_object, json_response

DEFAULT_LIMIT = 200
HIGHEST_LIMIT = 10_000
LONGEST_FAULT = 86_400

_FILTERS = ("channel", "address", "notification_id", "outcome")
_TEXTS = ("user", "tenant", "notification_id", "title", "message", "level", "action")


class Admin:
    """What tests and people ask of the lab."""

    def __init__(self, journal: Journal, script: Script) -> None:
        self._journal = journal
        self._script = script

    def routes(self) -> list[web.RouteDef]:
        """The endpoints."""
        return [
            web.get("/messages", self.messages),
            web.get("/messages/count", self.count),
            web.delete("/messages", self.empty),
            web.post("/screens", self.screens),
            web.get("/faults", self.faults),
            web.post("/faults", self.set_faults),
        ]

    async def messages(self, request: web.Request) -> web.Response:
        """Arrivals after number `after`, or the newest; `next` is the `after` of the next call."""
        _only(request, *_FILTERS, "after", "limit", "raw")
        limit = _integer(request, "limit", DEFAULT_LIMIT, 1, HIGHEST_LIMIT)
        after = _integer(request, "after", -1, 0)
        whole = _integer(request, "raw", 1, 0, 1) == 1
        wanted = _filter(request)
        found, following = (
            self._journal.newest(wanted, limit) if after < 0 else self._journal.after(after, wanted, limit)
        )
        return json_response(
            {
                "messages": [arrival.as_json(whole=whole) for arrival in found],
                "next": following,
                "oldest": self._journal.oldest,
            }
        )

    async def count(self, request: web.Request) -> web.Response:
        """How many arrivals, by channel and outcome."""
        _only(request, *_FILTERS, "after")
        counts = self._journal.count(_filter(request), _integer(request, "after", 0, 0))
        return json_response({"total": sum(sum(kinds.values()) for kinds in counts.values()), "channels": counts})

    async def empty(self, _request: web.Request) -> web.Response:
        """Forget what arrived, and how often each address was tried."""
        self._journal.empty()
        self._script.forget_attempts()
        return web.Response(status=204)

    async def screens(self, request: web.Request) -> web.Response:
        """In-app messages made with a test key: all are recorded, or none."""
        messages = json_object(await request.read()).get("messages")
        if not isinstance(messages, list):
            raise Malformed("messages must be a list")
        arrivals = [_screen(index, message) for index, message in enumerate(messages)]
        for arrival in arrivals:
            self._journal.record(arrival)
        return json_response({"accepted": len(arrivals)})

    async def faults(self, _request: web.Request) -> web.Response:
        """The faults set for whole providers, and the vocabulary."""
        active, seconds = self._script.active()
        return json_response(
            {
                "active": active,
                "seconds_left": None if seconds is None else round(seconds, 1),
                "vocabulary": [
                    {
                        "word": word.name,
                        "meaning": word.meaning,
                        "number": word.number,
                        "attempts": word.first,
                        **{provider: _text(getattr(word, provider)) for provider in PROVIDERS},
                    }
                    for word in WORDS
                ],
            }
        )

    async def set_faults(self, request: web.Request) -> web.Response:
        """Set the faults of whole providers, in place of all that were set before."""
        wanted = json_object(await request.read())
        seconds = wanted.pop("for", None)
        if seconds is not None and not _is_duration(seconds):
            raise Malformed(f"for must be a number of seconds, more than 0 and at most {LONGEST_FAULT}")
        for provider, word in wanted.items():
            if provider not in PROVIDERS:
                raise Malformed(f"{provider!r} is no provider; there are {', '.join(PROVIDERS)}")
            if not isinstance(word, str):
                raise Malformed(f"{provider} must be one of the words {', '.join(VOCABULARY)}")
        try:
            self._script.set(wanted, seconds)
        except UnknownFault as error:
            raise Malformed(str(error)) from None
        return await self.faults(request)


def _text(effect: object) -> str | None:
    return None if effect is None else str(effect)


def _is_duration(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= LONGEST_FAULT


def _only(request: web.Request, *names: str) -> None:
    for name in request.query:
        if name not in names:
            raise Malformed(f"unknown parameter {name!r}; there are {', '.join(names)}")


def _integer(request: web.Request, name: str, default: int, lowest: int, highest: float = math.inf) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 16 and lowest <= int(text) <= highest):
        bound = "" if highest == math.inf else f" to {highest}"
        raise Malformed(f"{name} must be a whole number from {lowest}{bound}")
    return int(text)


def _filter(request: web.Request) -> Filter:
    for name, known in (("channel", CHANNELS), ("outcome", OUTCOMES)):
        if request.query.get(name, known[0]) not in known:
            raise Malformed(f"{name} must be one of {', '.join(known)}")
    return Filter(**{name: request.query.get(name) for name in _FILTERS})


def _screen(index: int, message: Any) -> Arrival:
    if not isinstance(message, dict):
        raise Malformed(f"messages[{index}] must be an object")
    for name in ("user", "notification_id"):
        if not message.get(name):
            raise Malformed(f"messages[{index}].{name} is missing")
    for name in _TEXTS:
        if not isinstance(message.get(name), str | None):
            raise Malformed(f"messages[{index}].{name} must be a text")
    action = message.get("action") or "show"
    if action not in ("show", "withdraw"):
        raise Malformed(f"messages[{index}].action must be show or withdraw")
    return Arrival(
        "in_app",
        message["user"],
        "accepted",
        200,
        notification_id=message["notification_id"],
        title=message.get("title"),
        body=message.get("message"),
        action=action,
        raw=message,
        size=len(json.dumps(message)),
    )
