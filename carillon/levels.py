"""The levels, and the severities of other scales that mean them: the one table of all doors."""

from __future__ import annotations

from typing import Literal, get_args

Level = Literal["info", "success", "warning", "error", "critical"]

# Scales in four steps, syslog's (RFC 5424), those of logging libraries and of style sheets.
LEVELS: dict[str, Level] = {
    "info": "info",
    "success": "success",
    "warning": "warning",
    "error": "error",
    "critical": "critical",
    **dict.fromkeys(("debug", "informational", "low", "notice"), "info"),
    **dict.fromkeys(("medium", "moderate", "warn"), "warning"),
    **dict.fromkeys(("danger", "err", "high"), "error"),
    **dict.fromkeys(("alert", "crit", "emerg", "emergency", "fatal", "panic", "urgent"), "critical"),
}


def level_of(severity: object) -> Level | None:
    """Return the level that a severity means, in upper or lower case; None for anything else."""
    return LEVELS.get(severity.lower()) if isinstance(severity, str) else None


def is_level(type_: object) -> bool:
    """Whether the type of a notification in an earlier system is a level. Other severities are names of types too."""
    return type_ == "warn" or type_ in get_args(Level)
