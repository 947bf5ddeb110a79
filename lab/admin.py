"""The lab's own HTTP API: recorded messages, in-app messages of test keys, and faults."""

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
MAX_LIMIT = 10_000
# Seconds that a fault of a whole provider can last.
MAX_FAULT_DURATION = 86_400

_FILTERS = ("channel", "address", "notification_id", "outcome")
_TEXTS = ("user", "tenant", "notification_id", "title", "message", "level", "action")


class Admin:
    """The endpoints for tests and for the lab's page."""

    def __init__(self, journal: Journal, script: Script) -> None:
        self._journal = journal
        self._script = script

    def routes(self) -> list[web.RouteDef]:
        """Return the endpoints."""
        return [
            web.get("/messages", self.messages),
            web.get("/messages/count", self.count),
            web.delete("/messages", self.empty),
            web.post("/screens", self.screens),
            web.get("/faults", self.faults),
            web.post("/faults", self.set_faults),
        ]

    async def messages(self, request: web.Request) -> web.Response:
        """List arrivals after number `after`, or the newest. `next` is the `after` of the next request."""
        _check_parameters(request, *_FILTERS, "after", "limit", "raw")
        limit = _integer(request, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
        after = _integer(request, "after", -1, 0)
        with_raw = _integer(request, "raw", 1, 0, 1) == 1
        wanted = _filter(request)
        found, next_after = (
            self._journal.newest(wanted, limit) if after < 0 else self._journal.after(after, wanted, limit)
        )
        return json_response(
            {
                "messages": [arrival.as_json(with_raw=with_raw) for arrival in found],
                "next": next_after,
                "oldest": self._journal.oldest,
            }
        )

    async def count(self, request: web.Request) -> web.Response:
        """Count arrivals by channel and outcome."""
        _check_parameters(request, *_FILTERS, "after")
        counts = self._journal.count(_filter(request), _integer(request, "after", 0, 0))
        return json_response({"total": sum(sum(kinds.values()) for kinds in counts.values()), "channels": counts})

    async def empty(self, _request: web.Request) -> web.Response:
        """Delete all arrivals and reset the attempt counters of all addresses."""
        self._journal.empty()
        self._script.reset_attempts()
        return web.Response(status=204)

    async def screens(self, request: web.Request) -> web.Response:
        """Record in-app messages that were sent with a test key: all of them, or none if one is malformed."""
        messages = json_object(await request.read()).get("messages")
        if not isinstance(messages, list):
            raise Malformed("messages must be a list")
        arrivals = [_screen(index, message) for index, message in enumerate(messages)]
        for arrival in arrivals:
            self._journal.record(arrival)
        return json_response({"accepted": len(arrivals)})

    async def faults(self, _request: web.Request) -> web.Response:
        """Return the faults of whole providers, and the vocabulary."""
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
                        "attempts": word.attempts,
                        **{provider: _text(getattr(word, provider)) for provider in PROVIDERS},
                    }
                    for word in WORDS
                ],
            }
        )

    async def set_faults(self, request: web.Request) -> web.Response:
        """Set the faults of whole providers. Replaces all that were set before."""
        wanted = json_object(await request.read())
        seconds = wanted.pop("for", None)
        if seconds is not None and not _is_duration(seconds):
            raise Malformed(f"for must be a number of seconds, more than 0 and at most {MAX_FAULT_DURATION}")
        for provider, word in wanted.items():
            if provider not in PROVIDERS:
                raise Malformed(f"unknown provider {provider!r}; must be one of {', '.join(PROVIDERS)}")
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
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= MAX_FAULT_DURATION


def _check_parameters(request: web.Request, *known: str) -> None:
    for name in request.query:
        if name not in known:
            raise Malformed(f"unknown parameter {name!r}; must be one of {', '.join(known)}")


def _integer(request: web.Request, name: str, default: int, minimum: int, maximum: float = math.inf) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 16 and minimum <= int(text) <= maximum):
        bounds = f"of at least {minimum}" if maximum == math.inf else f"from {minimum} to {maximum}"
        raise Malformed(f"{name} must be a whole number {bounds}")
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
            raise Malformed(f"messages[{index}].{name} must be a string")
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
