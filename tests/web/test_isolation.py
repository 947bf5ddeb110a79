"""Every route against every wrong caller: refused, and the database as it was."""

from __future__ import annotations

import time
from datetime import timedelta
from uuid import UUID

import jwt
import pytest

from actions.installation import utc_now
from bus.publisher import Publisher
from bus.token_bucket import Limit
from config.audiences import CLIENT, OPERATOR, SERVICE
from models.addresses import devices
from models.sql.engine import write
from models.users.queries import Person, upsert_users
from tests.factories import JWKS, create_api_key, create_settings, create_token, create_users, expand_all
from tests.web import contract
from tests.web.callers import Caller
from tests.web.stored import Published, everything, foreign, subscribed
from tests.web.test_contract import (
    ALERT,
    GOOD,
    OF_BOTH,
    OPERATORS,
    SHARED,
    USERS,
    begin_chat,
    filled,
    give_file,
    redriven,
)
from tests.web.test_dead_letters import Failure, kill
from tests.web.worker import work
from web.app import create_app
from web.limits import Limiter
from web.packages import TARBALL, WHEEL

pytestmark = pytest.mark.slow

# In what only its owner may read, and in no request.
SECRET = "Top secret"

# Routes that are open to everybody: they say nothing of anybody.
OPEN = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/version"),
    ("GET", "/openapi.json"),
    ("GET", "/asyncapi.json"),
    ("GET", "/"),
    ("GET", "/docs"),
    ("GET", "/docs/events"),
    ("GET", "/docs/guides"),
    ("GET", "/docs/guides/{name}"),
    ("GET", "/docs/guides/screens/{name}"),
    ("GET", "/chat"),
    ("GET", "/console"),
    ("GET", "/console/config.json"),
    ("GET", "/console/{_view}"),
    ("GET", "/packages/"),
    ("GET", f"/packages/{TARBALL}"),
    ("GET", f"/packages/{WHEEL}"),
    ("GET", "/js/websocket.js"),
    ("GET", "/sounds/notification.mp3"),
    ("GET", "/static/{name}"),
    ("GET", "/static/build/{name}"),
    ("GET", "/static/v-{version}/{name}"),
}
# For whoever has a signed URL (tests/web/test_attachments.py).
SIGNED = {("GET", "/attachments/{token}"), ("PUT", "/attachments/{token}")}
# Those that let anybody in as one of the demo's people, and are there in development only.
DEMO = {("GET", "/demo"), ("POST", "/demo/sign-in"), ("GET", "/demo/arrivals/{user}")}


@pytest.fixture(autouse=True)
def plenty(app, settings, monkeypatch):
    """More is asked here in a second than one caller may."""
    limits = dict.fromkeys(("service", "user", "operator"), Limit(rate=1e6, burst=10**6))
    monkeypatch.setattr(app.extensions["carillon"].limiter, "take", Limiter(settings.redis_url, limits).take)


@pytest.fixture
def good(service, alice, engine, app):
    """A good request for each operation, about things that exist."""
    create_users(engine, ["alice"], email=True)
    with write(engine) as connection:
        [owner] = upsert_users(connection, "acme", [Person("alice")], utc_now())
        devices.add_device(connection, "acme", owner, "token", "mine", None, utc_now())
    notification = service.send(audience={"users": ["alice"]}, title=f"{SECRET} of alice").json["id"]
    expand_all(engine, UUID(notification), utc_now())
    kill(engine, "email", Failure.PROVIDER_DOWN)
    service.put("/v1/topics/news", {"open": True})
    service.put("/v1/topics/news/members", {"users": ["alice"]})
    service.put("/v1/event-types/invoice:paid", {"title": "An invoice was paid"})
    device = service.get("/v1/users/alice/devices").json["data"][0]["id"]
    alert = service.post("/v1/alerts", ALERT | {"title": f"{SECRET} of acme"}).json["id"]
    key = create_api_key(engine)[:16]
    message = begin_chat(service, alice, f"{SECRET} of alice")
    give_file(engine, app)
    return filled(GOOD, notification, device, alert, key, redriven(engine, notification), message)


def forged(**other) -> str:
    now = int(time.time())
    claims = {"iss": "carillon", "aud": CLIENT, "sub": "alice", "tenant": "acme", "iat": now, "exp": now + 300} | other
    return jwt.encode(claims, b"another key of thirty-two bytes!", "HS256", headers={"kid": JWKS["keys"][0]["kid"]})


def routes_of(app) -> set[tuple[str, str]]:
    return {
        (method, contract.template(rule.rule))
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }


def test_every_route_is_in_one_of_these_tables(app, tmp_path, settings):
    assert routes_of(app) == set(GOOD) | OPEN | SIGNED | DEMO
    own = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
    assert (
        routes_of(create_app(create_settings(tmp_path, CARILLON_ENV="production", **own))) == set(GOOD) | OPEN | SIGNED
    )
    users = [set(NAMED), OF_TENANT, OF_CALLER]
    assert sum(map(len, users)) == len(set.union(*users)), "a route is in two tables"
    assert set.union(*users) == USERS


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
                if shared and not (named.get("Carillon_Mode") and where[1] in OF_BOTH_MODES):
                    answer = Caller(client, tokens[of]).ask(where[0], path, document, **named)
                    empty = {"data": []}, {"redriven": 0}, {"users": 0, "connections": 0}, {"totalConnections": 0}
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
        if (method, where) in OF_BOTH:
            continue
        for token in services if (method, where) in USERS else [user]:
            with subtests.test(method=method, path=where):
                refused = Caller(client, token).ask(method, path, document)
                assert (refused.status_code, refused.json["code"]) == (403, "forbidden")
    assert everything(engine) == before
    assert bells == []


# Both modes share these tables. What live mail and pushes go to is in them.
PEOPLE = (
    *("users", "addresses", "open_topics", "subscriptions", "event_types", "alerts"),
    *("conversations", "members", "messages", "mentions", "reactions", "attachments"),
)


def test_a_test_key_changes_nobody_whatever_it_asks_for(client, good, engine, subtests):
    def people() -> dict[str, list[tuple]]:
        return {name: rows for name, rows in everything(engine).items() if name in PEOPLE}

    trial = Caller(client, create_api_key(engine, mode="test"))
    before = people()
    assert set(before) == set(PEOPLE)
    for (method, where), (path, document) in good.items():
        with subtests.test(method=method, path=where):
            assert trial.ask(method, path, document).status_code < 500
            assert people() == before
    named = {"id": "alice", "email": "thief@example.test", "locale": "de-DE"}
    expand_all(engine, UUID(trial.send(audience={"users": [named]}).json["id"]), utc_now())
    assert people() == before
    # Somebody new has no address.
    expand_all(engine, UUID(trial.send(audience={"users": [named | {"id": "new"}]}).json["id"]), utc_now())
    assert people()["addresses"] == before["addresses"]


# What creates something in the caller's own tenant, or answers about nothing in particular.
OWN = {
    ("POST", "/v1/notifications"),
    ("POST", "/v1/notifications/bulk"),
    ("PUT", "/v1/users/{user}"),
    ("PUT", "/v1/users/{user}/devices"),
    ("POST", "/v1/users/{user}/tokens"),
    ("PUT", "/v1/topics/{topic}"),
    ("PUT", "/v1/topics/{topic}/members"),
    ("POST", "/v1/events"),
    ("POST", "/v1/alerts"),
    ("POST", "/api/notifications"),
    ("POST", "/v1/conversations"),
    ("POST", "/api/test/notification/{user}"),
    ("PUT", "/v1/event-types/{name}"),
    ("GET", "/v1/event-types"),
    ("GET", "/v1/event-types.ts"),
    ("GET", "/v1/connections/count"),
    ("GET", "/api/stats"),
}

# Published whether or not the connection exists: only the web process that has it open knows its tenant, and checks
# it (tests/web/realtime/test_direct_messages.py).
UNCHECKED = {("POST", "/v1/connections/{connection}/messages")}

# Test and live notifications are apart; users, their inboxes and their connections are not.
OF_BOTH_MODES = {
    "/v1/presence",
    "/v1/users/{user}",
    "/v1/users/{user}/email/enable",
    "/v1/users/{user}/devices",
    "/v1/users/{user}/inbox",
    "/v1/users/{user}/connections",
    "/v1/connections/count",
    "/api/stats",
}


def test_another_tenant_finds_nothing_of_ours_and_changes_nothing(stranger, good, engine, bells, subtests):
    before = everything(engine)
    bells.clear()
    for (method, where), (path, document) in good.items():
        if (method, where) in (USERS - OF_BOTH) | OPERATORS | OWN | UNCHECKED:
            continue
        with subtests.test(method=method, path=where):
            answer = stranger.ask(method, path, document)
            empty = {"data": []}, {"redriven": 0}, {"removed": 0}, {"unacknowledged": 0}, {"count": 0}
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


