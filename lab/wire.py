"""What the lab's HTTP endpoints share: strict JSON parsing, JSON and problem (RFC 9457) responses, and hanging up."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web

MAX_DEPTH = 64

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Malformed(ValueError):
    """The request is malformed. The message tells the client why."""


def _reject_constant(name: str) -> Any:
    raise Malformed(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise Malformed("a number is too large")
    return number


# Rejects NaN and infinity, which cannot be encoded as JSON again.
_decoder = json.JSONDecoder(parse_constant=_reject_constant, parse_float=_finite)


def json_object(body: bytes) -> dict[str, Any]:
    """Parse a JSON object that can be encoded as JSON again. Raises Malformed."""
    try:
        value = _decoder.decode(body.decode())
    except Malformed:
        raise
    except UnicodeDecodeError:
        raise Malformed("the body is not UTF-8") from None
    except RecursionError:
        raise Malformed(f"the body is nested more than {MAX_DEPTH} deep") from None
    except ValueError as error:
        raise Malformed(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Malformed("the body must be a JSON object")
    # Without more brackets than MAX_DEPTH it cannot be too deep, so most bodies need no walk.
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and _deeper_than(MAX_DEPTH, value):
        raise Malformed(f"the body is nested more than {MAX_DEPTH} deep")
    return value


def _deeper_than(levels: int, value: Any) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper_than(levels - 1, item) for item in inner)


def json_response(value: Any, status: int = 200) -> web.Response:
    """Return a JSON response that must not be cached."""
    body = json.dumps(value).encode()
    return web.Response(
        body=body, status=status, content_type="application/json", headers={"Cache-Control": "no-store"}
    )


def problem(status: int, detail: str) -> web.Response:
    """Return a problem response (RFC 9457)."""
    value = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return web.Response(body=json.dumps(value).encode(), status=status, content_type="application/problem+json")


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every client error into a problem response."""
    try:
        return await handler(request)
    except Malformed as error:
        return problem(400, str(error))
    except web.RequestPayloadError:
        return await _close_after(request, problem(400, "the body cannot be read: its encoding is wrong"))
    except web.HTTPClientError as error:
        response = problem(error.status, f"{request.method} {request.path}: {error.reason}")
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response


async def _close_after(request: web.Request, response: web.Response) -> web.Response:
    # The end of a broken body is unknown. aiohttp would try to read the rest and log the failure.
    response.force_close()
    await response.prepare(request)
    await response.write_eof()
    request.protocol.force_close()
    return response


def hang_up(request: web.Request) -> web.Response:
    """Close the connection. The returned response is for aiohttp only; the client never gets it."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()
