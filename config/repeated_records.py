"""Repeated log records are written once with their number, so that an outage does not fill the log."""

from __future__ import annotations

import _thread
import logging
import os
import time
from collections.abc import Hashable
from copy import copy
from dataclasses import dataclass
from typing import Any, TextIO

# Seconds for which repetitions are counted. Longer than Celery's longest pause between two tries (32 s).
WINDOW = 60.0

# Kinds of records that are known at a time; the oldest is forgotten, and its next record is written at once.
_MAX_KINDS = 1000

_OF_LOGGING = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
# Two requests that fail for the same reason differ in these.
_OF_ONE_REQUEST = frozenset({"request_id", "session"})


@dataclass
class _Kind:
    """Records of one kind, since the last one that was written."""

    until: float
    repeats: int = 0
    last: logging.LogRecord | None = None


class RepeatHandler(logging.StreamHandler[TextIO]):
    """Writes a warning or an error at once, and its repetitions within `window` seconds as one record.

    That is the last of them, with their number in the field `repeated`. A repetition has the same logger, level, fields
    and message (before its arguments are filled in), and an exception from the same line. Everything else is written at
    once.
    """

    def __init__(self, stream: TextIO, window: float = WINDOW) -> None:
        super().__init__(stream)
        self._window = window
        self._kinds: dict[Hashable, _Kind] = {}
        # No timer survives a fork, and the parent writes what it has counted.
        os.register_at_fork(after_in_child=self._kinds.clear)

    def emit(self, record: logging.LogRecord) -> None:
        """Write or count a record. Called with the handler's lock held."""
        if record.levelno < logging.WARNING:
            super().emit(record)
            return
        key, now = _key(record), time.monotonic()
        kind = self._kinds.get(key)
        if kind is None or (now >= kind.until and not kind.repeats):
            self._kinds.pop(key, None)
            if len(self._kinds) >= _MAX_KINDS:
                self._write_repeats(self._kinds.pop(next(iter(self._kinds))))
            self._kinds[key] = _Kind(now + self._window)
            super().emit(record)
            return
        kind.repeats += 1
        kind.last = record
        if kind.repeats == 1:
            try:
                # threading.Timer waits for its thread to begin, which callbacks of gevent must not.
                _thread.start_new_thread(self._write_later, (kind, max(kind.until - now, 0)))
            except RuntimeError:
                # No thread can be started: the process is about to end.
                self._write_repeats(kind)

    def close(self) -> None:
        """Write what has been counted. Called at the end of the process."""
        for kind in list(self._kinds.values()):
            self._write_repeats(kind)
        super().close()

    def _write_later(self, kind: _Kind, seconds: float) -> None:
        time.sleep(seconds)
        self._write_repeats(kind)

    def _write_repeats(self, kind: _Kind) -> None:
        self.acquire()
        try:
            if kind.last is None:
                return
            record: Any = copy(kind.last)
            record.repeated = kind.repeats
            kind.last, kind.repeats, kind.until = None, 0, time.monotonic() + self._window
            super().emit(record)
        finally:
            self.release()


def _key(record: logging.LogRecord) -> Hashable:
    fields = tuple(
        (name, str(value))
        for name, value in vars(record).items()
        if name not in _OF_LOGGING and name not in _OF_ONE_REQUEST
    )
    return record.name, record.levelno, str(record.msg), fields, _raised_at(record)


def _raised_at(record: logging.LogRecord) -> Hashable:
    """The class of the record's exception, and the line that raised it."""
    if not record.exc_info or record.exc_info[0] is None:
        return None
    trace = record.exc_info[2]
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return record.exc_info[0], trace and (trace.tb_frame.f_code.co_filename, trace.tb_lineno)