# What a user may ask about something that is theirs: nobody else finds it.
NAMED = {
    *(where for where in USERS if "{notification}" in where[1] or "{device}" in where[1]),
    ("POST", "/api/fcm/unregister-device"),
    ("POST", "/api/messages"),
    *(where for where in USERS if "{conversation}" in where[1]),
    # These search in one conversation.
    ("GET", "/v1/conversations/search"),
    ("GET", "/api/chat/search"),
}
# What all users of a tenant may ask: another tenant finds nothing.
OF_TENANT = {
    ("GET", "/v1/alerts/{alert}"),
    ("POST", "/v1/alerts/{alert}/acknowledge"),
    ("PUT", "/v1/subscriptions/{topic}"),
    ("DELETE", "/v1/subscriptions/{topic}"),
    ("POST", "/api/fcm/subscribe-topic"),
    ("POST", "/api/fcm/unsubscribe-topic"),
    ("GET", "/api/polling/{tenant}/events"),
    ("POST", "/api/polling/{tenant}/events/acknowledge"),
}
# What is about the caller, whoever that is.
OF_CALLER = {
    ("GET", "/v1/inbox"),
    ("GET", "/v1/inbox/counts"),
    ("POST", "/v1/inbox/read-all"),
    ("POST", "/v1/inbox/seen"),
    ("POST", "/v1/inbox/clear"),
    ("GET", "/api/notifications"),
    ("GET", "/api/notifications/stats"),
    ("POST", "/api/notifications/read-all"),
    ("GET", "/v1/alerts"),
    ("GET", "/v1/alerts/count"),
    ("PUT", "/v1/devices"),
    ("GET", "/v1/devices"),
    ("DELETE", "/v1/devices"),
    ("POST", "/api/fcm/register-device"),
    ("GET", "/api/fcm/device-list"),
    ("POST", "/api/fcm/unregister-all"),
    ("GET", "/v1/subscriptions"),
    ("GET", "/v1/events"),
    ("GET", "/v1/events/head"),
    ("POST", "/v1/acks"),
    ("GET", "/v1/presence"),
    ("POST", "/v1/conversations"),
    ("GET", "/v1/conversations"),
    ("GET", "/v1/conversations/unread"),
    ("GET", "/api/chat/conversations"),
    ("GET", "/api/chat/unread"),
}
# A device goes with whoever of the tenant shows its token. These show another one; another tenant shows the same.
OTHER_DEVICE = {
    ("PUT", "/v1/devices"): {"token": "another"},
    ("POST", "/api/fcm/register-device"): {"token": "another"},
}
# Alerts are acknowledged by whoever comes first, for the whole tenant.
FOR_ALL = {("POST", "/v1/alerts/{alert}/acknowledge")}


def test_another_user_finds_nothing_of_ours_and_changes_nothing(client, good, settings, engine, subtests):
    bob = Caller(client, create_token(settings, subject="bob"))
    bob.put("/v1/devices", {"token": "of bob"})
    deliver_everything(engine, settings)
    before = foreign(engine, "acme", "bob")
    with subscribed(settings.redis_url, settings.bus_topic) as heard:
        for where in sorted(USERS):
            path, document = good[where]
            with subtests.test(where=where):
                answer = bob.ask(where[0], path, OTHER_DEVICE.get(where, document))
                assert answer.status_code in ((404,) if where in NAMED else (200, 201))
                assert f"{SECRET} of alice" not in answer.text
                if where in FOR_ALL:
                    before = foreign(engine, "acme", "bob")
                assert foreign(engine, "acme", "bob") == before
        told = deliver_everything(engine, settings, heard)
    assert {room for event, room in told if not event.startswith("alert:")} <= {"acme/user:bob"}


def test_a_user_of_another_tenant_with_the_same_id_finds_nothing_of_ours_and_changes_nothing(
    client, good, settings, stranger, engine, subtests
):
    namesake = Caller(client, create_token(settings, subject="alice", tenant="umbra"))
    deliver_everything(engine, settings)
    before = foreign(engine, "umbra")
    with subscribed(settings.redis_url, settings.bus_topic) as heard:
        for where in sorted(USERS):
            path, document = good[where]
            with subtests.test(where=where):
                answer = namesake.ask(where[0], path, document)
                found = (409,) if where in OTHER_DEVICE else (200, 201) if where in OF_CALLER else (403, 404)
                assert answer.status_code in found
                assert SECRET not in answer.text
                assert foreign(engine, "umbra") == before
        for where in sorted(OWN):
            stranger.ask(where[0], *good[where])
        assert stranger.put("/v1/users/alice/devices", {"token": "mine"}).status_code == 409
        told = deliver_everything(engine, settings, heard)
    assert {room.partition("/")[0] for _, room in told} == {"umbra"}
    assert foreign(engine, "umbra") == before


def deliver_everything(engine, settings, heard: Published | None = None) -> list[tuple[str, str]]:
    """Do what workers do, and tell for which rooms."""
    writer = Publisher.of(settings)
    work(engine, writer)
    writer.close()
    return heard.rooms() if heard else []
