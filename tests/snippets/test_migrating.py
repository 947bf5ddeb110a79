"""docs/migrating.md: services of the earlier systems with the lines changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import Engine, select

from carillon.requests import Event
from models.events.tables import events
from models.rooms.tables import rooms
from models.sql.engine import read
from tests.snippets.blocks import block
from tests.snippets.programs import after, node, python

GUIDE = "docs/migrating.md"
CONFIGURE = after(block(GUIDE, "carillon.configure"))
HUB = after(block(GUIDE, "EventEmitter.emit_to_account"))
IN_TRANSACTION = after(block(GUIDE, "save_task"))
TENANT_EVENTS = after(block(GUIDE, "async function publish"))
OUTBOX = after(block(GUIDE, "transaction.query"))
FOUR_NAMESPACES = after(block(GUIDE, "publish_post_to_platforms"))
GROUPS = after(block(GUIDE, "membersOf"))
LISTENS = after(block(GUIDE, "socket.on"))
SIMPLE = after(block(GUIDE, "process_immigration_form"))

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.mark.slow
@on_sqlite
def test_services_in_python(reached: dict[str, str], client: Any, api_key: str):
    hub = HUB.replace("acc_xxx", "acme")
    in_transaction = (
        "from contextlib import nullcontext as begin\nfrom types import SimpleNamespace as Stub\n"
        "engine, task, account_key, user_key = Stub(begin=begin), Stub(title='T'), 'acme', 'alice'\n"
        f"save_task = lambda connection, task: None\n{IN_TRANSACTION}"
    )
    program = [
        CONFIGURE,
        "from datetime import datetime",
        hub,
        in_transaction,
        FOUR_NAMESPACES,
        "publish_post_to_platforms(17, 'bob', ['instagram'])",
        SIMPLE,
        "process_immigration_form({'id': 7}, 'carol')",
        "print(get_connection_metrics(), get_user_sessions('carol'))",
    ]
    python("\n".join(program), **reached)
    as_service = {"Authorization": f"Bearer {api_key}"}
    sent = client.get("/v1/notifications", headers=as_service).json["data"]
    assert sorted((one["title"], one["level"]) for one in sent) == [
        ("New Task", "info"),
        ("New Task", "info"),
        ("Published", "success"),
        ("Your immigration form has been submitted successfully", "success"),
    ]
    alerts = client.get("/v1/alerts", headers=as_service).json["data"]
    assert [(one["title"], one["level"]) for one in alerts] == [("Low Oxygen", "critical")]


# What the services of the guide have besides.
TENANT_SERVICE = """
let handler;
const router = { post: (path, protect, validate, handle) => { handler = handle; } };
const [protect, validateTenantAccess, data] = [];
const createExpense = async () => ({ id: 7 });
"""
GROUP_SERVICE = """
const [groupId, message] = ["g1", { message: "Hello", isPrivate: false }];
const membersOf = async () => ["alice", "bob"];
"""


@pytest.mark.slow
@on_sqlite
def test_services_in_node(reached: dict[str, str], client: Any, api_key: str, engine: Engine):
    answered = node(
        f"{TENANT_SERVICE}{TENANT_EVENTS}\n"
        "await handler({}, { json: (expense) => console.log(JSON.stringify(expense)) });",
        **reached,
    )
    assert json.loads(answered) == {"id": 7}
    declared = client.put(
        "/v1/event-types/group:message", json={"title": "A message"}, headers={"Authorization": f"Bearer {api_key}"}
    )
    assert declared.status_code == 200
    node(GROUP_SERVICE + GROUPS, **reached)
    with read(engine) as connection:
        stored = connection.execute(select(rooms.c.key, events.c.type).join_from(events, rooms)).all()
    assert sorted((row.key, row.type) for row in stored) == [
        ("acme", "expense:created"),
        ("alice", "group:message"),
        ("bob", "group:message"),
    ]


def test_the_outbox_in_node():
    inserted = node(
        "const [req, expense] = [{ tenant: { id: 'acme' } }, { id: 7 }];\n"
        "const transaction = { query: async (...given) => console.log(JSON.stringify(given)) };\n" + OUTBOX
    )
    statement, (tenant, kind, body) = json.loads(inserted)
    assert statement == "INSERT INTO carillon_outbox (tenant_id, kind, body) VALUES ($1, $2, $3)"
    assert (tenant, kind, Event.model_validate_json(body).data) == ("acme", "event", {"id": 7})


def test_clients_of_groups_listen_to_what_the_service_publishes():
    heard = node(
        "import { EventEmitter } from 'node:events';\nconst socket = new EventEmitter();\n"
        "const show = ({ message }) => console.log(message);\n"
        f"{LISTENS}\nsocket.emit('group:message', {{ message: 'Hello' }});"
    )
    assert heard == "Hello\n"
    assert "type: 'group:message'" in GROUPS
