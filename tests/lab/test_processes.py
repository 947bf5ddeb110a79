"""Processes that run together end together, whichever ends first."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from process_tree import descendants_of, kill, still_running

from tests.databases import ROOT

RUN = """
import sys
from lab.processes import Printer, Processes
printer = Printer()
processes = Processes(printer, lambda: printer.say("up"))
for number, line in enumerate(sys.argv[1:]):
    processes.add_process(f"p{number}", line)
processes.loop()
sys.exit(0 if processes.stopped_by_signal else 1)
"""
QUIET = "exec sleep 600"
STUBBORN = "trap '' TERM; while true; do sleep 0.1; done"


@contextmanager
def running(*lines: str) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """Run the commands. Yields the launcher and all its descendants."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, *lines], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    descendants: list[psutil.Process] = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "up\n":
                break
        # Each command has two processes: honcho's and the command itself.
        limit = time.monotonic() + 10
        while len(descendants := descendants_of(process.pid)) < 2 * len(lines):
            assert time.monotonic() < limit
            time.sleep(0.02)
        yield process, descendants
    finally:
        kill(descendants)
        process.kill()
        process.communicate(timeout=10)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_processes(number: signal.Signals):
    with running(QUIET, QUIET, "while true; do echo tick; sleep 0.1; done") as (process, descendants):
        process.send_signal(number)
        assert process.wait(timeout=5) == 0
        assert still_running(descendants) == []


def test_when_one_process_ends_all_end():
    with running(QUIET, QUIET) as (process, descendants):
        next(child for child in descendants if child.name() == "sleep").kill()
        assert process.wait(timeout=5) == 1
        assert still_running(descendants) == []


@pytest.mark.slow
def test_a_process_that_ignores_sigterm_is_killed():
    with running(QUIET, STUBBORN) as (process, descendants):
        process.terminate()
        assert process.wait(timeout=10) == 0
        assert still_running(descendants) == []


@pytest.mark.slow
def test_no_process_outlives_a_killed_launcher():
    with running(QUIET, STUBBORN) as (process, descendants):
        process.kill()
        process.wait()
        assert still_running(descendants, 15) == []
