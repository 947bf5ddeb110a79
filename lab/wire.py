"""What the lab's HTTP endpoints share: strict JSON in, JSON or a problem (RFC 9457) out, hanging up."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web

DEEPEST = 64

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Malformed(ValueError):
    """The request is not what the endpoint takes; the message tells the caller why."""


def _no_constant(name: str) -> Any:
    raise Malformed(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise Malformed("a number is too large")
    return number


# What these would let in could not be written out as JSON again.
_decoder = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`, which can be written as JSON again. Raises Malformed."""
    try:
        value = _decoder.decode(body.decode())
    except Malformed:
        raise
    except UnicodeDecodeError:
        raise Malformed("the body is not UTF-8") from None
    except RecursionError:
        raise Malformed(f"the body is nested more than {DEEPEST} deep") from None
    except ValueError as error:
        raise Malformed(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Malformed("the body must be a JSON object")
    # With fewer brackets than that it cannot be too deep: no walk for the ordinary message.
    if body.count(b"{") + body.count(b"[") > DEEPEST and _deeper_than(DEEPEST, value):
        raise Malformed(f"the body is nested more than {DEEPEST} deep")
    return value


def _deeper_than(levels: int, value: Any) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper_than(levels - 1, item) for item in inner)


def json_response(value: Any, status: int = 200) -> web.Response:
    """`value` as JSON, not to be cached."""
    body = json.dumps(value).encode()
    return web.Response(
        body=body, status=status, content_type="application/json", headers={"Cache-Control": "no-store"}
    )


def problem(status: int, detail: str) -> web.Response:
    """An RFC 9457 problem."""
    value = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return web.Response(body=json.dumps(value).encode(), status=status, content_type="application/problem+json")


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every refusal as a problem."""
    try:
        return await handler(request)
    except Malformed as error:
        return problem(400, str(error))
    except web.RequestPayloadError:
        return await _last(request, problem(400, "the body cannot be read: its encoding is wrong"))
    except web.HTTPClientError as error:
        response = problem(error.status, f"{request.method} {request.path}: {error.reason}")
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response


async def _last(request: web.Request, response: web.Response) -> web.Response:
    # Where the broken body ends nobody knows. aiohttp would try to read the rest of it and log the failure.
    response.force_close()
    await response.prepare(request)
    await response.write_eof()
    request.protocol.force_close()
    return response


def hang_up(request: web.Request) -> web.Response:
    """End the connection. What is returned satisfies aiohttp; the client never sees it."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()
