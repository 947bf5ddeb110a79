from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.stand import Stand


@pytest.fixture
def stand(database_url: str, tmp_path: Path) -> Iterator[Stand]:
    """A system of which nothing runs yet."""
    stand = Stand(database_url, tmp_path)
    yield stand
    stand.stop()
