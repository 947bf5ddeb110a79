from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from models.alerts import queries as alerts
from models.alerts.tables import alerts as table
from models.events import publishing as outbox
from models.events.cursor import Cursor
from models.events.log import epoch, read_after
from models.sql.engine import read, write
from tests.factories import NOW, create_tenant, create_users

SOON = NOW + timedelta(minutes=1)
LATER = NOW + timedelta(days=1)


@pytest.fixture
def tenants(engine):
    create_tenant(engine)
    create_tenant(engine, "umbrella")
    create_users(engine, ["alice", "bob"])


def create(engine, tenant="acme", now=NOW, **other):
    values = {
        "tenant_id": tenant,
        "title": "Low Oxygen",
        "message": "Oxygen in Pond A is below threshold",
        "expires_at": now + timedelta(days=1),
        "body_sha256": "0" * 64,
        "data": {"pond": "A"},
    }
    with write(engine) as connection:
        return alerts.create(connection, alerts.NewAlert(**(values | other)), now)


def raise_alert(engine, **other) -> UUID:
    return create(engine, **other).alert.id


def acknowledge(engine, alert_id, user="alice", tenant="acme", now=SOON):
    with write(engine) as connection:
        return alerts.acknowledge(connection, tenant, alert_id, user, now)


def remove(engine, alert_id, tenant="acme", now=SOON) -> bool:
    with write(engine) as connection:
        return alerts.remove(connection, tenant, alert_id, now)


def count(engine, tenant="acme", now=SOON) -> int:
    with read(engine) as connection:
        return alerts.count_unacknowledged(connection, tenant, now)


def listed(engine, tenant="acme", now=SOON, **other) -> list[UUID]:
    with read(engine) as connection:
        return [row.id for row in alerts.list_alerts(connection, tenant, now, **other)]


def find(engine, alert_id, tenant="acme", now=SOON):
    with read(engine) as connection:
        return alerts.find(connection, tenant, alert_id, now)


def heard(engine, tenant="acme", now=SOON) -> list[tuple[str, dict]]:
    with read(engine) as connection:
        room = f"tenant:{tenant}"
        cursor = Cursor(epoch(connection), {room: 0})
        return [(e.type, e.data) for e in read_after(connection, tenant, "anybody", cursor, now).events]


def test_an_alert_is_heard_by_the_whole_tenant_and_counted(engine, tenants):
    alert = str(raise_alert(engine, level="critical", type="pond"))
    new = {
        "id": alert,
        "alert_id": alert,
        "title": "Low Oxygen",
        "message": "Oxygen in Pond A is below threshold",
        "severity": "critical",
        "level": "critical",
        "type": "pond",
        "data": {"pond": "A"},
        "created_at": "2026-01-01T12:00:00.000Z",
        "expires_at": "2026-01-02T12:00:00.000Z",
    }
    assert heard(engine) == [("alert:new", new), ("alert:count", {"unacknowledged": 1})]
    assert heard(engine, "umbrella") == []
    with write(engine) as connection:
        waiting = outbox.take_unpublished(connection, NOW, SOON, 10)
    assert [(u.event.room, u.event.seq, u.event.type) for u in waiting] == [
        ("tenant:acme", 1, "alert:new"),
        ("tenant:acme", 2, "alert:count"),
    ]


def test_a_critical_alert_is_published_first(engine, tenants):
    for level in ("info", "critical"):
        raise_alert(engine, level=level)
    with write(engine) as connection:
        waiting = outbox.take_unpublished(connection, NOW, SOON, 10)
    assert [(u.event.seq, u.event.type) for u in waiting] == [
        (3, "alert:new"),
        (4, "alert:count"),
        (1, "alert:new"),
        (2, "alert:count"),
    ]


def test_a_repeated_request_raises_one_alert(engine, tenants):
    first = create(engine, idempotency_key="k")
    again = create(engine, idempotency_key="k")
    other = create(engine, idempotency_key="k", body_sha256="1" * 64)
    assert (first.replayed, again.replayed, again.same_body) == (False, True, True)
    assert (other.replayed, other.same_body) == (True, False)
    assert again.alert.id == other.alert.id == first.alert.id
    assert len(heard(engine)) == 2
    assert not create(engine, "umbrella", idempotency_key="k").replayed
    assert not create(engine).replayed


