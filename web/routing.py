"""Routing by the path as the client sent it, so that an id can contain any character.

WSGI servers decode the path before the application sees it, which makes a slash in an id look like one between two
parts. Here `%2F` is a part of the id, and `/` is not.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from flask import Request
from flask_openapi3.openapi import OpenAPI
from werkzeug.routing import MapAdapter, PathConverter, UnicodeConverter

# A client may encode these, and it means nothing (RFC 3986 §2.3).
_UNRESERVED = re.compile("%(2[DE]|3[0-9]|4[1-9A-F]|5[0-9AF]|6[1-9A-F]|7[0-9AE])", re.IGNORECASE)


class _Encoded:
    """Decodes what a rule has matched."""

    def to_python(self, value: str) -> str:
        # What is not UTF-8 becomes U+FFFD, which is not valid in an id.
        return unquote(value)

    def to_url(self, value: Any) -> str:
        return quote(str(value), safe="")


class _Part(_Encoded, UnicodeConverter):
    """One part of a path."""


class _Rest(_Encoded, PathConverter):
    """The rest of a path."""


class App(OpenAPI):
    """A Flask application that routes by the encoded path, and whose OpenAPI document generators can compile."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.url_map.converters |= {"default": _Part, "string": _Part, "path": _Rest}

    @property
    def api_doc(self) -> dict[str, Any]:
        """The OpenAPI document.

        pydantic writes `default: null` for each member that can be left out, which generators take for a value to send.
        """
        if not self.spec_json:
            _drop_null_defaults(super().api_doc)
        document: dict[str, Any] = self.spec_json
        return document

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Called by Flask for each request."""
        adapter = super().create_url_adapter(request)
        if adapter is not None and request is not None:
            adapter.path_info = encoded_path(request.environ)
        return adapter


def _drop_null_defaults(node: Any) -> None:
    if isinstance(node, dict):
        if "default" in node and node["default"] is None:
            del node["default"]
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            _drop_null_defaults(inner)


def encoded_path(environ: dict[str, Any]) -> str:
    """The path of a request as the client encoded it, without encodings that mean nothing."""
    uri: str = environ.get("RAW_URI") or quote(environ["PATH_INFO"], encoding="latin-1")
    # A proxy is sent the whole URI.
    path = uri.partition("?")[0] if uri.startswith("/") else urlsplit(uri).path
    path = path.removeprefix(environ.get("SCRIPT_NAME", ""))
    return _UNRESERVED.sub(lambda encoded: unquote(encoded.group()), path)
