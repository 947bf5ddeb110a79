"""Which other sites' pages may call: those of the settings, and in development those that a developer has open."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Self

from config.settings import Settings

# Development servers use many ports, and the origin of a page that was opened as a file is "null".
_DEVELOPMENT = re.compile(r"https?://(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?|null")


class AllowedOrigins:
    """The origins whose pages may call the HTTP API and connect to the socket, with a token of their own.

    `named` holds those of the settings alone. Only they may use a cookie.
    """

    def __init__(self, named: Sequence[str], *, development: bool) -> None:
        self.named = frozenset(named) - {"*"}
        self._every = "*" in named
        self._development = development

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return what the settings allow."""
        return cls(settings.cors_origins, development=settings.env == "development")

    def __contains__(self, origin: str) -> bool:
        if self._every or origin in self.named:
            return True
        return self._development and _DEVELOPMENT.fullmatch(origin) is not None
