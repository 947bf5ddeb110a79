"""Users."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from sqlalchemy import func, select

from actions.installation import utc_now
from models.addresses.queries import disable_addresses
from models.addresses.tables import addresses
from models.audit.queries import list_records
from models.events.tables import events
from models.sql.engine import read, write
from models.users.tables import users
from tests.factories import create_api_key, create_settings
from tests.web.callers import Caller, fields
from web.app import create_app

TOKEN = "fcm-token:" + "a" * 140


def number(engine, table) -> int:
    with read(engine) as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_a_user_is_created_updated_and_deleted(service, engine):
    made = service.put("/v1/users/alice", {"email": "alice@example.test", "locale": "de"})
    assert (made.status_code, made.json["email"], made.json["locale"]) == (200, "alice@example.test", "de")
    assert service.put("/v1/users/alice", {}).json["email"] == "alice@example.test"
    assert service.put("/v1/users/alice", {"email": "a@example.test"}).json["email"] == "a@example.test"
    assert service.put("/v1/users/alice", {"email": None}).json["email"] is None
    assert service.get("/v1/users/alice").json["locale"] == "de"
    assert service.delete("/v1/users/alice").json == {"deleted": True}
    assert service.get("/v1/users/alice").status_code == service.delete("/v1/users/alice").status_code == 404
    assert number(engine, users) == number(engine, addresses) == number(engine, events) == 0


GONE = "550 5.1.1 no such user"


def disable_mailboxes(engine) -> None:
    with write(engine) as connection:
        ids = connection.execute(select(addresses.c.id).where(addresses.c.channel == "email")).scalars().all()
        disable_addresses(connection, dict.fromkeys(ids, GONE), utc_now(), utc_now())


def test_why_a_mailbox_is_off_is_said_and_only_a_service_or_an_operator_switches_it_on(service, operator, engine):
    email = {"email": "alice@example.test"}
    on = service.put("/v1/users/alice", email).json
    assert (on["email_disabled_at"], on["email_disabled_reason"]) == (None, None)
    disable_mailboxes(engine)
    for off in (service.get("/v1/users/alice").json, service.put("/v1/users/alice", email).json):
        assert off["email_disabled_reason"] == GONE
        assert off["email_disabled_at"].endswith("Z")
    assert service.post("/v1/users/alice/email/enable", None).json == on
    assert service.post("/v1/users/alice/email/enable", None).json == on
    disable_mailboxes(engine)
    assert operator.post("/v1/users/alice/email/enable", None, Carillon_Tenant="acme").json == on
    with read(engine) as connection:
        records = list_records(connection, "acme", action="email.enable")
    assert [(r.actor_kind, r.subject, r.details) for r in records] == [
        ("operator", "alice", {"reason": GONE}),
        ("service", "alice", {"reason": GONE}),
    ]


def test_what_is_not_there_is_not_switched_on(service, trial):
    assert service.post("/v1/users/nobody/email/enable", None).status_code == 404
    service.put("/v1/users/alice", {})
    missing = service.post("/v1/users/alice/email/enable", None)
    assert (missing.status_code, missing.json["detail"]) == (404, "there is no such mailbox")
    assert trial.post("/v1/users/alice/email/enable", None).status_code == 403


@pytest.mark.parametrize(
    "name", ["a/b", "a//b", "auth0|17", "https://idp.test/u/1", "ä ö", "a?b#c", "100%", "..a", "+1"]
)
def test_an_id_may_be_anything_printable(service, name):
    path = "/v1/users/" + quote(name, safe="")
    assert service.put(path, {"locale": "de"}).json["id"] == name
    assert service.get(path).json["id"] == name
    assert service.put(f"{path}/devices", {"token": TOKEN}).status_code == 200
    [device] = service.get(f"{path}/devices").json["data"]
    assert service.delete(f"{path}/devices/{device['id']}").status_code == 200
    assert service.delete(path).status_code == 200


@pytest.mark.parametrize("name", ["alice", "a/b", "https://idp.test/u/1"])
def test_a_service_mints_tokens_that_open_the_inbox_of_one_user(client, service, name):
    path = f"/v1/users/{quote(name, safe='')}/tokens"
    first, second = service.post(path, {}), service.post(path, {"lifetime": 60})
    assert (first.status_code, second.status_code) == (201, 201)
    for answer, seconds in ((first, 3600), (second, 60)):
        left = datetime.fromisoformat(answer.json["expires_at"]) - datetime.now(UTC)
        assert timedelta(seconds=seconds - 10) < left <= timedelta(seconds=seconds)
    service.send(audience={"users": [name]}, title="Hello")
    user = Caller(client, first.json["token"])
    assert user.get("/v1/inbox").status_code == 200
    assert user.post("/v1/notifications", {}).json["code"] == "forbidden"
    assert service.post(path, {}).json["token"] != service.post(path, {}).json["token"]


@pytest.mark.parametrize("lifetime", [0, -1, 86401, "1h", None, 1.5])
def test_a_token_lives_for_a_second_to_a_day(service, lifetime):
    refused = service.post("/v1/users/alice/tokens", {"lifetime": lifetime})
    assert (refused.status_code, fields(refused)) == (422, ["lifetime"])


def test_a_test_key_mints_no_tokens_for_real_inboxes(client, engine, service):
    refused = Caller(client, create_api_key(engine, mode="test")).post("/v1/users/alice/tokens", {})
    assert (refused.status_code, refused.json["code"]) == (403, "forbidden")


def test_without_a_key_that_signs_minting_is_refused_with_what_to_do(tmp_path, settings, service, api_key):
    bare = create_settings(tmp_path, DATABASE_URL=settings.database_url, CARILLON_JWKS_FILE="")
    refused = Caller(create_app(bare).test_client(), api_key).post("/v1/users/alice/tokens", {})
    assert (refused.status_code, refused.json["code"]) == (409, "no_signing_key")
    assert "CARILLON_JWKS_FILE" in refused.json["detail"]


@pytest.mark.parametrize("name", ["a" * 129, "%0A", "%00", "%FF", "%E2%80%AE"])
def test_an_id_that_is_none_is_refused(service, engine, name):
    refused = service.put(f"/v1/users/{name}", {})
    assert (refused.status_code, fields(refused)) == (422, ["user"])
    assert number(engine, users) == 0


@pytest.mark.parametrize(
    ("document", "field"),
    [({"email": "x"}, "email"), ({"locale": 1}, "locale"), ({"phone": "1"}, "phone"), ([], "body"), (None, None)],
)
def test_a_bad_user_is_refused(service, document, field):
    refused = service.put("/v1/users/alice", document)
    assert refused.status_code in (415, 422)
    assert field is None or fields(refused) == [field]


def test_a_test_key_changes_nobody(trial, service, engine):
    service.put("/v1/users/alice", {"email": "alice@example.test"})
    for method, path, document in [
        ("PUT", "/v1/users/alice", {"email": "thief@example.test"}),
        ("DELETE", "/v1/users/alice", None),
        ("PUT", "/v1/users/alice/devices", {"token": TOKEN}),
        ("DELETE", "/v1/users/alice/devices/x", None),
        ("PUT", "/v1/topics/news", {"open": True}),
        ("PUT", "/v1/topics/news/members", {"users": ["alice"]}),
        ("DELETE", "/v1/topics/news/members", {"users": ["alice"]}),
    ]:
        refused = trial.ask(method, path, document)
        assert (refused.status_code, refused.json["code"]) == (403, "forbidden")
    assert trial.get("/v1/users/alice").json["email"] == "alice@example.test"
