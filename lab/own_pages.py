"""Only the lab's own page can use the lab from a browser."""

from __future__ import annotations

import ipaddress

from aiohttp import web

from lab.wire import Handler, problem


@web.middleware
async def own_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 403 to what a page of another site sends: messages are readable here without a password.

    Such a page names its own origin. If its host name has been pointed at this machine, it names that host (DNS
    rebinding), so the host must be an address or a name of this network, which has no dot.
    """
    if not _is_near(request.url.host or ""):
        return problem(403, "open the lab by its IP address, as localhost, or by a name without a dot")
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"{request.scheme}://{request.host}":
        return problem(403, f"pages of {origin} cannot use the lab")
    return await handler(request)


def _is_near(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." not in host
    return True
