"""Processes and what they have started."""

from __future__ import annotations

import time
from collections.abc import Sequence

import psutil


def family_of(pid: int) -> list[psutil.Process]:
    """All that the process has started, and what those have."""
    return psutil.Process(pid).children(recursive=True)


def left_of(family: Sequence[psutil.Process], within: float = 1.0) -> list[psutil.Process]:
    """Those that still run after `within` seconds."""
    end = time.monotonic() + within
    while (left := [process for process in family if runs(process)]) and time.monotonic() < end:
        time.sleep(0.05)
    return left


def runs(process: psutil.Process) -> bool:
    # One that has ended stays in the table until somebody asks for its result, in a container for ever.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end(family: Sequence[psutil.Process]) -> None:
    """Kill what is left."""
    for process in left_of(family, 0):
        process.kill()
