"""/openapi.json and the application are one: every route, and every status that a route can answer."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from functools import reduce
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from openapi_spec_validator import validate
from sqlalchemy import Uuid, literal, select

from actions.attachments import create_ticket
from actions.installation import utc_now
from actions.principal import Principal
from bus.token_bucket import Limit
from models.attachments.queries import NewAttachment
from models.attachments.tables import attachments
from models.deliveries.tables import deliveries, redrives
from models.sql.engine import write
from models.tenants.quotas import DEFAULTS, Quota
from tests import factories
from tests.chat import group, user
from tests.factories import create_settings, expand_all
from tests.web import contract
from tests.web.callers import BODY, Caller, body
from web.app import create_app
from web.limits import Limiter

MEMBERS = {"users": ["alice"]}
EVENT = {"audience": {"users": ["alice"]}, "type": "stream:data", "data": {"n": 1}}
NOTE = {"user_id": "alice", "message": "Hello"}
# The id of the device with the token "mine".
MINE = hashlib.sha256(b"mine").hexdigest()[:16]
# An attachment of the conversation "talk", with the bytes b"x".
FILE_ID = "01a00000-0000-7000-8000-00000000000f"
FILE = {"name": "a.txt", "size": 1, "type": "text/plain", "sha256": hashlib.sha256(b"x").hexdigest()}
TALK = "/v1/conversations/talk/attachments"
ALERT = {"title": "Low oxygen", "message": "In pond A"}
CHAT = "/v1/conversations/chat"
# One good request for each operation; {n} is a notification, {d} a device, {a} an alert, {k} a key,
# {r} a redrive, {m} a message of the conversation "chat".
GOOD: dict[tuple[str, str], tuple[str, object]] = {
    ("POST", "/v1/notifications"): ("/v1/notifications", BODY),
    ("POST", "/v1/notifications/bulk"): ("/v1/notifications/bulk", {"items": [BODY]}),
    ("GET", "/v1/notifications"): ("/v1/notifications", None),
    ("GET", "/v1/notifications/{notification}"): ("/v1/notifications/{n}", None),
    ("GET", "/v1/notifications/{notification}/deliveries"): ("/v1/notifications/{n}/deliveries", None),
    ("GET", "/v1/inbox"): ("/v1/inbox", None),
    ("GET", "/v1/inbox/counts"): ("/v1/inbox/counts", None),
    ("GET", "/v1/inbox/{notification}"): ("/v1/inbox/{n}", None),
    ("GET", "/v1/notifications/{notification}/content"): ("/v1/notifications/{n}/content", None),
    **{
        ("POST", f"/v1/inbox/{{notification}}/{action}"): (f"/v1/inbox/{{n}}/{action}", None)
        for action in ("read", "unread", "seen", "archive", "unarchive")
    },
    ("POST", "/v1/users/{user}/inbox/{notification}/read"): ("/v1/users/alice/inbox/{n}/read", None),
    ("POST", "/v1/users/{user}/inbox/read-all"): ("/v1/users/alice/inbox/read-all", None),
    ("POST", "/v1/inbox/read-all"): ("/v1/inbox/read-all", {}),
    ("POST", "/v1/inbox/seen"): ("/v1/inbox/seen", {}),
    ("GET", "/api/notifications"): ("/api/notifications", None),
    ("GET", "/api/notifications/stats"): ("/api/notifications/stats", None),
    ("POST", "/api/notifications/read-all"): ("/api/notifications/read-all", None),
    ("GET", "/api/notifications/{notification}"): ("/api/notifications/{n}", None),
    ("PUT", "/api/notifications/{notification}/read"): ("/api/notifications/{n}/read", None),
    ("DELETE", "/api/notifications/{notification}"): ("/api/notifications/{n}", None),
    ("DELETE", "/v1/inbox/{notification}"): ("/v1/inbox/{n}", None),
    ("DELETE", "/v1/users/{user}/inbox/{notification}"): ("/v1/users/alice/inbox/{n}", None),
    ("POST", "/v1/inbox/clear"): ("/v1/inbox/clear", {}),
    ("POST", "/api/notifications"): ("/api/notifications", NOTE),
    ("POST", "/api/test/notification/{user}"): ("/api/test/notification/alice", {"message": "Hello", "type": "info"}),
    ("POST", "/v1/alerts"): ("/v1/alerts", ALERT),
    ("GET", "/v1/alerts"): ("/v1/alerts", None),
    ("GET", "/v1/alerts/count"): ("/v1/alerts/count", None),
    ("GET", "/v1/alerts/{alert}"): ("/v1/alerts/{a}", None),
    ("POST", "/v1/alerts/{alert}/acknowledge"): ("/v1/alerts/{a}/acknowledge", None),
    ("DELETE", "/v1/alerts/{alert}"): ("/v1/alerts/{a}", None),
    ("DELETE", "/v1/notifications/{notification}"): ("/v1/notifications/{n}", None),
    ("POST", "/v1/conversations"): ("/v1/conversations", {"type": "group", "participants": []}),
    ("GET", "/v1/conversations"): ("/v1/conversations", None),
    ("GET", "/v1/users/{user}/conversations"): ("/v1/users/alice/conversations", None),
    ("GET", "/v1/conversations/unread"): ("/v1/conversations/unread", None),
    ("GET", "/v1/conversations/search"): ("/v1/conversations/search?q=hello&conversation=chat", None),
    ("GET", "/v1/conversations/{conversation}"): (CHAT, None),
    ("PATCH", "/v1/conversations/{conversation}"): (CHAT, {"name": "Pond"}),
    ("PATCH", "/v1/conversations/{conversation}/settings"): (f"{CHAT}/settings", {"notify": "mentions"}),
    ("GET", "/v1/conversations/{conversation}/members"): (f"{CHAT}/members", None),
    ("POST", "/v1/conversations/{conversation}/members"): (f"{CHAT}/members", {"users": ["carol"]}),
    ("PATCH", "/v1/conversations/{conversation}/members/{user}"): (f"{CHAT}/members/carol", {"role": "moderator"}),
    ("DELETE", "/v1/conversations/{conversation}/members/{user}"): (f"{CHAT}/members/carol", None),
    ("POST", "/v1/conversations/{conversation}/join"): (f"{CHAT}/join", None),
    ("GET", "/v1/conversations/{conversation}/messages"): (f"{CHAT}/messages", None),
    ("POST", "/v1/conversations/{conversation}/messages"): (f"{CHAT}/messages", {"content": "Hello"}),
    ("GET", "/v1/conversations/{conversation}/messages/{message}"): (f"{CHAT}/messages/{{m}}", None),
    ("PATCH", "/v1/conversations/{conversation}/messages/{message}"): (f"{CHAT}/messages/{{m}}", {"content": "Hi"}),
    ("GET", "/v1/conversations/{conversation}/messages/{message}/receipts"): (f"{CHAT}/messages/{{m}}/receipts", None),
    ("PUT", "/v1/conversations/{conversation}/messages/{message}/reactions/{emoji}"): (
        f"{CHAT}/messages/{{m}}/reactions/%F0%9F%91%8D",
        None,
    ),
    ("DELETE", "/v1/conversations/{conversation}/messages/{message}/reactions/{emoji}"): (
        f"{CHAT}/messages/{{m}}/reactions/%F0%9F%91%8D",
        None,
    ),
    ("POST", "/v1/conversations/{conversation}/read"): (f"{CHAT}/read", {}),
    ("POST", "/v1/conversations/{conversation}/delivered"): (f"{CHAT}/delivered", {}),
    ("GET", "/api/chat/conversations"): ("/api/chat/conversations", None),
    ("GET", "/api/chat/conversations/{conversation}/messages"): ("/api/chat/conversations/chat/messages", None),
    ("GET", "/api/chat/unread"): ("/api/chat/unread", None),
    ("GET", "/api/chat/search"): ("/api/chat/search?q=hello&conversationId=chat", None),
    ("POST", "/api/messages"): ("/api/messages", {"groupId": "chat", "content": "Hello"}),
    ("DELETE", "/v1/conversations/{conversation}/messages/{message}"): (f"{CHAT}/messages/{{m}}?for=me", None),
    ("PUT", "/v1/users/{user}"): ("/v1/users/alice", {"locale": "de", "email": "alice@example.test"}),
    ("GET", "/v1/users/{user}"): ("/v1/users/alice", None),
    ("POST", "/v1/users/{user}/email/enable"): ("/v1/users/alice/email/enable", None),
    ("PUT", "/v1/users/{user}/devices"): ("/v1/users/alice/devices", {"token": "t"}),
    ("GET", "/v1/users/{user}/devices"): ("/v1/users/alice/devices", None),
    ("DELETE", "/v1/users/{user}/devices/{device}"): ("/v1/users/alice/devices/{d}", None),
    ("POST", "/v1/users/{user}/tokens"): ("/v1/users/alice/tokens", {}),
    ("POST", "/v1/conversations/{conversation}/attachments"): (TALK, FILE),
    ("GET", "/v1/conversations/{conversation}/attachments/{attachment}"): (f"{TALK}/{FILE_ID}", None),
    ("POST", "/v1/conversations/{conversation}/attachments/{attachment}/complete"): (
        f"{TALK}/{FILE_ID}/complete",
        None,
    ),
    ("DELETE", "/v1/users/{user}"): ("/v1/users/alice", None),
    ("PUT", "/v1/devices"): ("/v1/devices", {"token": "mine"}),
    ("GET", "/v1/devices"): ("/v1/devices", None),
    ("DELETE", "/v1/devices/{device}"): (f"/v1/devices/{MINE}", None),
    ("DELETE", "/v1/devices"): ("/v1/devices", None),
    ("POST", "/api/fcm/register-device"): ("/api/fcm/register-device", {"token": "mine", "platform": "web"}),
    ("GET", "/api/fcm/device-list"): ("/api/fcm/device-list", None),
    ("POST", "/api/fcm/unregister-device"): ("/api/fcm/unregister-device", {"token": "mine"}),
    ("POST", "/api/fcm/unregister-all"): ("/api/fcm/unregister-all", None),
    ("PUT", "/v1/topics/{topic}"): ("/v1/topics/news", {"open": True}),
    ("PUT", "/v1/subscriptions/{topic}"): ("/v1/subscriptions/news", None),
    ("GET", "/v1/subscriptions"): ("/v1/subscriptions", None),
    ("DELETE", "/v1/subscriptions/{topic}"): ("/v1/subscriptions/news", None),
    ("POST", "/api/fcm/subscribe-topic"): ("/api/fcm/subscribe-topic", {"topic": "news", "token": "mine"}),
    ("POST", "/api/fcm/unsubscribe-topic"): ("/api/fcm/unsubscribe-topic", {"topic": "news"}),
    ("PUT", "/v1/topics/{topic}/members"): ("/v1/topics/news/members", MEMBERS),
    ("DELETE", "/v1/topics/{topic}/members"): ("/v1/topics/news/members", MEMBERS),
    ("GET", "/v1/outbox/rejected"): ("/v1/outbox/rejected", None),
    ("GET", "/v1/users/{user}/inbox"): ("/v1/users/alice/inbox", None),
    ("GET", "/v1/users/{user}/connections"): ("/v1/users/alice/connections", None),
    ("GET", "/v1/connections/count"): ("/v1/connections/count", None),
    ("GET", "/api/stats"): ("/api/stats", None),
    ("POST", "/v1/connections/{connection}/messages"): ("/v1/connections/abcdefgh/messages", {"message": {"n": 1}}),
    ("GET", "/v1/dead-letters"): ("/v1/dead-letters", None),
    ("POST", "/v1/dead-letters/redrive"): ("/v1/dead-letters/redrive", {}),
    ("GET", "/v1/redrives/{redrive}"): ("/v1/redrives/{r}", None),
    ("GET", "/v1/deliveries"): ("/v1/deliveries?user=alice", None),
    ("GET", "/v1/audit"): ("/v1/audit", None),
    ("GET", "/v1/usage"): ("/v1/usage", None),
    ("GET", "/v1/events"): ("/v1/events", None),
    ("GET", "/v1/events/head"): ("/v1/events/head", None),
    ("POST", "/v1/acks"): ("/v1/acks", {"up_to_seq": 1}),
    ("GET", "/v1/presence"): ("/v1/presence", None),
    ("GET", "/v1/operator/overview"): ("/v1/operator/overview", None),
    ("GET", "/v1/operator/dead-letters/summary"): ("/v1/operator/dead-letters/summary", None),
    ("GET", "/v1/operator/users"): ("/v1/operator/users?tenant=acme", None),
    ("GET", "/v1/operator/users/{user}"): ("/v1/operator/users/alice?tenant=acme", None),
    ("GET", "/v1/operator/tenants"): ("/v1/operator/tenants", None),
    ("GET", "/v1/operator/usage"): ("/v1/operator/usage", None),
    ("POST", "/v1/operator/tenants"): ("/v1/operator/tenants", {"id": "newcomer"}),
    ("GET", "/v1/operator/tenants/{tenant}/keys"): ("/v1/operator/tenants/acme/keys", None),
    ("GET", "/v1/operator/tenants/{tenant}/quotas"): ("/v1/operator/tenants/acme/quotas", None),
    ("POST", "/v1/operator/tenants/{tenant}/keys"): ("/v1/operator/tenants/acme/keys", {"name": "shop"}),
    ("DELETE", "/v1/operator/tenants/{tenant}/keys/{prefix}"): ("/v1/operator/tenants/acme/keys/{k}", None),
    ("POST", "/v1/events"): ("/v1/events", EVENT),
    ("GET", "/v1/event-types"): ("/v1/event-types", None),
    ("GET", "/v1/event-types.ts"): ("/v1/event-types.ts", None),
    ("PUT", "/v1/event-types/{name}"): ("/v1/event-types/invoice:paid", {"title": "An invoice was paid"}),
    ("GET", "/v1/event-types/{name}"): ("/v1/event-types/invoice:paid", None),
    ("DELETE", "/v1/event-types/{name}"): ("/v1/event-types/invoice:paid", None),
    ("GET", "/api/polling/{tenant}/events"): ("/api/polling/acme/events", None),
    ("POST", "/api/polling/{tenant}/events/acknowledge"): (
        "/api/polling/acme/events/acknowledge",
        {"eventIds": ["user:alice:1"]},
    ),
}
ALERTS_OF_SERVICES = {("POST", "/v1/alerts"), ("DELETE", "/v1/alerts/{alert}")}
# What users' tokens open; services' keys open the rest.
USERS = {
    ("GET", "/v1/events"),
    ("GET", "/v1/events/head"),
    ("POST", "/v1/acks"),
    ("GET", "/v1/presence"),
    ("GET", "/v1/notifications/{notification}/content"),
    ("GET", "/api/polling/{tenant}/events"),
    ("POST", "/api/polling/{tenant}/events/acknowledge"),
    *(where for where in GOOD if where[1].startswith(("/v1/inbox", "/v1/devices", "/v1/subscriptions", "/api/fcm"))),
    *(where for where in GOOD if where[1].startswith("/v1/conversations")),
    *(where for where in GOOD if where[1].startswith("/api/notifications") and where != ("POST", "/api/notifications")),
    *(where for where in GOOD if where[1].startswith("/v1/alerts") and where not in ALERTS_OF_SERVICES),
    *(where for where in GOOD if where[1].startswith(("/v1/conversations", "/api/chat", "/api/messages"))),
}
OPERATORS = {where for where in GOOD if where[1].startswith(("/v1/operator/", "/v1/audit"))}
# What a user does for themselves only.
OF_ONESELF = ("/settings", "/join", "/read", "/delivered", "{emoji}", "/attachments", "{attachment}", "/complete")
# What services' keys open too.
OF_BOTH = {
    ("GET", "/v1/alerts"),
    ("GET", "/v1/alerts/count"),
    ("GET", "/v1/alerts/{alert}"),
    ("POST", "/api/messages"),
    ("POST", "/v1/conversations"),
    *(w for w in GOOD if w[1].startswith("/v1/conversations/{") and not w[1].endswith(OF_ONESELF)),
}
# What operators' tokens open too, in the name of a tenant.
SHARED = {
    ("GET", "/v1/notifications"),
    ("GET", "/v1/notifications/{notification}"),
    ("GET", "/v1/notifications/{notification}/deliveries"),
    ("DELETE", "/v1/notifications/{notification}"),
    ("GET", "/v1/users/{user}"),
    ("POST", "/v1/users/{user}/email/enable"),
    ("GET", "/v1/users/{user}/devices"),
    ("GET", "/v1/outbox/rejected"),
    ("GET", "/v1/users/{user}/inbox"),
    ("GET", "/v1/users/{user}/connections"),
    ("GET", "/v1/connections/count"),
    ("GET", "/api/stats"),
    ("GET", "/v1/dead-letters"),
    ("POST", "/v1/dead-letters/redrive"),
    ("GET", "/v1/redrives/{redrive}"),
    ("GET", "/v1/deliveries"),
    ("GET", "/v1/usage"),
    ("GET", "/v1/presence"),
}
# Requests for what does not exist.
ABSENT = {
    ("GET", "/v1/operator/dead-letters/summary"): "/v1/operator/dead-letters/summary?tenant=nobody",
    ("GET", "/v1/operator/users"): "/v1/operator/users?tenant=nobody",
    ("GET", "/v1/operator/users/{user}"): "/v1/operator/users/nobody?tenant=acme",
    ("GET", "/v1/operator/tenants/{tenant}/keys"): "/v1/operator/tenants/nobody/keys",
    ("GET", "/v1/operator/tenants/{tenant}/quotas"): "/v1/operator/tenants/nobody/quotas",
    ("POST", "/v1/operator/tenants/{tenant}/keys"): "/v1/operator/tenants/nobody/keys",
    ("DELETE", "/v1/operator/tenants/{tenant}/keys/{prefix}"): "/v1/operator/tenants/acme/keys/nothing",
    ("GET", "/v1/notifications/{notification}"): f"/v1/notifications/{uuid4()}",
    ("GET", "/v1/notifications/{notification}/deliveries"): f"/v1/notifications/{uuid4()}/deliveries",
    ("GET", "/v1/notifications/{notification}/content"): f"/v1/notifications/{uuid4()}/content",
    ("DELETE", "/v1/notifications/{notification}"): f"/v1/notifications/{uuid4()}",
    ("GET", "/v1/users/{user}"): "/v1/users/nobody",
    ("POST", "/v1/users/{user}/email/enable"): "/v1/users/nobody/email/enable",
    ("GET", "/v1/redrives/{redrive}"): f"/v1/redrives/{uuid4()}",
    ("GET", "/v1/deliveries"): "/v1/deliveries?user=nobody",
    ("GET", "/v1/audit"): "/v1/audit?tenant=nobody",
    ("DELETE", "/v1/users/{user}"): "/v1/users/nobody",
    ("POST", "/v1/users/{user}/inbox/{notification}/read"): f"/v1/users/alice/inbox/{uuid4()}/read",
    ("DELETE", "/v1/users/{user}/inbox/{notification}"): f"/v1/users/nobody/inbox/{uuid4()}",
    ("GET", "/v1/users/{user}/devices"): "/v1/users/nobody/devices",
    ("DELETE", "/v1/users/{user}/devices/{device}"): "/v1/users/nobody/devices/x",
    ("DELETE", "/v1/devices/{device}"): "/v1/devices/x",
    ("POST", "/api/fcm/unregister-device"): "/api/fcm/unregister-device",
    ("PUT", "/v1/subscriptions/{topic}"): "/v1/subscriptions/secret",
    ("DELETE", "/v1/subscriptions/{topic}"): "/v1/subscriptions/secret",
    ("POST", "/api/fcm/subscribe-topic"): "/api/fcm/subscribe-topic",
    ("POST", "/api/fcm/unsubscribe-topic"): "/api/fcm/unsubscribe-topic",
    ("POST", "/v1/dead-letters/redrive"): "/v1/dead-letters/redrive",
    ("POST", "/v1/connections/{connection}/messages"): "/v1/connections/x/messages",
    ("GET", "/v1/event-types/{name}"): "/v1/event-types/no:such",
    ("DELETE", "/v1/event-types/{name}"): "/v1/event-types/no:such",
    **{where: where[1].replace("{conversation}", "nothing") for where in GOOD if "{conversation}" in where[1]},
    ("GET", "/api/polling/{tenant}/events"): "/api/polling/umbra/events",
    ("POST", "/api/polling/{tenant}/events/acknowledge"): "/api/polling/umbra/events/acknowledge",
    **{
        where: where[1].replace("{notification}", str(uuid4())).replace("{alert}", str(uuid4()))
        for where in GOOD
        if where[1].startswith(("/v1/inbox/{", "/api/notifications/{", "/v1/alerts/{"))
    },
    **{
        where: path.replace("conversations/chat", "conversations/none")
        for where, (path, _) in GOOD.items()
        if where[1].startswith(("/v1/conversations/{", "/api/chat/conversations/{"))
    },
    ("GET", "/v1/conversations/search"): "/v1/conversations/search?q=hello&conversation=none",
    ("GET", "/api/chat/search"): "/api/chat/search?q=hello&conversationId=none",
    ("POST", "/api/messages"): "/api/messages",
}
# What such a request has to say.
SAID = {
    **{where: document for where, (_, document) in GOOD.items() if where[1].startswith("/v1/conversations/{")},
    ("POST", "/api/messages"): {"groupId": "none", "content": "Hello"},
    ("POST", "/v1/operator/tenants/{tenant}/keys"): {"name": "shop"},
    ("POST", "/v1/dead-letters/redrive"): {"notification_id": "x"},
    ("POST", "/v1/connections/{connection}/messages"): {"message": {}},
    ("POST", "/v1/conversations/{conversation}/attachments"): FILE,
    ("POST", "/api/fcm/unregister-device"): {"token": "another"},
    ("POST", "/api/fcm/subscribe-topic"): {"topic": "secret"},
    ("POST", "/api/fcm/unsubscribe-topic"): {"topic": "secret"},
    ("POST", "/api/polling/{tenant}/events/acknowledge"): {"eventIds": []},
}
LONG_USER = "/v1/users/" + "a" * 200
UNREADABLE = {
    "{user}": LONG_USER,
    "{user}/devices": f"{LONG_USER}/devices",
    "{user}/email/enable": f"{LONG_USER}/email/enable",
    "{user}/tokens": f"{LONG_USER}/tokens",
    "{user}/inbox": f"{LONG_USER}/inbox",
    "{user}/inbox/read-all": f"{LONG_USER}/inbox/read-all",
    "{user}/inbox/{notification}/read": f"{LONG_USER}/inbox/x/read",
    "{user}/inbox/{notification}": f"{LONG_USER}/inbox/x",
    "{user}/connections": f"{LONG_USER}/connections",
    "/v1/connections/{connection}/messages": "/v1/connections/" + "a" * 65 + "/messages",
    "{user}/devices/{device}": f"{LONG_USER}/devices/x",
    "{user}/conversations": f"{LONG_USER}/conversations",
    "/v1/conversations/{conversation}/members/{user}": f"{CHAT}/members/" + "a" * 200,
    "/v1/operator/users/{user}": LONG_USER.replace("/v1", "/v1/operator"),
    "/api/test/notification/{user}": "/api/test/notification/" + "a" * 200,
}


def give_file(engine, app) -> None:
    """Create the conversation "talk" with alice, and the attachment FILE_ID, which is uploaded and not completed."""
    carillon = app.extensions["carillon"]
    group(carillon, "alice", id="talk")
    made, _ = create_ticket(carillon, user("alice"), "talk", NewAttachment(**FILE))
    with write(engine) as connection:
        connection.execute(attachments.update().where(attachments.c.id == made.id).values(id=UUID(FILE_ID)))
    carillon.storage.write(f"acme/{FILE_ID}", b"x")


@pytest.fixture
def spec(app):
    return app.test_client().get("/openapi.json").json


def test_the_description_of_a_member_says_its_default(spec):
    schemas = spec["components"]["schemas"]
    assert not [
        name for schema in schemas.values() for name, m in schema.get("properties", {}).items() if "default" in m
    ]
    level, data = (schemas["Notification"]["properties"][name] for name in ("level", "data"))
    assert level["description"].endswith(" `info` if not given.")
    assert "if not given" not in data["description"]
    assert "status" in schemas["AcceptedView"]["required"]


def test_the_document_is_valid_openapi(spec):
    assert spec["openapi"].startswith("3.1")
    validate(spec)


def test_every_route_is_described_and_nothing_else(app, spec):
    routes = {
        (method, contract.template(rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(("/v1/", "/api/"))
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert routes == set(contract.operations(spec)) == set(GOOD)


def test_every_operation_says_who_may_call_it_and_what_it_is(spec):
    for where, operation in contract.operations(spec).items():
        assert operation["security"], where
        assert operation["summary"].endswith("."), where
        assert {"401", "403", "429", "503"} <= set(operation["responses"]), where
        for name, response in operation["responses"].items():
            usual = "text/plain" if where[1].endswith(".ts") else "application/json"
            kind = "application/problem+json" if name == "default" or name >= "400" else usual
            assert set(response["content"]) == {kind}, (where, name)
        if "requestBody" in operation:
            assert {"400", "413", "415", "422"} <= set(operation["responses"]), where


def test_every_reference_leads_somewhere(spec):
    def references(value):
        if isinstance(value, dict):
            yield from ([value["$ref"]] if "$ref" in value else [])
            for item in value.values():
                yield from references(item)
        elif isinstance(value, list):
            for item in value:
                yield from references(item)

    names = {reference.removeprefix("#/components/schemas/") for reference in references(spec)}
    assert names <= set(spec["components"]["schemas"])


def redriven(engine, notification: str) -> str:
    """A redrive of the notification's deliveries, by its id."""
    redrive = uuid4()
    with write(engine) as connection:
        its = select(literal("acme"), literal(redrive, Uuid), deliveries.c.id).where(
            deliveries.c.notification_id == UUID(notification)
        )
        connection.execute(redrives.insert().from_select(["tenant_id", "id", "delivery_id"], its))
    return str(redrive)


