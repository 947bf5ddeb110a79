"""Group commit: callers that come while a transaction is under way share the next one (docs/adr/0037)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, TypeVar

from sqlalchemy.exc import TimeoutError as NotDone

from models.sql.engine import UNAVAILABLE
from models.sql.statements import is_lock_timeout

Item = TypeVar("Item")
Result = TypeVar("Result")
Work = Callable[[Sequence[Item]], Sequence[Result]]

# Items in a batch: a caller waits for the transaction under way and for its own, so neither may take long.
LARGEST = 50


class _Call(Generic[Item, Result]):
    """What one caller waits for."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.taken = False
        self.result: Result
        self.error: Exception | None = None


class _Queue:
    """The callers of one key: those that wait for a batch, and the one of them that does it."""

    def __init__(self) -> None:
        self.callers = 0
        self.waiting: list[_Call[Any, Any]] = []
        self.turn = threading.Lock()


class Batches(Generic[Item, Result]):
    """Does work for many callers at once. Usable from any number of threads.

    A caller that is alone is served at once. Those that come meanwhile are the next batch, which one of them does.
    Callers with different keys do not wait for each other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queues: dict[Hashable, _Queue] = {}

    def do(self, key: Hashable, item: Item, work: Work[Item, Result]) -> Result:
        """Return the result for the item once its batch is done. Raises what `work` raises for the item alone.

        `work` returns the results in the order of its items. All callers give the same.
        """
        call: _Call[Item, Result] = _Call(item)
        with self._lock:
            queue = self._queues.setdefault(key, _Queue())
            queue.callers += 1
            queue.waiting.append(call)
        try:
            with queue.turn:
                while not call.taken:
                    self._do_next(queue, work)
        finally:
            with self._lock:
                queue.callers -= 1
                if not queue.callers:
                    del self._queues[key]
        if call.error is not None:
            raise call.error
        return call.result

    def _do_next(self, queue: _Queue, work: Work[Item, Result]) -> None:
        with self._lock:
            batch, queue.waiting = queue.waiting[:LARGEST], queue.waiting[LARGEST:]
        for call in batch:
            call.taken = True
            # Unless something else becomes of it: the caller that does the batch can be killed. Never tried again by
            # another, because it can have been committed.
            call.error = NotDone("it is not known whether this was done")
        try:
            _do(batch, work)
        except Exception as error:  # noqa: BLE001 - it is the caller's
            away = isinstance(error, UNAVAILABLE) and not is_lock_timeout(error)
            if away or len(batch) == 1:
                for call in batch:
                    call.error = error
            else:
                # The others must not fail for the sake of one.
                _do_each(batch, work)


def _do(batch: Sequence[_Call[Item, Result]], work: Work[Item, Result]) -> None:
    for call, result in zip(batch, work([call.item for call in batch]), strict=True):
        call.result, call.error = result, None


def _do_each(batch: Sequence[_Call[Item, Result]], work: Work[Item, Result]) -> None:
    for call in batch:
        try:
            _do([call], work)
        except Exception as error:  # noqa: BLE001 - it is the caller's
            call.error = error
