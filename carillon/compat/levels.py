"""The severities of earlier systems, which have other scales, as levels."""

from __future__ import annotations

_LEVELS = {
    **dict.fromkeys(("debug", "low", "notice"), "info"),
    **dict.fromkeys(("medium", "moderate", "warn"), "warning"),
    **dict.fromkeys(("err", "high"), "error"),
    **dict.fromkeys(("emergency", "fatal", "urgent"), "critical"),
}


def level_of(severity: object) -> object:
    """Return the level that a severity of another scale means; anything else unchanged, for validation to judge."""
    if not isinstance(severity, str):
        return severity
    return _LEVELS.get(severity.lower(), severity)
