"""Routing by the path as the client sent it, so that an id can contain any character.

WSGI servers decode the path before the application sees it, which makes a slash in an id look like one between two
parts. Here `%2F` is a part of the id, and `/` is not.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from werkzeug.routing import BaseConverter, PathConverter, UnicodeConverter

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


CONVERTERS: dict[str, type[BaseConverter]] = {"default": _Part, "string": _Part, "path": _Rest}


def encoded_path(environ: dict[str, Any]) -> str:
    """The path of a request as the client encoded it, without encodings that mean nothing."""
    uri: str = environ.get("RAW_URI") or quote(environ["PATH_INFO"], encoding="latin-1")
    # A proxy is sent the whole URI.
    path = uri.partition("?")[0] if uri.startswith("/") else urlsplit(uri).path
    path = path.removeprefix(environ.get("SCRIPT_NAME", ""))
    return _UNRESERVED.sub(lambda encoded: unquote(encoded.group()), path)
