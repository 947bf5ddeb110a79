"""An outage is a line in the log, and not one for each try."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from config import repeated_records
from config.logging_setup import configure_logging
from config.repeated_records import RepeatHandler
from tests.databases import ROOT
from tests.waiting import eventually

log = logging.getLogger("celery.worker.consumer.consumer")


class Log(io.StringIO):
    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def written(monkeypatch) -> Iterator[Log]:
    """What this process writes, with a window that ends soon."""
    stream = Log()
    before = logging.getLogger().handlers[:]
    monkeypatch.setattr("sys.stderr", stream)
    configure_logging("INFO")
    [handler] = logging.getLogger().handlers
    monkeypatch.setattr(handler, "_window", 0.5)
    yield stream
    logging.basicConfig(handlers=before, force=True)


def fail(number: int) -> None:
    log.error(
        "consumer: Cannot connect to %s: %s.\n%s\n", "redis://", "refused", f"Trying again in {number} seconds..."
    )


def test_the_first_of_a_burst_is_written_at_once_and_the_others_as_one(written):
    for number in range(5):
        fail(number)
    assert ["repeated" in line for line in written.lines] == [False]
    eventually(lambda: len(written.lines) == 2)
    assert written.lines[1]["repeated"] == 4
    assert written.lines[1]["level"] == "ERROR"
    assert "Trying again in 4 seconds" in written.lines[1]["message"]
    # It goes on, and is one line for each window.
    fail(5)
    fail(6)
    eventually(lambda: len(written.lines) == 3)
    assert written.lines[2]["repeated"] == 2


def test_a_record_after_a_quiet_window_is_written_at_once(written):
    fail(0)
    time.sleep(0.6)
    fail(1)
    assert ["repeated" in line for line in written.lines] == [False, False]


def test_no_other_record_is_lost_or_late(written):
    fail(0)
    fail(1)
    others = [
        (logging.INFO, "request", {}),
        (logging.INFO, "request", {}),
        (logging.WARNING, "not sent", {"delivery": 1}),
        (logging.WARNING, "not sent", {"delivery": 2}),
        (logging.ERROR, "not sent", {"delivery": 2}),
        (logging.WARNING, "database unavailable", {"error": "OperationalError", "request_id": "a"}),
    ]
    for level, message, fields in others:
        log.log(level, message, extra=fields)
        line = written.lines[-1]
        assert (line["level"], line["message"]) == (logging.getLevelName(level), message)
        assert fields.items() <= line.items()
    log.warning("database unavailable", extra={"error": "OperationalError", "request_id": "b"})
    for expression in ("1 / 0", "[][0]", "[][1]"):
        try:
            exec(compile(expression, f"<{expression}>", "exec"))
        except (ZeroDivisionError, IndexError):
            log.exception("unhandled")
    assert len(written.lines) == 1 + len(others) + 3


def test_what_was_counted_is_written_at_the_end(written):
    fail(0)
    fail(1)
    logging.getLogger().handlers[0].close()
    assert [line.get("repeated") for line in written.lines] == [None, 1]


def test_a_callback_of_gevent_can_log():
    program = """
import gevent.monkey; gevent.monkey.patch_all()
import gevent, logging
from config.logging_setup import configure_logging
configure_logging("INFO")
logging.getLogger().handlers[0]._window = 0.2
for _ in range(3):
    gevent.get_hub().loop.run_callback(lambda: logging.warning("full"))
gevent.sleep(1)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert [json.loads(line).get("repeated") for line in done.stderr.splitlines()] == [None, 2]


def test_the_number_of_kinds_is_bounded(monkeypatch):
    monkeypatch.setattr(repeated_records, "_MAX_KINDS", 3)
    handler = RepeatHandler(io.StringIO())
    handler.setFormatter(logging.Formatter("%(message)s"))
    for number in (0, 0, 1, 2, 3, 4):
        handler.handle(logging.makeLogRecord({"levelno": logging.ERROR, "msg": str(number)}))
    assert handler.stream.getvalue().split() == ["0", "1", "2", "0", "3", "4"]
    assert len(handler._kinds) == 3
