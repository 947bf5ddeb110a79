from __future__ import annotations

import pytest
from sqlalchemy import Engine

from actions.installation import Installation
from tests.chat import CROWD
from tests.factories import create_installation, create_tenant, create_users


@pytest.fixture
def chat(engine: Engine) -> Installation:
    """An installation with a tenant and some users."""
    create_tenant(engine)
    create_users(engine, CROWD)
    return create_installation(engine)
