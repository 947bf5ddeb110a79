"""Runs the programs that a benchmark needs, each in its own process, and stops them when the benchmark ends."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

PEERS = Path(__file__).parent / "peers"

# Seconds between SIGTERM and SIGKILL.
GRACE_PERIOD = 10


class Program:
    """A process that reads commands and writes answers, one line of JSON each."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def read(self) -> Any:
        """Read the next answer. Raises RuntimeError if the program has ended."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args!r} ended with exit status {self.process.wait()}")
        return json.loads(line)

    def ask(self, **command: Any) -> Any:
        """Send a command and read the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.process.stdin.flush()
        return self.read()


@contextmanager
def program(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Iterator[Program]:
    """Run a program for the duration of the block. Its standard error is that of this process."""
    process = subprocess.Popen(
        list(map(str, command)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )
    try:
        yield Program(process)
    finally:
        process.terminate()
        try:
            process.wait(GRACE_PERIOD)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def node(script: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Any:
    """Run a script of bench/peers with Node."""
    return program(["node", PEERS / script, *arguments], environment)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and its children."""
    first = psutil.Process(pid)
    return float(sum(sum(one.cpu_times()[:2]) for one in (first, *first.children(recursive=True))))
