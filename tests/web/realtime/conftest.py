"""Web processes that the tests share, one for each combination of async mode and database."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine

from models.sql.engine import connect
from tests import factories
from tests.databases import PostgreSQL
from tests.web.realtime.stack import Stack, Web

MODES = ("gevent-postgresql", "threading-sqlite")
OTHER_MODES = ("gevent-sqlite", "threading-postgresql")

_numbers = count(1)


@pytest.fixture(scope="session")
def webs(
    tmp_path_factory: pytest.TempPathFactory, _redis_url: str, _postgresql: PostgreSQL, _sqlite_template: Path
) -> Iterator[Callable[[str], tuple[Web, Engine]]]:
    """The web process of a combination, started when it is first asked for."""
    running: dict[str, tuple[Web, Engine]] = {}
    with ExitStack() as stack:

        def get(combination: str) -> tuple[Web, Engine]:
            if combination not in running:
                mode, _, database = combination.partition("-")
                directory = tmp_path_factory.mktemp(combination)
                if database == "postgresql":
                    url = stack.enter_context(_postgresql.database())
                else:
                    shutil.copyfile(_sqlite_template, directory / "carillon.db")
                    url = f"sqlite:///{directory / 'carillon.db'}"
                settings = factories.create_settings(
                    directory,
                    DATABASE_URL=url,
                    REDIS_URL=_redis_url,
                    CARILLON_REDIS_CHANNEL=combination,
                    SOCKETIO_ASYNC_MODE=mode,
                )
                web = Web(settings, mode, directory / "web.log")
                stack.callback(web.stop)
                engine = connect(url)
                stack.callback(engine.dispose)
                running[combination] = web.start(), engine
            return running[combination]

        yield get


@pytest.fixture(params=MODES)
def stack(request: pytest.FixtureRequest, webs: Callable[[str], tuple[Web, Engine]]) -> Iterator[Stack]:
    """A web process in each async mode, and a tenant that nobody else has."""
    web, engine = webs(request.param)
    stack = Stack(web, engine, f"tenant{next(_numbers)}")
    yield stack
    stack.close()