def test_the_newest_comes_first_in_pages_and_by_filter(engine, tenants):
    a = raise_alert(engine, level="critical")
    b = raise_alert(engine)
    c = raise_alert(engine, level="critical")
    raise_alert(engine, tenant="umbrella")
    acknowledge(engine, a)
    assert listed(engine) == [c, b, a]
    assert listed(engine, limit=2) == [c, b]
    assert listed(engine, before=b) == [a]
    assert listed(engine, state="new") == [c, b]
    assert listed(engine, state="acknowledged") == [a]
    assert listed(engine, level="critical") == [c, a]
    assert listed(engine, level="critical", state="new") == [c]


def test_the_first_to_acknowledge_is_on_record(engine, tenants):
    alert = raise_alert(engine)
    first = acknowledge(engine, alert, "alice")
    assert (first.acknowledged_by, first.acknowledged_at) == ("alice", SOON)
    for user in ("bob", "alice"):
        again = acknowledge(engine, alert, user, now=SOON + timedelta(minutes=1))
        assert (again.acknowledged_by, again.acknowledged_at) == ("alice", SOON)
    assert heard(engine)[2:] == [
        (
            "alert:acknowledged",
            {
                "id": str(alert),
                "alert_id": str(alert),
                "acknowledged_by": "alice",
                "acknowledged_at": "2026-01-01T12:01:00.000Z",
            },
        ),
        ("alert:count", {"unacknowledged": 0}),
    ]


def test_of_all_who_acknowledge_at_once_one_does(engine, tenants):
    ids = [raise_alert(engine) for _ in range(3)]

    def work(number: int) -> list[str]:
        return [acknowledge(engine, alert, f"u{number}").acknowledged_by for alert in ids]

    with ThreadPoolExecutor(6) as pool:
        told = list(pool.map(work, range(6)))
    assert all(answer == told[0] for answer in told)
    events = heard(engine)[6:]
    acknowledged = [data for name, data in events if name == "alert:acknowledged"]
    assert [[a["acknowledged_by"] for a in acknowledged if a["id"] == str(alert)] for alert in ids] == [
        [user] for user in told[0]
    ]
    # Whoever comes later in the log has counted later.
    assert [data["unacknowledged"] for name, data in events if name == "alert:count"] == [2, 1, 0]


def test_what_is_deleted_is_gone_for_everybody(engine, tenants):
    alert = raise_alert(engine)
    assert remove(engine, alert)
    assert find(engine, alert) is None
    assert acknowledge(engine, alert) is None
    assert (count(engine), listed(engine)) == (0, [])
    assert remove(engine, alert)
    named = {"id": str(alert), "alert_id": str(alert)}
    assert heard(engine)[2:] == [("alert:deleted", named), ("alert:count", {"unacknowledged": 0})]


def test_another_tenant_s_alert_is_not_there(engine, tenants):
    alert = raise_alert(engine)
    before = heard(engine)
    assert find(engine, alert, "umbrella") is None
    assert acknowledge(engine, alert, tenant="umbrella") is None
    assert not remove(engine, alert, "umbrella")
    assert not remove(engine, uuid4())
    assert acknowledge(engine, uuid4()) is None
    assert (listed(engine, "umbrella"), count(engine, "umbrella")) == ([], 0)
    assert find(engine, alert).acknowledged_at is None
    assert heard(engine) == before


def test_what_has_expired_is_neither_listed_nor_counted_nor_changed(engine, tenants):
    alert = raise_alert(engine, expires_at=SOON)
    assert count(engine, now=NOW) == 1
    assert (count(engine), listed(engine), find(engine, alert), acknowledge(engine, alert)) == (0, [], None, None)


def test_purge_takes_what_is_past_retention_a_batch_at_a_time(engine, tenants):
    long_ago = NOW - timedelta(days=40)
    for _ in range(3):
        raise_alert(engine, now=long_ago)
    kept = {raise_alert(engine, now=long_ago, expires_at=LATER), raise_alert(engine, now=NOW - timedelta(days=20))}
    removed = []
    while True:
        with write(engine) as connection:
            removed.append(alerts.purge_alerts(connection, NOW, timedelta(days=30), limit=2))
        if not removed[-1]:
            break
    assert removed == [2, 1, 0]
    with read(engine) as connection:
        assert set(connection.execute(select(table.c.id)).scalars()) == kept


def test_a_rollback_raises_no_alert(engine, tenants):
    new = alerts.NewAlert("acme", "t", "m", LATER, "0" * 64, {})

    def fail() -> None:
        with write(engine) as connection:
            alerts.create(connection, new, NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with read(engine) as connection:
        assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 0
    assert heard(engine) == []
