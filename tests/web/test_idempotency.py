"""One key, one notification: repeated, raced, misused, and sent in bulk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import func, select

from models.notifications.tables import notifications
from models.sql.engine import read
from tests.web.callers import BODY, Caller, body


def count(engine) -> int:
    with read(engine) as connection:
        return connection.execute(select(func.count()).select_from(notifications)).scalar_one()


def test_the_same_request_is_answered_with_the_same_notification(service, engine, bells):
    first, second = service.send(key="k"), service.send(key="k")
    assert first.status_code == second.status_code == 202
    assert first.json == second.json
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.headers["Location"] == first.headers["Location"]
    assert count(engine) == 1
    # The first request may have died between its commit and its bell.
    assert bells == [("expand", [first.json["id"]])] * 2


def test_the_spelling_of_a_request_does_not_matter(service):
    first = service.send(key="k", data={"a": 1, "b": [2]}, level="error", audience={"users": ["alice"]})
    other = b"""{ "message": "World", "severity": "error", "title": "Hell\\u006f", "priority": "normal",
                  "data": {"b": [2], "a": 1}, "audience": {"users": [{"id": "alice", "email": null}]} }"""
    assert service.post("/v1/notifications", other, Idempotency_Key="k").json["id"] == first.json["id"]


def test_another_request_with_the_same_key_is_refused(service, engine):
    service.send(key="k")
    refused = service.send(key="k", title="Another")
    assert (refused.status_code, refused.json["code"]) == (422, "idempotency_key_reused")
    assert count(engine) == 1


def test_a_key_belongs_to_one_tenant_and_one_mode(service, trial, stranger, engine):
    ids = {caller.send(key="k").json["id"] for caller in (service, trial, stranger)}
    assert len(ids) == count(engine) == 3


@pytest.mark.parametrize("key", ["", "a b", "a\tb", "ä", "a" * 256, "\x7f"])
def test_a_key_that_is_none_is_refused(service, engine, key):
    refused = service.send(key=key)
    assert (refused.status_code, refused.json["code"]) == (400, "invalid_header")
    assert refused.json["errors"][0]["field"] == "Idempotency-Key"
    assert count(engine) == 0


def test_every_printable_key_of_255_characters_is_taken(service):
    assert service.send(key="!~" * 127 + "x").status_code == 202


def test_requests_that_race_make_one_notification(app, client, api_key, engine):
    threads = 20
    together = Barrier(threads)

    def send(_: int):
        caller = Caller(app.test_client(), api_key)
        together.wait()
        return caller.send(key="race")

    with ThreadPoolExecutor(threads) as pool:
        answers = list(pool.map(send, range(threads)))
    assert [answer.status_code for answer in answers] == [202] * threads
    assert len({answer.json["id"] for answer in answers}) == count(engine) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1


def bulk(service, *items, **headers):
    return service.post("/v1/notifications/bulk", {"items": list(items)}, **headers)


def test_good_items_are_taken_although_others_fail(service, engine, bells):
    answer = bulk(service, BODY, body(title=""), 17, body(idempotency_key="a b"), body(title="Second"))
    assert answer.status_code == 202
    results = answer.json["data"]
    assert [result["status"] for result in results] == [202, 422, 422, 422, 202]
    assert [e["field"] for r in results[1:4] for e in r["problem"]["errors"]] == ["title", "body", "idempotency_key"]
    assert [args[0] for _, args in bells] == [results[0]["id"], results[4]["id"]]
    assert service.get(results[4]["links"]["self"]).json["title"] == "Second"
    assert count(engine) == 2


def test_the_header_gives_each_item_a_key_of_its_own(service, engine):
    first = bulk(service, BODY, BODY, Idempotency_Key="k").json["data"]
    again = bulk(service, BODY, BODY, body(title="Third"), Idempotency_Key="k").json["data"]
    assert first[0]["id"] != first[1]["id"]
    assert [r["id"] for r in again[:2]] == [r["id"] for r in first]
    assert [r.get("replayed") for r in again] == [True, True, None]
    assert service.send(key="k#1").json["id"] == first[1]["id"]
    assert count(engine) == 3


def test_an_items_own_key_counts_before_the_header(service):
    [first] = bulk(service, body(idempotency_key="own"), Idempotency_Key="k").json["data"]
    assert service.send(key="own").json["id"] == first["id"]
    [clash, fine] = bulk(service, body(idempotency_key="own", title="Other"), body(idempotency_key="own")).json["data"]
    assert (clash["status"], clash["problem"]["code"]) == (422, "idempotency_key_reused")
    assert fine == first | {"replayed": True}


def test_the_same_key_twice_in_one_bulk(service, engine):
    results = bulk(service, body(idempotency_key="k"), body(idempotency_key="k")).json["data"]
    assert results[0]["id"] == results[1]["id"]
    assert count(engine) == 1


@pytest.mark.parametrize("items", [[], [BODY] * 101, {}, None, "x"])
def test_a_bulk_holds_one_to_a_hundred(service, engine, items):
    assert service.post("/v1/notifications/bulk", {"items": items}).status_code == 422
    assert count(engine) == 0


def test_a_hundred_of_the_largest_are_taken(service, engine):
    largest = body(
        message="x" * 4096, data={"a": "y" * 3000}, audience={"users": ["u" * 120 + str(n) for n in range(60)]}
    )
    assert {r["status"] for r in bulk(service, *[largest] * 100).json["data"]} == {202}
    assert count(engine) == 100
    refused = service.post("/v1/notifications/bulk", b'"' + b"x" * 2 * 1024 * 1024 + b'"')
    assert refused.status_code == 413
