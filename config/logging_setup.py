"""Structured logs: one JSON object a line, with fields and not with formatted text."""

from __future__ import annotations

import logging
import sys

from pythonjsonlogger.json import JsonFormatter

from config.repeated_records import RepeatHandler


def configure_logging(level: str) -> None:
    """Send every log record of this process to standard error as JSON. Repeated warnings and errors are counted."""
    handler = RepeatHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(
            "{asctime}{levelname}{name}{message}",
            style="{",
            rename_fields={"asctime": "at", "levelname": "level", "name": "logger"},
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # The libraries' chatter about each connection is for debugging them, not us.
    for noisy in ("urllib3", "httpx", "httpcore", "google.auth", "kombu", "amqp", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