def filled(
    document, notification: str, device: str, alert: str, key: str, redrive: str, message: str
) -> dict[tuple[str, str], tuple[str, object]]:
    ids = {"{n}": notification, "{d}": device, "{a}": alert, "{k}": key, "{r}": redrive, "{m}": message}
    return {w: (reduce(lambda path, one: path.replace(*one), ids.items(), p), d) for w, (p, d) in document.items()}


def begin_chat(service: Caller, alice: Caller, content: str = "Hello") -> str:
    """Begin the conversation "chat" of alice and carol, who say something. Returns the id of alice's message."""
    begun = {"type": "group", "id": "chat", "participants": ["carol"], "created_by": "alice"}
    assert service.post("/v1/conversations", begun).status_code == 201
    message = alice.post(f"{CHAT}/messages", {"content": content}).json["id"]
    service.post(f"{CHAT}/messages", {"content": content, "sender": "carol"})
    return str(message)


def caller_of(where: tuple[str, str], service: Caller, user: Caller, operator: Caller) -> Caller:
    """The one of them that may call it."""
    return operator if where in OPERATORS else user if where in USERS else service


def everywhere(good, service: Caller, user: Caller, operator: Caller) -> None:
    """Make every good request."""
    for where, (path, document) in good.items():
        caller_of(where, service, user, operator).ask(where[0], path, document)


