"""JSON documents that do not change while the process lives: made and compressed once."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import cached_property
from hashlib import sha256
from typing import Any

from flask import Response, json, request


class Document:
    """A document that is made at the first request for it."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def answer(self) -> Response:
        """The document, compressed if the client can read that; 304 if the client has it."""
        response = Response(self._text, mimetype="application/json")
        if request.accept_encodings["gzip"]:
            response = Response(self._zipped, mimetype="application/json")
            response.content_encoding = "gzip"
        response.vary.add("Accept-Encoding")
        response.headers["Cache-Control"] = "no-cache"
        response.set_etag(self._hash + (response.content_encoding or ""))
        response.make_conditional(request)
        return response

    @cached_property
    def _text(self) -> bytes:
        return json.dumps(self._make(), separators=(",", ":")).encode()

    @cached_property
    def _zipped(self) -> bytes:
        return gzip.compress(self._text, mtime=0)

    @cached_property
    def _hash(self) -> str:
        return sha256(self._text).hexdigest()[:32]
