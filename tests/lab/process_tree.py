"""Process trees: the descendants of a process, and which of them still run."""

from __future__ import annotations

import time
from collections.abc import Sequence

import psutil


def descendants_of(pid: int) -> list[psutil.Process]:
    """Return the children of a process, and theirs."""
    return psutil.Process(pid).children(recursive=True)


def still_running(processes: Sequence[psutil.Process], within: float = 1.0) -> list[psutil.Process]:
    """Wait up to `within` seconds for the processes to end. Return those that have not."""
    end = time.monotonic() + within
    while (left := [process for process in processes if is_running(process)]) and time.monotonic() < end:
        time.sleep(0.05)
    return left


def is_running(process: psutil.Process) -> bool:
    # An ended process stays in the process table until its parent waits for it. In a container that may never happen.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill(processes: Sequence[psutil.Process]) -> None:
    """Kill the processes that still run."""
    for process in still_running(processes, 0):
        process.kill()
