from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select

from models.addresses.devices import EXPIRED
from models.deliveries.tables import deliveries
from models.events.tables import events
from models.notifications.tables import notifications
from models.sql.engine import read
from tests.factories import accept_one, create_users, expand_all
from workers.housekeeping import purge


def test_old_notifications_go_with_all_that_belongs_to_them(run, engine, clock):
    create_users(engine, [f"u{i}" for i in range(3)], email=True)
    expand_all(engine, accept_one(engine, audience={"tenant": True}))
    assert purge(run) == 0
    clock.advance(timedelta(days=31).total_seconds())
    recent = accept_one(engine, now=clock(), expires_at=clock() + timedelta(days=1))
    assert purge(run) == 3 + 6 + 1
    with read(engine) as connection:
        assert connection.execute(select(notifications.c.id)).scalars().all() == [recent]
        for table in (deliveries, events):
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 0


def test_devices_that_have_expired_go(run, engine, clock):
    create_users(engine, ["alice", "bob"], device=True)
    clock.advance(EXPIRED.total_seconds())
    create_users(engine, ["bob"], device=True, now=clock())
    assert purge(run) == 1
