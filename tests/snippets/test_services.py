"""docs/services.md: what services call, and what they write to the outbox."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from random import random
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, create_engine, insert, text

from actions.take_in import take_in
from carillon.requests import Alert, Event, Notification, Recall, Request
from models.outbox.tables import carillon_outbox
from models.sql.engine import write
from tests.carillon.outbox_table import create_outbox, rows
from tests.factories import create_installation, create_tenant
from tests.snippets.blocks import block
from tests.snippets.programs import node, python, shell

GUIDE = "docs/services.md"
CLIENT = block(GUIDE, "client.publish_event")
ASYNC_CLIENT = block(GUIDE, "AsyncClient")
REDRIVE = block(GUIDE, "client.usage")
CURL = block(GUIDE, "curl")
SERVICE = block(GUIDE, "create_expense")
DB_API = block(GUIDE, "DATABASE_FILE")
POSTGRESQL = block(GUIDE, "jsonb_build_object")
SQLITE = block(GUIDE, " json_object")
NODE = block(GUIDE, "client.query")
GO = block(GUIDE, "db.BeginTx")
REJECTED = block(GUIDE, "client.rejected")

MODELS: dict[str, type[Request]] = {"notification": Notification, "alert": Alert, "event": Event, "recall": Recall}
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def shared(engine: Engine) -> Engine:
    """A database with the outbox, and with the table of the service."""
    create_tenant(engine)
    create_outbox(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE expenses (id integer PRIMARY KEY, person text, amount integer)"))
    return engine


def valid(row: dict[str, Any]) -> bool:
    return MODELS[row["kind"]].model_validate(row["body"]) is not None


@pytest.mark.slow
@on_sqlite
def test_the_client(reached: dict[str, str]):
    printed = python(CLIENT, **reached)
    assert UUID(printed.splitlines()[0]).version == 7


@pytest.mark.slow
@on_sqlite
def test_the_client_for_asyncio(reached: dict[str, str]):
    python("import os, carillon; c = carillon.Client(os.environ['CARILLON_URL'], os.environ['CARILLON_KEY'])\n"
           "c.raise_alert(title='Low oxygen', message='M')", **reached)  # fmt: skip
    assert python(ASYNC_CLIENT, **reached) == "Low oxygen\n"


@pytest.mark.slow
@on_sqlite
def test_a_redrive_and_usage(app: Any, reached: dict[str, str]):
    python("import os, carillon; c = carillon.Client(os.environ['CARILLON_URL'], os.environ['CARILLON_KEY'])\n"
           "c.send(audience={'users': ['alice']}, title='T', message='M')", **reached)  # fmt: skip
    app.extensions["carillon"].meter.usage.flush()
    kept, used = python(REDRIVE, **reached).splitlines()
    assert (kept, used.split(" ", 1)[1]) == ("{}", "1 0 {}")


@pytest.mark.slow
@on_sqlite
def test_curl(reached: dict[str, str]):
    printed = shell(CURL, **reached)
    assert '"status":"accepted"' in printed
    assert '"accepted":1' in printed


@pytest.mark.slow
def test_the_service_with_the_shared_database(shared: Engine):
    url = shared.url.render_as_string(hide_password=False)
    python(
        f"{SERVICE}\n"
        "app.logger.disabled = True\n"
        "page = app.test_client()\n"
        "for number, amount in ((1, 600), (2, 500), (2, 1)):\n"
        "    page.post('/expenses', json={'id': number, 'person': 'alice', 'amount': amount})\n"
        "page.delete('/expenses/1')\n",
        DATABASE_URL=url,
    )
    stored = rows(shared)
    assert all(valid(row) for row in stored)
    # The second expense with the number 2 was rolled back, and its event with it.
    assert [(row["kind"], row["body"].get("type") or row["body"]["title"]) for row in stored] == [
        ("event", "expense:created"),
        ("event", "expense:created"),
        ("notification", "Budget exceeded"),
        ("event", "expense:deleted"),
    ]


def test_a_driver_of_the_db_api(tmp_path: Path):
    path = tmp_path / "shared.db"
    engine = create_engine(f"sqlite:///{path}")
    create_outbox(engine)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE expenses (id integer PRIMARY KEY, person text, amount integer)")
    python(DB_API, DATABASE_FILE=str(path))
    [row] = rows(engine)
    assert (row["kind"], row["body"]["title"], valid(row)) == ("alert", "First expense", True)


def test_plain_sql(shared: Engine):
    example = POSTGRESQL if shared.dialect.name == "postgresql" else SQLITE
    with shared.begin() as connection:
        for statement in example.split(";")[:-1]:
            connection.exec_driver_sql(statement)
    stored = rows(shared)
    assert {row["kind"] for row in stored} >= {"notification", "alert"}
    assert UUID("0193ec00-0000-7000-8000-000000000001") in {row["id"] for row in stored}
    assert all(valid(row) for row in stored)


def test_other_languages_insert_the_same_row():
    # Neither a driver of PostgreSQL for Node nor Go is here: what they would send is looked at.
    driver = "const client = { query: async (...given) => console.log(JSON.stringify(given)) };\n"
    sent = [json.loads(line) for line in node(driver + NODE).splitlines()]
    assert [given[0].split()[0] for given in sent] == ["BEGIN", "INSERT", "INSERT", "COMMIT"]
    statement, (tenant, kind, body) = sent[2]
    assert (statement, tenant) == ("INSERT INTO carillon_outbox (tenant_id, kind, body) VALUES ($1, $2, $3)", "acme")
    assert valid({"kind": kind, "body": json.loads(body)})
    assert f'"{statement}", "acme", "event", body' in GO
    [body] = re.findall(r"body := `(.*)`", GO)
    Event.model_validate(json.loads(body))


@pytest.mark.slow
@on_sqlite
def test_rejected_rows(reached: dict[str, str], engine: Engine):
    values = {"tenant_id": "acme", "kind": "notification", "body": {"title": "Hello"}}
    with write(engine) as connection:
        connection.execute(insert(carillon_outbox).values(values))
    take_in(create_installation(engine), random)
    assert re.fullmatch(r"[0-9a-f-]{36} notification validation message: is required .*\n", python(REJECTED, **reached))
