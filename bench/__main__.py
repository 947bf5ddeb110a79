"""`python -m bench [name …]`: runs the named benchmarks, or all of them, one after another."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from bench.api import accept, idle, memory
from bench.chat import chat
from bench.fairness import fairness
from bench.pipeline import pipeline, scale
from bench.push import push
from bench.report import Result
from bench.screens import rooms
from bench.singles import singles

BENCHMARKS: dict[str, Callable[[], Result | Iterator[Result]]] = {
    "push": push,
    "screens": rooms,
    "pipeline": pipeline,
    "scale": scale,
    "fairness": fairness,
    "singles": singles,
    "chat": chat,
    "accept": accept,
    "idle": idle,
    "memory": memory,
}


def main(names: list[str]) -> int:
    """Run benchmarks. Prints their results and writes them to bench/results."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"unknown benchmark: {', '.join(unknown)}; choose from {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    for name in names or BENCHMARKS:
        results = BENCHMARKS[name]()
        for result in [results] if isinstance(results, Result) else results:
            result.save()
            print(result.table(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
