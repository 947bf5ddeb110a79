"""/attachments/<token>: files of a directory go in and out here, for whoever has a signed URL."""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Blueprint, Flask, Response, request, send_file
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from werkzeug.exceptions import ClientDisconnected

from actions.attachments import PREVIEW_TYPE, open_file, receive
from actions.problems import Problem, not_found
from storage.base import GENERIC, NotStored, content_disposition
from storage.files import Busy, FileStorage, InvalidTicket, Refused, Ticket
from web.context import context
from web.turns import FILES

# Seconds in which a body must have arrived, in every kind of worker. As long as web/gevent_worker.py gives a file.
PATIENCE = 600.0


def register(app: Flask) -> None:
    """Add the routes."""
    routes = Blueprint("files", __name__, url_prefix=FILES.rstrip("/"))

    @routes.put("/<token>")
    def put_file(token: str) -> Response:
        storage, ticket = _opened(token, "PUT")
        _require_length(ticket)
        try:
            receive(context(), storage, ticket, _reader())
        except Refused as error:
            if error.short:
                raise Problem(400, "incomplete_body", f"{error}: send it again") from error
            raise Problem(
                422, "wrong_hash", f"{error}: nothing was stored; send the file that was announced"
            ) from error
        except Busy as error:
            detail = "the same file is being uploaded at this moment: wait for that, or try again"
            raise Problem(409, "upload_in_progress", detail) from error
        return Response(status=204)

    @routes.get("/<token>")
    def get_file(token: str) -> Response:
        storage, ticket = _opened(token, "GET")
        opened = open_file(context(), ticket)
        try:
            path = storage.path(ticket.key)
        except NotStored as error:
            raise not_found("attachment") from error
        kind = PREVIEW_TYPE if opened.preview else GENERIC
        response = send_file(path, mimetype=kind, conditional=True, etag=ticket.key.rpartition("/")[2])
        shown = "inline" if opened.preview else content_disposition(opened.attachment.name)
        response.headers["Content-Disposition"] = shown
        response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'; frame-ancestors 'none'"
        # Pages of other sites show previews. The URL is the permission.
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        response.headers["Cache-Control"] = "private, no-store"
        return response

    app.register_blueprint(routes)


def _opened(token: str, method: str) -> tuple[FileStorage, Ticket]:
    storage = context().storage
    if not isinstance(storage, FileStorage):
        raise not_found("attachment")
    try:
        ticket = storage.ticket(token, method)
    except InvalidTicket as error:
        raise Problem(
            403, "invalid_url", "the URL was changed, has expired, or is for another method: ask for a new one"
        ) from error
    context().newcomers.discard(request.environ.get("gunicorn.socket"))
    return storage, ticket


def _require_length(ticket: Ticket) -> None:
    length = request.content_length
    if length is None:
        raise Problem(411, "length_required", f"send Content-Length: {ticket.size}, and no chunks")
    if length > ticket.size:
        raise Problem(413, "request_entity_too_large", f"the announced size is {ticket.size} bytes")
    # In place of the bound on JSON, which is smaller than a file.
    request.max_content_length = ticket.size


def _reader() -> Callable[[int], bytes]:
    end = time.monotonic() + PATIENCE

    def read(most: int) -> bytes:
        if time.monotonic() > end:
            raise Problem(408, "request_timeout", f"the body did not arrive within {PATIENCE:g} s: send it again")
        try:
            return request.stream.read(most)
        except (ParseException, ClientDisconnected, OSError) as error:
            raise Problem(400, "incomplete_body", "the body ended early: send it again") from error

    return read
