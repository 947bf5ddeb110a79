"""One lab process for all tests of this folder, on free ports. It is reset before each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab_client import Lab, start_lab


@pytest.fixture(scope="session")
def running_lab() -> Iterator[Lab]:
    process, ready = start_lab()
    yield Lab(ready["http"], ready["smtp"])
    process.terminate()
    _, errors = process.communicate(timeout=5)
    assert process.returncode == 0
    assert errors == ""


@pytest.fixture
def lab(running_lab: Lab) -> Lab:
    running_lab.session.delete(f"{running_lab.url}/messages", timeout=5).raise_for_status()
    running_lab.post("/faults", {}).raise_for_status()
    return running_lab
