"""API keys: their maker, their last use, their end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from actions.installation import utc_now
from models.sql.engine import read, write
from models.tenants.tables import api_keys
from models.timestamps import iso
from tests.waiting import eventually
from tests.web.callers import Caller

KEYS = "/v1/operator/tenants/acme/keys"


def test_a_key_says_who_made_it_and_when_it_was_used(operator, client, engine, tenant):
    made = operator.post(KEYS, {"name": "shop"}).json
    assert (made["created_by"], made["last_used_at"], made["expires_at"]) == ("operator ops", None, None)
    shop = Caller(client, made["key"])
    shop.send()

    def last_used() -> str | None:
        [key] = operator.get(KEYS).json["data"]
        return key["last_used_at"]

    assert eventually(lambda: last_used() is not None)
    first = last_used()
    shop.send()
    assert last_used() == first


def test_a_use_is_written_once_a_minute_by_all_processes_together(engine, api_key, monkeypatch, app, client):
    minute_ago = utc_now() - timedelta(seconds=61)
    with write(engine) as connection:
        connection.execute(update(api_keys).values(last_used_at=minute_ago))
    Caller(client, api_key).send()

    def used():
        with read(engine) as connection:
            return connection.execute(select(api_keys.c.last_used_at)).scalar_one()

    assert eventually(lambda: used() > minute_ago)


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("seconds", [3600, -3600], ids=["forward", "back"])
def test_a_web_process_whose_clock_is_an_hour_off_goes_by_the_database(
    operator, client, engine, tenant, clocks, seconds
):
    clocks.set_machine(seconds)
    made = operator.post(KEYS, {"name": "shop", "expires_at": iso(datetime.now(UTC) + timedelta(minutes=30))}).json
    shop = Caller(client, made["key"])
    sent = shop.send()
    assert sent.status_code == 202
    assert abs(datetime.fromisoformat(sent.json["created_at"]) - datetime.now(UTC)) < timedelta(seconds=30)
    with write(engine) as connection:
        connection.execute(update(api_keys).values(expires_at=datetime.now(UTC) - timedelta(minutes=1)))
    assert shop.send().status_code == 401


def test_an_expired_key_is_refused_and_told_so(operator, client, engine, tenant):
    until = utc_now() + timedelta(hours=1)
    made = operator.post(KEYS, {"name": "shop", "expires_at": iso(until)}).json
    assert made["expires_at"] == iso(until)
    shop = Caller(client, made["key"])
    assert shop.send().status_code == 202
    with write(engine) as connection:
        connection.execute(update(api_keys).values(expires_at=utc_now()))
    refused = shop.send()
    assert (refused.status_code, refused.json["code"]) == (401, "token_expired")
    assert "the API key expired at" in refused.json["detail"]


@pytest.mark.parametrize("bad", ["2020-01-01T00:00:00Z", "2030-01-01T00:00:00", "soon", 1])
def test_a_key_expires_in_the_future(operator, tenant, bad):
    refused = operator.post(KEYS, {"name": "shop", "expires_at": bad})
    assert (refused.status_code, refused.json["errors"][0]["field"]) == (422, "expires_at")


def test_a_key_of_the_command_line_can_expire(app, tenant, operator):
    run = app.test_cli_runner().invoke
    assert run(args=["keys", "create", "--tenant", tenant, "--name", "x", "--expires-in", "7"]).exit_code == 0
    [key] = operator.get(KEYS).json["data"]
    assert key["expires_at"] is not None
    assert key["created_by"].startswith("operator cli:")
