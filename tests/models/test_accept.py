from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import func, select

from models.notifications.accept import accept
from models.notifications.tables import notifications
from models.sql.engine import read, write
from tests.factories import NOW, create_tenant, notification


def count(engine) -> int:
    with read(engine) as connection:
        return connection.execute(select(func.count()).select_from(notifications)).scalar_one()


def test_the_same_key_finds_the_same_notification(engine):
    create_tenant(engine)
    with write(engine) as connection:
        first = accept(connection, notification(idempotency_key="k"), NOW)
        again = accept(connection, notification(idempotency_key="k"), NOW)
        other = accept(connection, notification(idempotency_key="k", body_sha256="1" * 64), NOW)
    assert not first.replayed
    assert (again.id, again.replayed, again.same_body) == (first.id, True, True)
    assert (other.id, other.replayed, other.same_body) == (first.id, True, False)
    assert count(engine) == 1


def test_without_a_key_every_request_is_new(engine):
    create_tenant(engine)
    with write(engine) as connection:
        assert accept(connection, notification(), NOW).id != accept(connection, notification(), NOW).id


def test_a_key_belongs_to_its_tenant_and_mode(engine):
    create_tenant(engine, "acme")
    create_tenant(engine, "umbrella")
    with write(engine) as connection:
        ids = {
            accept(connection, notification(idempotency_key="k", tenant_id=tenant, mode=mode), NOW).id
            for tenant in ("acme", "umbrella")
            for mode in ("live", "test")
        }
    assert len(ids) == 4


def test_of_concurrent_requests_with_one_key_one_is_new(engine):
    create_tenant(engine)

    def send(_: int):
        with write(engine) as connection:
            return accept(connection, notification(idempotency_key="k"), NOW)

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(send, range(40)))
    assert len({r.id for r in results}) == 1
    assert sum(not r.replayed for r in results) == 1


def test_ids_sort_by_time(engine):
    create_tenant(engine)
    with write(engine) as connection:
        ids = [str(accept(connection, notification(), NOW).id) for _ in range(50)]
    assert ids == sorted(ids)
