"""Programs that generators write from /openapi.json, without options: they compile, and they call a running server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.databases import ROOT
from tests.workspace import CLIENTS, install_workspace

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]

GENERATOR = CLIENTS / "codegen" / "node_modules" / ".bin" / "openapi-typescript"
TSC = CLIENTS / "node_modules" / ".bin" / "tsc"
TYPESCRIPT = ROOT / "tests" / "clients" / "generated.ts"
PYTHON = ROOT / "tests" / "clients" / "generated.py"


def run(*command: str | Path, directory: Path, **environment: str) -> None:
    """Run a command. If it fails, its output is the reason."""
    environment |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(directory)}
    done = subprocess.run(
        command,
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture
def document(reached: dict[str, str], tmp_path: Path) -> Path:
    """The document as the server gives it out."""
    answer = requests.get(f"{reached['CARILLON_URL']}/openapi.json", timeout=10)
    path = tmp_path / "openapi.json"
    path.write_text(answer.text)
    return path


def test_typescript(reached: dict[str, str], document: Path, tmp_path: Path):
    install_workspace()
    run(GENERATOR, document, "-o", "openapi.ts", directory=tmp_path)
    shutil.copy(TYPESCRIPT, tmp_path / "program.ts")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "node_modules").symlink_to(CLIENTS / "node_modules")
    options = ["--strict", "--target", "es2022", "--module", "nodenext", "--types", "node", "--skipLibCheck"]
    run(TSC, *options, "program.ts", directory=tmp_path)
    run("node", "program.js", directory=tmp_path, **reached)


def test_python(reached: dict[str, str], document: Path, tmp_path: Path):
    generate = ["generate", "--path", str(document), "--meta", "none", "--output-path", "generated"]
    run("openapi-python-client", *generate, "--fail-on-warning", directory=tmp_path)
    shutil.copy(PYTHON, tmp_path / "program.py")
    # Only the program: the generator writes code of its own that mypy does not accept.
    options = ["--strict", "--follow-imports", "silent", "--config-file", os.devnull]
    run("mypy", *options, "program.py", directory=tmp_path)
    run(sys.executable, "-W", "error", "-c", EVERY_MODULE, directory=tmp_path)
    run(sys.executable, "program.py", directory=tmp_path, **reached)


EVERY_MODULE = """
import importlib, pkgutil
import generated
for module in pkgutil.walk_packages(generated.__path__, "generated."):
    importlib.import_module(module.name)
"""
