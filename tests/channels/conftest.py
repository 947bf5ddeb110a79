"""One lab process for all tests of the channels. It is reset before each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.channels.support import Lab


@pytest.fixture(scope="session")
def _lab() -> Iterator[Lab]:
    lab = Lab()
    yield lab
    lab.stop()


@pytest.fixture
def lab(_lab: Lab) -> Lab:
    """A running lab without messages and faults."""
    _lab.reset()
    return _lab
