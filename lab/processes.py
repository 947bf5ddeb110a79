"""Several processes as one: honcho's manager, made to leave nothing behind."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from honcho import manager, printer, process

# A process that has not ended by then is killed; honcho waits as long.
GRACE = 5.0


class Printer(printer.Printer):  # type: ignore[misc] # honcho has no types
    """Prints the processes' lines with their names, and ours without."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def write(self, message: Any) -> None:
        """Print a line of a process."""
        with self._lock:
            super().write(message)

    def say(self, text: str) -> None:
        """Print lines of our own, in one piece."""
        with self._lock:
            print(text, file=self.output, flush=True)


class _Process(process.Process):  # type: ignore[misc]
    """A process that does not outlive us, even where we are killed and can tell it nothing."""

    def run(self, events: Any = None, ignore_signals: bool = False) -> None:
        threading.Thread(target=self._follow, args=(os.getppid(),), daemon=True).start()
        super().run(events, ignore_signals)

    def _follow(self, parent: int) -> None:
        while os.getppid() == parent:
            time.sleep(1)
        end = time.monotonic() + GRACE
        self._signal(signal.SIGTERM)
        while self._child.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        self._signal(signal.SIGKILL)
        # Nobody reads what we would still have to tell: an orderly exit would wait for that.
        os._exit(1)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, number)


class Processes(manager.Manager):  # type: ignore[misc]
    """Runs until one process ends or a signal comes, then ends them all. `once_started` runs beside them.

    `asked` tells whether it was a signal.
    """

    def __init__(self, printer: Printer, once_started: Callable[[], None]) -> None:
        super().__init__(printer)
        self._process_ctor = _Process
        self._once_started = once_started
        self.asked = False

    def _start(self) -> None:
        # In place of honcho's, which print: a handler may have interrupted just that.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        super()._start()
        # Not earlier: a process that is forked while threads run may inherit their locks.
        threading.Thread(target=self._once_started, daemon=True).start()

    def _stop(self, *_: object) -> None:
        self.asked = True
        threading.Thread(target=self.terminate, daemon=True).start()

    def terminate(self) -> None:
        """End all processes. One that has not told its pid yet ends as soon as it has."""
        while not self._all_started():
            time.sleep(0.1)
        super().terminate()
