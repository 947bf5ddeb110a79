from __future__ import annotations

from typing import Any

import pytest

from tests.web.callers import Caller


@pytest.fixture
def service(client: Any, api_key: str) -> Caller:
    """The tenant's service, with its live key."""
    return Caller(client, api_key)


@pytest.fixture
def alice(client: Any, user_token: Any) -> Caller:
    """The client of the user alice."""
    return Caller(client, user_token("alice"))
