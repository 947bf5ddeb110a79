from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine

from config.audiences import EVERY_TENANT, OPERATOR
from config.settings import Settings
from tests import factories
from tests.web.callers import Caller


@pytest.fixture
def service(client: Any, api_key: str) -> Caller:
    """The tenant's service, with its live key."""
    return Caller(client, api_key)


@pytest.fixture
def trial(client: Any, engine: Engine, tenant: str) -> Caller:
    """The same service with its test key."""
    return Caller(client, factories.create_api_key(engine, tenant, "test"))


@pytest.fixture
def stranger(client: Any, engine: Engine) -> Caller:
    """The service of another tenant."""
    return Caller(client, factories.create_api_key(engine, factories.create_tenant(engine, "umbra")))


@pytest.fixture
def operator(client: Any, settings: Settings) -> Caller:
    """An operator of every tenant."""
    return Caller(client, factories.create_token(settings, subject="ops", tenant=EVERY_TENANT, audience=OPERATOR))


@pytest.fixture
def alice(client: Any, user_token: Any) -> Caller:
    """The client of the user alice."""
    return Caller(client, user_token("alice"))