def spoil(method: str, where: str, path: str, document: object, caller: Caller) -> None:
    """Make the request with everything wrong that can be wrong with it."""
    if document is not None:
        caller.ask(method, path, b"{")
        caller.ask(method, path, {"unknown": 1})
        caller.ask(method, path, b'"' + b"x" * (2 * 1024 * 1024) + b'"')
        for kind in (None, "image/png"):
            headers = {"Authorization": f"Bearer {caller.token}"}
            caller.client.open(path, method=method, headers=headers, data="x", content_type=kind)
    elif method == "GET":
        caller.get(f"{path}{'&' if '?' in path else '?'}limit=0")
    if "{user}" in where:
        caller.ask(method, UNREADABLE[where.removeprefix("/v1/users/")], document)
    if "{device}" in where:
        caller.ask(method, path + "a" * 64, document)
    if "{conversation}" in where:
        caller.ask(method, where.replace("{conversation}", "a" * 129), document)
    if "{name}" in where:
        caller.ask(method, "/v1/event-types/" + "a" * 200, document)
    if "{conversation}" in where:
        caller.ask(method, path.replace("conversations/chat", "conversations/" + "a" * 200), document)
    if "{topic}" in where:
        caller.ask(method, path.replace("news", "no%20name"), document)


def refuse_in_chat(alice: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change what cannot be changed: a direct conversation, a message that was deleted, a group that is full."""
    for _ in range(2):
        two = alice.post("/v1/conversations", {"type": "direct", "participants": ["carol"]}).json["id"]
    alice.ask("PATCH", f"/v1/conversations/{two}", {"name": "Two"})
    alice.ask("PATCH", f"/v1/conversations/{two}/members/carol", {"role": "owner"})
    alice.delete(f"/v1/conversations/{two}/members/carol")
    message = alice.post(f"{CHAT}/messages", {"content": "Hello"}).json["id"]
    alice.delete(f"{CHAT}/messages/{message}")
    alice.ask("PATCH", f"{CHAT}/messages/{message}", {"content": "Hi"})
    for method in ("PUT", "DELETE"):
        alice.ask(method, f"{CHAT}/messages/{message}/reactions/%F0%9F%91%8D")
    with monkeypatch.context() as crowded:
        crowded.setattr("models.conversations.members.MAX_MEMBERS", 0)
        alice.post(f"{CHAT}/join", None)
        alice.post(f"{CHAT}/members", {"users": ["carol"]})


def other_app(directory: Path, **environ: str) -> Any:
    app = create_app(create_settings(directory, **environ))
    app.test_client_class = contract.ContractClient
    return app.test_client()


def test_every_status_that_is_promised_is_given(
    app, spec, settings, engine, service, stranger, trial, alice, operator, client, tmp_path, monkeypatch
):
    """Provoke each; the client checks each answer against its schema as it comes."""
    contract.seen.clear()
    # More is asked here in a second than a user may.
    much = Limit(rate=1e6, burst=10**6)
    plenty = Limiter(settings.redis_url, dict.fromkeys(("service", "user", "operator"), much), much)
    monkeypatch.setattr(app.extensions["carillon"].limiter, "take", plenty.take)
    service.put("/v1/users/alice", {})
    give_file(engine, app)
    device = service.put("/v1/users/alice/devices", {"token": "t"}).json["id"]
    notification = service.send().json["id"]
    expand_all(engine, UUID(notification), utc_now())
    alert = service.post("/v1/alerts", ALERT).json["id"]
    key = factories.create_api_key(engine)[:16]
    message = begin_chat(service, alice)
    good = filled(GOOD, notification, device, alert, key, redriven(engine, notification), message)

    # What is refused, before the good requests delete what they ask for.
    everywhere(good, *[Caller(client, "")] * 3)
    everywhere(good, alice, service, alice)
    for (method, where), (path, document) in good.items():
        spoil(method, where, path, document, caller_of((method, where), service, alice, operator))
    for (method, where), path in ABSENT.items():
        caller = caller_of((method, where), service, alice, operator)
        caller.ask(method, path, SAID.get((method, where)))
    for method, where in OF_BOTH:
        operator.ask(method, *good[method, where])
    for method, where in SHARED:
        path, document = good[method, where]
        operator.ask(method, path, document)
        operator.ask(method, path, document, Carillon_Tenant="nobody")
    service.send(key="a b")
    refuse_in_chat(alice, monkeypatch)
    everywhere(good, service, alice, operator)
    operator.post(*good["POST", "/v1/operator/tenants"])
    service.delete(f"/v1/notifications/{notification}")
    stranger.put("/v1/users/carol/devices", {"token": "elsewhere"})
    for caller, where in ((service, "/v1/users/{user}/devices"), (alice, "/v1/devices")):
        caller.put(good["PUT", where][0], {"token": "elsewhere"})
    alice.post("/api/fcm/register-device", {"token": "elsewhere"})

    # A tenant that has as much as it can have.
    full = {Quota.USERS: 0, Quota.TOPICS: 0, Quota.EVENT_TYPES: 0, Quota.ATTACHMENTS: 0}
    with monkeypatch.context() as crowded:
        crowded.setattr("models.tenants.quotas.DEFAULTS", {**DEFAULTS, **full})
        crowded.setattr("actions.quotas.known_users", lambda *_: set())
        crowded.setattr("actions.quotas.topic_exists", lambda *_: False)
        crowded.setattr(app.extensions["carillon"].quotas, "_known", {})
        service.put("/v1/event-types/one:more", {"title": "One more"})
        everywhere(good, service, alice, operator)

    # Without a lab, without a database, without tokens in the bucket.
    url = engine.url.render_as_string(hide_password=False)
    without_lab = other_app(tmp_path, DATABASE_URL=url, CARILLON_LAB_URL="")
    sends = (("POST", "/v1/notifications"), ("POST", "/v1/notifications/bulk"), ("POST", "/api/notifications"))
    for where in (*sends, ("POST", "/api/test/notification/{user}")):
        Caller(without_lab, trial.token).post(*good[where])
    in_production = other_app(tmp_path, DATABASE_URL=url, CARILLON_ENV="production")
    Caller(in_production, service.token).post(*good["POST", "/api/test/notification/{user}"])
    without_keys = other_app(tmp_path, DATABASE_URL=url, CARILLON_JWKS_FILE="")
    Caller(without_keys, service.token).post(*good["POST", "/v1/users/{user}/tokens"])
    without_files = other_app(tmp_path, DATABASE_URL=url, CARILLON_ATTACHMENTS_URL="")
    for where in GOOD:
        if "/attachments" in where[1]:
            Caller(without_files, alice.token).ask(where[0], *good[where])
    without_database = other_app(tmp_path, DATABASE_URL="postgresql+psycopg://x@127.0.0.1:1/x")
    everywhere(good, *[Caller(without_database, caller.token) for caller in (service, alice, operator)])
    empty = Limiter(settings.redis_url, dict.fromkeys(("service", "user", "operator"), Limit(rate=0.001, burst=1)))
    monkeypatch.setattr(app.extensions["carillon"].limiter, "take", empty.take)
    for _ in range(2):
        everywhere(good, service, alice, operator)

    promised = {
        (method, where, int(status))
        for (method, where), operation in contract.operations(spec).items()
        for status in operation["responses"]
        if status != "default"
    }
    assert sorted(contract.seen - promised) == []
    assert sorted(promised - contract.seen) == []


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/notifications/a/b/c", "/v2/notifications", "/nothing"])
def test_what_is_not_there_is_a_problem_too(service, path):
    missing = service.get(path)
    assert (missing.status_code, missing.json["code"]) == (404, "not_found")


def test_a_wrong_method_is_told_the_right_ones(service):
    refused = service.put("/v1/notifications", body())
    assert (refused.status_code, refused.json["code"]) == (405, "method_not_allowed")
    assert {"GET", "POST"} <= {method.strip() for method in refused.headers["Allow"].split(",")}


def test_a_token_is_valid_for_as_long_as_it_says(settings, client, tenant):
    short = factories.create_token(settings, lifetime=timedelta(seconds=-60))
    refused = Caller(client, short).get("/v1/events")
    assert (refused.status_code, refused.json["code"]) == (401, "token_expired")
    assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]


def test_the_principal_never_prints_a_token(api_key):
    assert api_key not in repr(Principal("service", "acme", api_key[:16], "live", None))
