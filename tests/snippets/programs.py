"""Runs the code of a block as a program of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.databases import ROOT
from tests.missing import skip_unless_ci


def environment() -> dict[str, str]:
    """What every program gets: nothing of the developer's settings."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}


def run(command: Sequence[str | Path], program: str | None = None, cwd: Path = ROOT, **variables: str) -> str:
    """Run a command, with the program as its input. Returns its output; if it fails, that is the reason."""
    done = subprocess.run(
        command, cwd=cwd, env=environment() | variables, input=program, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def python(program: str, **variables: str) -> str:
    """Run a program with this Python and the packages of the checkout."""
    return run([sys.executable, "-"], program, **variables)


def node(program: str, **variables: str) -> str:
    """Run an ES module. Skips without Node; in CI that is a failure."""
    return run([_installed("node"), "--input-type=module", "-"], program, **variables)


def shell(program: str, cwd: Path = ROOT, **variables: str) -> str:
    """Run the lines of a shell until one of them fails. For curl, answers of 400 and more are failures."""
    if "curl" in program:
        _installed("curl")
        program = 'curl() { command curl -sS --fail-with-body "$@"; }\n' + program
    return run(["bash", "-euc", program], cwd=cwd, **variables)


def _installed(name: str) -> str:
    return shutil.which(name) or skip_unless_ci(f"{name} is not installed")


def after(difference: str) -> str:
    """What a diff leaves."""
    return "".join(line[1:] or "\n" for line in difference.splitlines(keepends=True) if not line.startswith("-"))
