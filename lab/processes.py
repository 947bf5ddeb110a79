"""Runs several processes as one: honcho's manager, changed so that no process outlives it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from honcho import manager, printer, process

# Seconds between SIGTERM and SIGKILL. honcho waits as long.
GRACE_PERIOD = 5.0


class Printer(printer.Printer):  # type: ignore[misc] # honcho has no types
    """Prints the output of processes, with their names, and messages of the launcher."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def write(self, message: Any) -> None:
        """Print a line of output of a process."""
        with self._lock:
            super().write(message)

    def say(self, text: str) -> None:
        """Print a message of the launcher, not interrupted by other output."""
        with self._lock:
            print(text, file=self.output, flush=True)


class _Process(process.Process):  # type: ignore[misc]
    """A process that ends when the launcher ends, even if the launcher is killed and cannot send a signal."""

    def run(self, events: Any = None, ignore_signals: bool = False) -> None:
        threading.Thread(target=self._end_with_parent, args=(os.getppid(),), daemon=True).start()
        super().run(events, ignore_signals)

    def _end_with_parent(self, parent: int) -> None:
        while os.getppid() == parent:
            time.sleep(1)
        end = time.monotonic() + GRACE_PERIOD
        self._signal(signal.SIGTERM)
        while self._child.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        self._signal(signal.SIGKILL)
        # A normal exit would wait until the launcher has read this process's events, but it is gone.
        os._exit(1)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, number)


class Processes(manager.Manager):  # type: ignore[misc]
    """Runs all processes until one ends or a signal arrives, then ends the others.

    `once_started` runs in a thread once all are started. `stopped_by_signal` is whether a signal ended them.
    """

    def __init__(self, printer: Printer, once_started: Callable[[], None]) -> None:
        super().__init__(printer)
        self._process_ctor = _Process
        self._once_started = once_started
        self.stopped_by_signal = False

    def _start(self) -> None:
        # These replace honcho's handlers. Those print, which can deadlock if the signal arrives during a print.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        super()._start()
        # Start the thread last: a process that is forked while threads run may inherit their locks.
        threading.Thread(target=self._once_started, daemon=True).start()

    def _on_signal(self, *_: object) -> None:
        self.stopped_by_signal = True
        threading.Thread(target=self.terminate, daemon=True).start()

    def terminate(self) -> None:
        """End all processes. First waits until all have started, because honcho learns their pids only then."""
        while not self._all_started():
            time.sleep(0.1)
        super().terminate()
