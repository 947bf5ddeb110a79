"""Every route against every wrong caller: refused, and the database as it was."""

from __future__ import annotations

import time
from datetime import timedelta
from uuid import UUID

import jwt
import pytest
from sqlalchemy import select

from models.db import read
from models.tables import metadata
from tests.factories import JWKS, create_api_key, create_token, create_users, expand_all
from tests.web.callers import Caller
from tests.web.test_contract import ALERT, GOOD, OPERATORS, SHARED, USERS, filled
from tests.web.test_dead_letters import Failure, kill
from web.auth import CLIENT, OPERATOR, SERVICE
from web.context import utc_now


@pytest.fixture
def good(service, engine):
    """A good request for each operation, about things that exist."""
    create_users(engine, ["alice"], email=True, device=True)
    notification = service.send(audience={"users": ["alice"]}).json["id"]
    expand_all(engine, UUID(notification), utc_now())
    kill(engine, "email", Failure.PROVIDER_DOWN)
    service.put("/v1/topics/news/members", {"users": ["alice"]})
    service.put("/v1/event-types/invoice:paid", {"title": "An invoice was paid"})
    device = service.get("/v1/users/alice/devices").json["data"][0]["id"]
    alert = service.post("/v1/alerts", ALERT).json["id"]
    return filled(GOOD, notification, device, alert, create_api_key(engine)[:16])


def everything(engine) -> dict[str, list[tuple]]:
    with read(engine) as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in metadata.sorted_tables
        }


def forged(**other) -> str:
    now = int(time.time())
    claims = {"iss": "carillon", "aud": CLIENT, "sub": "alice", "tenant": "acme", "iat": now, "exp": now + 300} | other
    return jwt.encode(claims, b"another key of thirty-two bytes!", "HS256", headers={"kid": JWKS["keys"][0]["kid"]})


def test_no_wrong_token_opens_any_route(client, good, settings, engine, bells, subtests):
    wrong = {
        "none": ("", 401, "token_missing"),
        "rubbish": ("rubbish", 401, "invalid_token"),
        "forged user": (forged(), 401, "invalid_token"),
        "forged service": (forged(aud=SERVICE), 401, "invalid_token"),
        "unknown key": ("ck_live_00000000_" + "A" * 43, None, None),
    }
    for audience in (CLIENT, SERVICE):
        old = create_token(settings, audience=audience, lifetime=timedelta(minutes=-5))
        wrong[f"expired {audience}"] = (old, 401, "token_expired")
    before = everything(engine)
    bells.clear()
    for name, (token, status, code) in wrong.items():
        for (method, where), (path, document) in good.items():
            with subtests.test(token=name, method=method, path=where):
                refused = Caller(client, token).ask(method, path, document)
                assert refused.status_code in ([status] if status else [401, 403])
                assert code is None or refused.json["code"] == code
    assert everything(engine) == before
    assert bells == []


def test_an_operator_opens_what_is_open_to_operators_and_only_for_the_tenant_that_is_named(
    client, good, settings, stranger, engine, bells, subtests
):
    tokens = {tenant: create_token(settings, audience=OPERATOR, tenant=tenant) for tenant in ("*", "acme", "umbra")}
    before = everything(engine)
    bells.clear()
    for where, (path, document) in good.items():
        if where in OPERATORS:
            continue
        shared = where in SHARED
        for of, named, status, code in [
            ("*", {}, 400, "invalid_header"),
            ("*", {"Carillon_Tenant": "nobody"}, 404, "not_found"),
            ("*", {"Carillon_Tenant": "a/b"}, 404, "not_found"),
            ("*", {"Carillon_Tenant": "acme", "Carillon_Mode": "all"}, 400, "invalid_header"),
            ("acme", {"Carillon_Tenant": "umbra"}, 403, "forbidden"),
            ("umbra", {"Carillon_Tenant": "acme"}, 403, "forbidden"),
        ]:
            with subtests.test(where=where, of=of, named=named):
                refused = Caller(client, tokens[of]).ask(where[0], path, document, **named)
                expected = (status, code) if shared else (403, "forbidden")
                assert (refused.status_code, refused.json["code"]) == expected
        for of, named in [("*", {"Carillon_Tenant": "umbra"}), ("umbra", {}), ("acme", {"Carillon_Mode": "test"})]:
            with subtests.test(where=where, of=of, named=named):
                if shared and where[1] not in ("/v1/presence", "/v1/users/{user}", "/v1/users/{user}/devices"):
                    answer = Caller(client, tokens[of]).ask(where[0], path, document, **named)
                    empty = {"data": []}, {"redriven": 0}
                    assert answer.status_code == 404 or any(part.items() <= answer.json.items() for part in empty)
    assert everything(engine) == before
    assert bells == []


