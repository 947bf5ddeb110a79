"""Carillon's ids as texts."""

from __future__ import annotations

import re
from uuid import UUID

# As they are written everywhere. UUID() reads other spellings too.
UUID_FORM = re.compile("[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def as_uuid(text: str) -> UUID | None:
    """Return the id that the text is, or None for any other text."""
    return UUID(text) if UUID_FORM.fullmatch(text) else None
