"""What /docs offers to copy works."""

from __future__ import annotations

from typing import Any

import pytest

from tests.factories import create_users
from web.examples import EXAMPLES, PLACES


@pytest.fixture
def operations(app: Any) -> dict[str, tuple[str, str, list[str]]]:
    """By operationId: method, path, and who may call it."""
    document = app.test_client().get("/openapi.json").json
    return {
        operation["operationId"]: (method.upper(), path, [name for way in operation["security"] for name in way])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if "requestBody" in operation
    }


def test_every_body_has_one_example_and_no_example_is_left_over(operations):
    assert set(EXAMPLES) == set(operations)


def test_every_example_is_taken(operations, service, alice, operator, engine, tenant):
    assert tenant == "acme"
    create_users(engine, ["alice", "bob"])
    garden = {"type": "group", "id": "garden", "participants": ["bob"], "created_by": "alice"}
    assert service.post("/v1/conversations", garden).status_code == 201
    message = alice.post("/v1/conversations/garden/messages", {"content": "Hello"}).json["id"]
    # What may be subscribed to has to be open first.
    for name in sorted(EXAMPLES, key=lambda name: name != "put_topic"):
        method, path, allowed = operations[name]
        for place, value in (PLACES | {"{message}": message}).items():
            path = path.replace(place, value)
        caller = alice if "user" in allowed else service if "service" in allowed else operator
        answer = caller.ask(method, path, EXAMPLES[name])
        assert answer.status_code < 300, (name, answer.json)


def test_the_document_shows_them(client):
    content = client.get("/openapi.json").json["paths"]["/v1/notifications"]["post"]["requestBody"]["content"]
    assert content["application/json"]["example"] == EXAMPLES["send_notification"]
