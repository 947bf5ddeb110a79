"""Processes that run together end together, whatever ends first."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from family import end, family_of, left_of

from tests.databases import ROOT

RUN = """
import sys
from lab.processes import Printer, Processes
printer = Printer()
together = Processes(printer, lambda: printer.say("up"))
for number, line in enumerate(sys.argv[1:]):
    together.add_process(f"p{number}", line)
together.loop()
sys.exit(0 if together.asked else 1)
"""
QUIET = "exec sleep 600"
STUBBORN = "trap '' TERM; while true; do sleep 0.1; done"


@contextmanager
def running(*lines: str) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """The processes, and all they have started."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, *lines], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    family: list[psutil.Process] = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "up\n":
                break
        # One that carries the line, and one that runs it, for each.
        limit = time.monotonic() + 10
        while len(family := family_of(process.pid)) < 2 * len(lines):
            assert time.monotonic() < limit
            time.sleep(0.02)
        yield process, family
    finally:
        end(family)
        process.kill()
        process.communicate(timeout=10)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all(number: signal.Signals):
    with running(QUIET, QUIET, "while true; do echo tick; sleep 0.1; done") as (process, family):
        process.send_signal(number)
        assert process.wait(timeout=5) == 0
        assert left_of(family) == []


def test_the_end_of_one_is_the_end_of_all():
    with running(QUIET, QUIET) as (process, family):
        next(child for child in family if child.name() == "sleep").kill()
        assert process.wait(timeout=5) == 1
        assert left_of(family) == []


@pytest.mark.slow
def test_one_that_does_not_listen_is_killed():
    with running(QUIET, STUBBORN) as (process, family):
        process.terminate()
        assert process.wait(timeout=10) == 0
        assert left_of(family) == []


@pytest.mark.slow
def test_none_outlives_a_launcher_that_was_killed():
    with running(QUIET, STUBBORN) as (process, family):
        process.kill()
        process.wait()
        assert left_of(family, 15) == []
