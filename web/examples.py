"""One example for the body of each operation, in /openapi.json and so in the copyable lines of /docs.

The tests send every one of them.
"""

from __future__ import annotations

from typing import Any

_DEVICE = {"token": "fcm-registration-token-of-the-device", "platform": "android"}
_MEMBERS = {"users": ["alice", "bob"]}

# What stands in the paths of the examples.
PLACES = {
    "{user}": "alice",
    "{topic}": "news",
    "{name}": "invoice:paid",
    "{tenant}": "acme",
    "{connection}": "abcdefgh",
    "{notification}": "0197f3a2-5c1e-7cc3-98c4-dc0c0c07398f",
    "{alert}": "0197f3a2-5c1e-7cc3-98c4-dc0c0c07398f",
    "{device}": "0197f3a2-5c1e-7cc3-98c4-dc0c0c07398f",
    "{prefix}": "ck_live_1a2b3c4d",
    "{conversation}": "garden",
    "{message}": "0197f3a2-5c1e-7cc3-98c4-dc0c0c07398f",
    "{emoji}": "👍",
    "{attachment}": "0197f3a2-5c1e-7cc3-98c4-dc0c0c07398f",
}

# By operationId.
EXAMPLES: dict[str, dict[str, Any]] = {
    "send_notification": {
        "audience": {"users": ["alice"]},
        "title": "Your order is on its way",
        "message": "It arrives tomorrow before noon.",
        "level": "success",
        "category": "orders",
        "data": {"order": "A-1001"},
        "url": "https://shop.example/orders/A-1001",
    },
    "send_notifications": {
        "items": [
            {
                "audience": {"users": [{"id": "bob", "email": "bob@shop.example"}]},
                "title": "Invoice",
                "message": "Your invoice for May is ready.",
                "channels": ["email"],
            },
            {"audience": {"tenant": True}, "title": "Maintenance", "message": "Tonight at ten.", "priority": "bulk"},
        ]
    },
    "raise_alert": {
        "title": "Disk almost full",
        "message": "db-1 has 4 % left.",
        "level": "critical",
        "data": {"host": "db-1"},
    },
    "publish_event": {
        "audience": {"users": ["alice"]},
        "type": "stream:task_update",
        "data": {"task_id": "7", "status": "running"},
    },
    "put_event_type": {
        "title": "An invoice was paid",
        "payload": {
            "type": "object",
            "properties": {"invoice": {"type": "string"}, "amount": {"type": "number"}},
            "required": ["invoice"],
        },
        "rooms": ["user"],
        "ttl": 86400,
    },
    "send_to_connection": {"message": {"text": "Your call is next."}},
    "put_user": {"email": "alice@shop.example", "locale": "de-AT"},
    "create_token": {"lifetime": 900},
    "put_device": _DEVICE,
    "put_own_device": _DEVICE,
    "put_topic": {"open": True},
    "add_members": _MEMBERS,
    "remove_members": _MEMBERS,
    "create_tenant": {"id": "shop", "name": "The shop"},
    "create_key": {"name": "order service", "mode": "live"},
    "redrive_dead_letters": {"failure": "provider_down", "channel": "push"},
    "acknowledge_notifications": {"up_to_seq": 12},
    "read_inbox": {"category": "orders"},
    "clear_inbox": {"status": "read"},
    "see_inbox": {"up_to": "0197f3a2-5c1e-7cc3-98c4-dc0c0c07398f"},
    "register_device_alias": _DEVICE,
    "unregister_device_alias": {"token": _DEVICE["token"]},
    "subscribe_topic_alias": {"topic": "news"},
    "unsubscribe_topic_alias": {"topic": "news"},
    "create_notification_alias": {"user_id": "alice", "title": "Hello", "message": "From a program of before."},
    "send_test_notification": {"message": "Does it ring?", "type": "info"},
    "create_attachment": {
        "name": "invoice.pdf",
        "size": 48213,
        "type": "application/pdf",
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    },
    "create_conversation": {"type": "group", "participants": ["bob"], "name": "Garden"},
    "update_conversation": {"name": "The garden"},
    "set_conversation_settings": {"notify": "mentions"},
    "add_conversation_members": {"users": ["bob"]},
    "set_member_role": {"role": "owner"},
    "send_message": {"content": "Who waters the tomatoes?", "temp_id": "1", "mentions": ["bob"]},
    "edit_message": {"content": "Who waters the tomatoes today?"},
    "mark_messages_read": {"no": 1},
    "mark_messages_delivered": {"no": 1},
    "send_message_alias": {"groupId": "garden", "content": "I do"},
    "acknowledge_tenant_events": {"eventIds": ["0197f3a2-5c1e-7cc3-98c4-dc0c0c07398f"]},
}


def with_examples(document: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI document, with the examples in place."""
    for path in document["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict) and operation.get("operationId") in EXAMPLES:
                [content] = operation["requestBody"]["content"].values()
                content["example"] = EXAMPLES[operation["operationId"]]
    return document