def test_an_operator_does_for_a_tenant_what_its_service_does(client, good, settings, operator, service, subtests):
    own = Caller(client, create_token(settings, audience=OPERATOR, tenant="acme"))
    named = {"Carillon_Tenant": "acme"}
    for where in sorted(SHARED - {("GET", "/v1/presence")}):
        path, _document = good[where]
        if where[0] == "GET":
            with subtests.test(where=where):
                answers = [service.get(path), operator.get(path, **named), own.get(path), own.get(path, **named)]
                assert {answer.status_code for answer in answers} == {200}
                assert all(answer.json == answers[0].json for answer in answers)
    assert operator.post("/v1/dead-letters/redrive", {}, **named).json["redriven"] == 1
    assert operator.delete(good["DELETE", "/v1/notifications/{notification}"][0], **named).status_code == 202
    assert own.get("/v1/presence").json == {"data": [], "more": False}


def test_each_audience_opens_its_own_routes_only(client, good, settings, api_key, engine, bells, subtests):
    user = create_token(settings)
    services = [api_key, create_token(settings, audience=SERVICE, subject="billing")]
    before = everything(engine)
    bells.clear()
    for (method, where), (path, document) in good.items():
        for token in services if (method, where) in USERS else [user]:
            with subtests.test(method=method, path=where):
                refused = Caller(client, token).ask(method, path, document)
                assert (refused.status_code, refused.json["code"]) == (403, "forbidden")
    assert everything(engine) == before
    assert bells == []


# What creates something in the caller's own tenant, or answers about nothing in particular.
OWN = {
    ("POST", "/v1/notifications"),
    ("POST", "/v1/notifications/bulk"),
    ("PUT", "/v1/users/{user}"),
    ("PUT", "/v1/users/{user}/devices"),
    ("PUT", "/v1/topics/{topic}"),
    ("PUT", "/v1/topics/{topic}/members"),
    ("POST", "/v1/events"),
    ("POST", "/v1/alerts"),
    ("POST", "/api/notifications"),
    ("POST", "/api/test/notification/{user}"),
    ("PUT", "/v1/event-types/{name}"),
    ("GET", "/v1/event-types"),
    ("GET", "/v1/event-types.ts"),
}


def test_another_tenant_finds_nothing_of_ours_and_changes_nothing(stranger, good, engine, bells, subtests):
    before = everything(engine)
    bells.clear()
    for (method, where), (path, document) in good.items():
        if (method, where) in USERS | OPERATORS | OWN:
            continue
        with subtests.test(method=method, path=where):
            answer = stranger.ask(method, path, document)
            empty = {"data": []}, {"redriven": 0}, {"removed": 0}
            assert answer.status_code == 404 or any(part.items() <= answer.json.items() for part in empty)
    assert everything(engine) == before
    assert bells == []


def test_what_another_tenant_makes_stays_with_them(stranger, good, engine, subtests):
    before = everything(engine)
    for where in sorted(OWN):
        path, document = good[where]
        with subtests.test(where=where):
            assert stranger.ask(where[0], path, document).status_code in (200, 201, 202)
    after = everything(engine)
    for table, rows in before.items():
        # Their own room has moved on.
        ours = {row for row in map(str, rows) if "'umbra'" not in row}
        assert ours <= set(map(str, after[table])), table


def test_a_services_jwt_is_as_good_as_its_live_key(client, settings, good, tenant):
    billing = Caller(client, create_token(settings, audience=SERVICE, subject="billing"))
    sent = billing.send()
    assert sent.status_code == 202
    assert billing.get(sent.headers["Location"]).json["mode"] == "live"
