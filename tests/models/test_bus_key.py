"""The secret of the bus: made once, whoever asks first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, select

from bus.signature import KeyUnavailable, secret_of
from config.settings import Settings
from models.events.bus_key import bus_key
from models.events.tables import meta
from models.sql.engine import read


def test_all_processes_get_the_secret_that_the_first_one_made(engine: Engine):
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: bus_key(engine), range(16)))
    assert [len(secret) for secret in found] == [32]
    with read(engine) as connection:
        stored = {row.name: row.value for row in connection.execute(select(meta.c.name, meta.c.value))}
    assert stored.keys() == {"bus_key", "epoch"}
    assert {bytes.fromhex(stored["bus_key"])} == found


def test_each_installation_has_its_own(engine: Engine, settings: Settings, tmp_path):
    assert secret_of(settings)() == bus_key(engine)
    elsewhere = Settings.from_env({"DATABASE_URL": f"sqlite:///{tmp_path}/none/none.db"})
    with pytest.raises(KeyUnavailable):
        secret_of(elsewhere)()
