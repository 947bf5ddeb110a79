"""What operators alone see and do."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from actions.installation import utc_now
from bus.counters import Pause
from config.audiences import OPERATOR
from models.addresses.devices import add_device
from models.addresses.tables import addresses
from models.sql.engine import write
from tests.factories import (
    create_settings,
    create_tenant,
    create_token,
    create_users,
    expand_all,
    fail_to_publish,
    free_port,
)
from tests.web.callers import Caller
from tests.web.contract import ContractClient
from tests.web.test_contract import GOOD, OPERATORS
from tests.web.test_dead_letters import Failure, kill
from web.app import create_app

OVERVIEW = "/v1/operator/overview"


@pytest.fixture
def of_acme(client, settings, tenant):
    """An operator of one tenant."""
    return Caller(client, create_token(settings, subject="ops", tenant=tenant, audience=OPERATOR))


# The overview


def test_the_overview_tells_what_happened_and_what_is_due(app, operator, service, alice, engine):
    create_users(engine, ["alice"], email=True, device=True, now=utc_now())
    ids = [service.send().json["id"] for _ in range(3)]
    for one in ids:
        fail_to_publish(engine, expand_all(engine, UUID(one), utc_now()), utc_now())
    assert alice.post("/v1/acks", {"ids": ids[:2]}).json == {"acknowledged": 2}
    kill(engine, "email", Failure.PROVIDER_DOWN)
    rates = app.extensions["carillon"].counters
    rates.increment("sent:push", 5)
    rates.flush()
    # The step is told when it is over.
    began = rates._clock
    rates._clock = lambda: began() + 15
    told = operator.get(f"{OVERVIEW}?minutes=1").json
    assert told["counted"]
    assert told["step_seconds"] == 5
    series = told["series"]
    assert len(series["at"]) == len(series["p50"]) == 12
    assert sum(series["accepted"]) == 3
    assert {channel: sum(numbers) for channel, numbers in series["sent"].items()} == {
        "in_app": 0,
        "push": 5,
        "email": 0,
    }
    assert sum(series["acked"]["in_app"]) == 2
    assert (told["latency"]["count"], told["latency"]["late"]) == (2, 0)
    assert 0 < told["latency"]["p50"] <= told["latency"]["p99"] < 60
    assert {queue["channel"]: queue["due"] for queue in told["queues"]} == {"in_app": 1, "push": 3, "email": 0}
    assert told["dead_letters"] == {"provider_down": 3}
    assert (told["web_processes"], told["connections"]) == (0, 0)


def test_the_overview_and_the_metrics_tell_of_a_paused_channel(app, client, operator):
    rates = app.extensions["carillon"].counters
    until = round(rates._clock()) + 40
    rates.pause("push", Pause(Failure.PROVIDER_DOWN, until))
    rates.pause("email", Pause(Failure.QUOTA, until))
    rates.pause("email", None)
    rates.flush()
    queues = {queue["channel"]: queue for queue in operator.get(OVERVIEW).json["queues"]}
    assert queues["push"]["paused_for"] == "provider_down"
    assert datetime.fromisoformat(queues["push"]["paused_until"]).timestamp() == until
    assert (queues["email"]["paused_for"], queues["email"]["paused_until"]) == (None, None)
    shown = client.get("/metrics").text
    assert 'carillon_channel_paused{channel="push"} 1.0' in shown
    assert 'carillon_channel_paused{channel="email"} 0.0' in shown
    # A process that has ended does not say that the channel works again.
    began = rates._clock
    rates._clock = lambda: began() + 120
    assert rates.paused() == {}


def test_a_long_time_is_told_in_longer_steps(operator):
    told = operator.get(f"{OVERVIEW}?minutes=119").json
    assert told["step_seconds"] == 30
    assert 238 <= len(told["series"]["at"]) <= 240
    assert all(at % 30 == 0 for at in told["series"]["at"])
    assert operator.get(f"{OVERVIEW}?minutes=120").status_code == 422


def test_without_redis_the_overview_tells_what_the_database_knows(engine, tenant, tmp_path):
    url = engine.url.render_as_string(hide_password=False)
    there = create_settings(tmp_path, DATABASE_URL=url, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    app = create_app(there)
    app.test_client_class = ContractClient
    lonely = Caller(app.test_client(), create_token(there, subject="ops", tenant="*", audience=OPERATOR))
    told = lonely.get(OVERVIEW).json
    assert not told["counted"]
    assert told["series"]["at"] == []
    assert [queue["due"] for queue in told["queues"]] == [0, 0, 0]
    assert lonely.get("/v1/operator/users/alice?tenant=acme").status_code == 404
    app.extensions["carillon"].counters.close()


def test_dead_letters_are_counted_by_tenant_mode_channel_and_class(operator, of_acme, service, stranger, engine):
    for caller, tenant, names in ((service, "acme", ["alice", "bob"]), (stranger, "umbra", ["zoe"])):
        create_users(engine, names, tenant=tenant, email=True)
        sent = caller.send(audience={"users": names}).json["id"]
        expand_all(engine, UUID(sent), utc_now())
    kill(engine, "email", Failure.BAD_REQUEST)
    ours = {"tenant": "acme", "mode": "live", "channel": "email", "failure": "bad_request", "number": 2}
    ours["not_redrivable"] = {}
    theirs = ours | {"tenant": "umbra", "number": 1}
    assert operator.get("/v1/operator/dead-letters/summary").json == {"data": [ours, theirs], "more": False}
    assert operator.get("/v1/operator/dead-letters/summary?tenant=umbra").json["data"] == [theirs]
    assert of_acme.get("/v1/operator/dead-letters/summary").json["data"] == [ours]


# Tenants and keys


def test_a_tenant_and_a_key_are_made_used_and_revoked(operator, client):
    made = operator.post("/v1/operator/tenants", {"id": "nova", "name": "Nova & Co"})
    assert (made.status_code, made.json["name"], made.json["weight"]) == (201, "Nova & Co", 1)
    again = operator.post("/v1/operator/tenants", {"id": "nova"})
    assert (again.status_code, again.json["code"]) == (409, "tenant_exists")
    assert "nova" in [tenant["id"] for tenant in operator.get("/v1/operator/tenants").json["data"]]
    keys = "/v1/operator/tenants/nova/keys"
    key = operator.post(keys, {"name": "shop", "mode": "live"})
    assert key.status_code == 201
    secret, prefix = key.json["key"], key.json["prefix"]
    shop = Caller(client, secret)
    assert shop.send().status_code == 202
    listed = operator.get(keys)
    assert [(k["prefix"], k["name"], k["mode"], k["revoked_at"]) for k in listed.json["data"]] == [
        (prefix, "shop", "live", None)
    ]
    assert secret not in listed.text
    assert operator.delete(f"{keys}/{prefix}").json["revoked_at"] is not None
    assert shop.send().status_code == 401


@pytest.mark.parametrize("bad", [{}, {"id": ""}, {"id": "a b"}, {"id": "a/b"}, {"id": "a" * 65}, {"id": "a\n"},
                                 {"id": "a", "name": " "}, {"id": "a", "owner": "me"}])  # fmt: skip
def test_a_tenant_needs_a_good_name(operator, bad):
    assert operator.post("/v1/operator/tenants", bad).status_code == 422


def test_an_operator_of_one_tenant_does_nothing_elsewhere(of_acme, operator, engine, service, subtests):
    create_tenant(engine, "umbra")
    create_users(engine, ["zoe"], tenant="umbra")
    assert [tenant["id"] for tenant in of_acme.get("/v1/operator/tenants").json["data"]] == ["acme"]
    assert of_acme.get(OVERVIEW).status_code == 403
    assert of_acme.post("/v1/operator/tenants", {"id": "more"}).status_code == 403
    for where in OPERATORS:
        if "{tenant}" not in where[1] and "/users" not in where[1]:
            continue
        path, document = GOOD[where]
        with subtests.test(where=where):
            foreign = path.replace("acme", "umbra").replace("alice", "zoe")
            assert of_acme.ask(where[0], foreign, document).status_code == 404
    assert of_acme.get("/v1/operator/users").json["data"] == []
    assert of_acme.get("/v1/operator/users/zoe").status_code == 404
    assert operator.get("/v1/operator/users/zoe?tenant=umbra").status_code == 200
    assert operator.get("/v1/operator/users").status_code == 422


def test_services_and_users_open_nothing_of_the_operators(service, alice, subtests):
    for where in OPERATORS:
        path, document = GOOD[where]
        for caller in (service, alice):
            with subtests.test(where=where):
                refused = caller.ask(where[0], path, document)
                assert (refused.status_code, refused.json["code"]) == (403, "forbidden")


# Users


def names(operator, query: str) -> list[str]:
    return [user["id"] for user in operator.get(f"/v1/operator/users?tenant=acme{query}").json["data"]]


def test_users_are_listed_newest_first_and_found_by_id_or_mailbox(operator, engine, tenant):
    create_users(engine, ["alice", "bob"], email=True, device=True, now=utc_now())
    create_users(engine, ["Carol_1", "carolx1"])
    assert names(operator, "") == ["carolx1", "Carol_1", "bob", "alice"]
    assert names(operator, "&q=CAROL") == ["carolx1", "Carol_1"]
    assert names(operator, "&q=l_1") == ["Carol_1"]
    assert names(operator, "&q=bob@example.test") == ["bob"]
    assert names(operator, "&q=example") == []
    [bob] = operator.get("/v1/operator/users?tenant=acme&q=bob").json["data"]
    assert (bob["email"], bob["devices"]) == ("bob@example.test", 1)
    first = operator.get("/v1/operator/users?tenant=acme&limit=3").json
    assert first["page"]["has_more"]
    assert names(operator, f"&after={first['page']['next']}") == ["alice"]


def test_a_search_for_users_that_finds_little_reads_little_at_once_and_goes_on(operator, engine, tenant, monkeypatch):
    create_users(engine, [f"{'needle' if n in (0, 7) else 'straw'}-{n}" for n in range(10)])
    monkeypatch.setattr("models.users.search.SCAN", 4)
    pages, after = [], ""
    while True:
        page = operator.get(f"/v1/operator/users?tenant=acme&q=needle{after}").json
        pages.append([user["id"] for user in page["data"]])
        if not page["page"]["has_more"]:
            break
        after = f"&after={page['page']['next']}"
    assert pages == [["needle-7"], [], ["needle-0"]]


def test_a_users_page_tells_what_would_reach_them(operator, service, engine, tenant):
    ids = create_users(engine, ["alice", "bob"])
    service.put("/v1/users/alice", {"email": "alice@example.test"})
    kept = service.put("/v1/users/alice/devices", {"token": "a-long-secret-token", "platform": "ios"}).json["id"]
    with write(engine) as connection:
        old = utc_now() - timedelta(days=300)
        for user, row in ids.items():
            add_device(connection, "acme", row, "token", f"old-{user}", "web", old)
    service.put("/v1/topics/news/members", {"users": ["alice"]})
    answer = operator.get("/v1/operator/users/alice?tenant=acme")
    page = answer.json
    assert {r["channel"]: r["addresses"] for r in page["reach"]} == {
        "in_app": ["user:alice"],
        "push": [kept],
        "email": ["alice@example.test"],
    }
    assert (page["presence"], page["topics"]) == ("offline", ["news"])
    assert sorted(device["state"] for device in page["devices"]) == ["active", "expired"]
    assert "secret" not in answer.text
    bob = operator.get("/v1/operator/users/bob?tenant=acme").json["reach"]
    assert [(r["addresses"], r["reason"]) for r in bob[1:]] == [([], "no device that works"), ([], "no mailbox")]
    with write(engine) as connection:
        off = {"disabled_at": utc_now(), "disabled_reason": "550 no such user"}
        connection.execute(addresses.update().where(addresses.c.channel == "email").values(off))
    [listed] = operator.get("/v1/operator/users?tenant=acme&q=alice").json["data"]
    assert listed["email_disabled_at"] is not None
    [*_, mail] = operator.get("/v1/operator/users/alice?tenant=acme").json["reach"]
    assert (mail["addresses"], mail["reason"]) == ([], "the mailbox is disabled: 550 no such user")


def test_a_channel_that_is_not_configured_reaches_nobody(engine, tenant, redis_server, tmp_path):
    create_users(engine, ["alice"], email=True, device=True, now=utc_now())
    url = engine.url.render_as_string(hide_password=False)
    there = create_settings(tmp_path, DATABASE_URL=url, REDIS_URL=redis_server, CARILLON_LAB_URL="")
    app = create_app(there)
    operator = Caller(app.test_client(), create_token(there, subject="ops", tenant="*", audience=OPERATOR))
    told = operator.get("/v1/operator/users/alice?tenant=acme").json["reach"]
    assert [bool(reach["addresses"]) for reach in told] == [True, False, False]
    assert all("not configured" in reach["reason"] for reach in told[1:])
    app.extensions["carillon"].counters.close()
