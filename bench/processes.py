"""Programs that a benchmark runs beside itself: each its own process, ended with the benchmark."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PEERS = Path(__file__).parent / "peers"

# Whoever has not ended by then is killed (seconds).
GRACE = 10


class Program:
    """A process that speaks in lines of JSON."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def read(self) -> Any:
        """The next line. Raises RuntimeError where the program has ended."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args!r} ended with {self.process.wait()}")
        return json.loads(line)

    def ask(self, **what: Any) -> Any:
        """Say a line and read the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what).encode() + b"\n")
        self.process.stdin.flush()
        return self.read()


@contextmanager
def program(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Iterator[Program]:
    """Run a program as long as the block lasts; its complaints go to our standard error."""
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
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def node(script: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Any:
    """Run a program of bench/peers in Node."""
    return program(["node", PEERS / script, *arguments], environment)
