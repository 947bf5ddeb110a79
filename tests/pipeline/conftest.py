from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.system import System


@pytest.fixture
def system(database_url: str, tmp_path: Path) -> Iterator[System]:
    """A system of which nothing runs yet."""
    system = System(database_url, tmp_path)
    yield system
    system.stop()
