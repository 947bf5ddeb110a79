"""What an installation of version 0.1.0 had in its database, as plain rows: the code that wrote it is gone."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
_BEFORE, _SOON, _LATER = NOW - timedelta(minutes=5), NOW - timedelta(seconds=1), NOW + timedelta(days=5)

ACCEPTED = UUID("019abc00-0000-7000-8000-000000000001")
BY_TOPIC = UUID("019abc00-0000-7000-8000-000000000002")
EXPANDED = UUID("019abc00-0000-7000-8000-000000000003")
ALERT = UUID("019abc00-0000-7000-8000-0000000000aa")
LEASE = UUID("019abc00-0000-7000-8000-0000000000ff")
ALICE, BOB, CAROL = 1, 2, 3


def _notification(id_: UUID, state: str, audience: dict[str, Any], **other: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "tenant_id": "acme",
        "mode": "live",
        "idempotency_key": None,
        "body_sha256": "0" * 64,
        "audience": audience,
        "channels": None,
        "title": f"Title {id_.int & 0xF}",
        "message": "Message",
        "data": {"n": 1},
        "level": "info",
        "lane": 2,
        "category": None,
        "type": "notification",
        "collapse_key": None,
        "reference": None,
        "url": None,
        "created_at": _BEFORE,
        "expires_at": _LATER,
        "state": state,
        "cursor": 0,
        "recipients": 0,
        "due_at": _SOON if state == "accepted" else None,
    } | other


def _delivery(id_: int, user: int, channel: str, address: int, state: str, **other: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "notification_id": EXPANDED,
        "tenant_id": "acme",
        "user_id": user,
        "channel": channel,
        "address_id": address,
        "action": "show",
        "lane": 2,
        "state": state,
        "attempts": 0,
        "due_at": None,
        "lease": None,
        "expires_at": _LATER,
        "seq": None,
        "failure": None,
        "reason": None,
        "created_at": _BEFORE,
    } | other


def _user(id_: int, name: str) -> dict[str, Any]:
    return {
        "id": id_,
        "tenant_id": "acme",
        "external_id": name,
        "locale": "de" if name == "alice" else None,
        "created_at": _BEFORE,
        "updated_at": _BEFORE,
    }


def _address(id_: int, user: int, channel: str, kind: str, value: str) -> dict[str, Any]:
    return {
        "id": id_,
        "tenant_id": "acme",
        "user_id": user,
        "channel": channel,
        "kind": kind,
        "value": value,
        "created_at": _BEFORE,
        "last_seen_at": _BEFORE,
    }


ROWS: dict[str, list[dict[str, Any]]] = {
    "tenants": [{"id": "acme", "name": "Acme", "weight": 1, "created_at": _BEFORE}],
    "api_keys": [
        {
            "prefix": "ck_live_00000000",
            "tenant_id": "acme",
            "sha256": "1" * 64,
            "mode": "live",
            "name": "shop",
            "created_at": _BEFORE,
        }
    ],
    "users": [_user(ALICE, "alice"), _user(BOB, "bob"), _user(CAROL, "carol")],
    "addresses": [
        _address(1, ALICE, "email", "", "alice@example.test"),
        _address(2, BOB, "push", "token", "bob-phone"),
        _address(3, CAROL, "email", "", "carol@example.test"),
        _address(4, BOB, "email", "", "bob@example.test"),
    ],
    "subscriptions": [{"tenant_id": "acme", "topic": "news", "user_id": BOB, "created_at": _BEFORE}],
    "open_topics": [{"tenant_id": "acme", "topic": "news", "created_at": _BEFORE}],
    "rooms": [
        {"id": 1, "tenant_id": "acme", "kind": "tenant", "key": "acme", "user_id": None, "head": 1, "purged": 0},
        {"id": 2, "tenant_id": "acme", "kind": "user", "key": "alice", "user_id": ALICE, "head": 1, "purged": 0},
        {"id": 3, "tenant_id": "acme", "kind": "user", "key": "bob", "user_id": BOB, "head": 1, "purged": 0},
        {"id": 4, "tenant_id": "acme", "kind": "user", "key": "carol", "user_id": CAROL, "head": 1, "purged": 0},
    ],
    "notifications": [
        _notification(ACCEPTED, "accepted", {"users": [{"id": "alice"}, {"id": "dave", "email": "dave@example.test"}]}),
        _notification(BY_TOPIC, "accepted", {"topic": "news"}, channels=["in_app", "push"]),
        _notification(EXPANDED, "expanded", {"tenant": True}, recipients=3),
    ],
    "events": [
        *(
            {
                "room_id": room,
                "seq": 1,
                "type": "notification:new",
                "notification_id": EXPANDED,
                "data": None,
                "created_at": _BEFORE,
                "expires_at": _LATER,
            }
            for room in (2, 3, 4)
        ),
        {
            "room_id": 1,
            "seq": 1,
            "type": "alert:new",
            "notification_id": None,
            "data": {"id": str(ALERT), "title": "Disk"},
            "created_at": _BEFORE,
            "expires_at": _LATER,
        },
    ],
    "inbox": [
        {"user_id": user, "notification_id": EXPANDED, "seq": 1, "category": None, "expires_at": _LATER}
        for user in (ALICE, BOB, CAROL)
    ],
    "deliveries": [
        *(
            _delivery(n, user, "in_app", 0, "sent", seq=1, attempts=1, sent_at=_BEFORE)
            for n, user in ((1, ALICE), (2, BOB), (3, CAROL))
        ),
        _delivery(4, ALICE, "email", 1, "pending", due_at=_SOON),
        # Its worker died.
        _delivery(5, CAROL, "email", 3, "sending", due_at=_SOON, attempts=1, lease=LEASE),
        _delivery(6, BOB, "email", 4, "sent", attempts=1, sent_at=_BEFORE, provider_id="p-6"),
        _delivery(7, BOB, "push", 2, "dead", attempts=8, failure="provider_down", reason="gave up"),
    ],
    "attempts": [
        {"id": 1, "delivery_id": 7, "number": 8, "at": _BEFORE, "failure": "provider_down", "reason": "HTTP 503"}
    ],
    "alerts": [
        {
            "id": ALERT,
            "tenant_id": "acme",
            "idempotency_key": None,
            "body_sha256": "2" * 64,
            "title": "Disk",
            "message": "full",
            "level": "critical",
            "type": "alert",
            "data": {},
            "created_at": _BEFORE,
            "expires_at": _LATER,
        }
    ],
    "outbox": [{"id": 1, "room_id": 1, "seq": 1, "lane": 1, "due_at": _SOON}],
    "staged_events": [
        {
            "room_id": 2,
            "type": "stream:data",
            "key": "k",
            "lane": 2,
            "data": {"id": "e1"},
            "due_at": _SOON,
            "expires_at": _LATER,
        }
    ],
    "event_types": [
        {
            "tenant_id": "acme",
            "name": "invoice:paid",
            "declaration": {"title": "An invoice was paid"},
            "created_at": _BEFORE,
            "updated_at": _BEFORE,
        }
    ],
    "event_acks": [{"user_id": BOB, "room_id": 3, "floor": 1, "beyond": []}],
}


def insert(connection: Connection) -> None:
    """Write all rows, as the drivers of both databases take them."""
    sqlite = connection.dialect.name == "sqlite"

    def plain(value: Any) -> Any:
        if isinstance(value, UUID):
            return value.hex if sqlite else str(value)
        if isinstance(value, datetime):
            return value.strftime("%Y-%m-%d %H:%M:%S.%f") + ("" if sqlite else "+00")
        return json.dumps(value) if isinstance(value, dict | list) else value

    for table, rows in ROWS.items():
        for row in rows:
            columns = ", ".join(f'"{name}"' for name in row)
            values = ", ".join(f":{name}" for name in row)
            connection.execute(
                text(f'INSERT INTO "{table}" ({columns}) VALUES ({values})'),
                {name: plain(value) for name, value in row.items()},
            )
        if not sqlite and "id" in rows[0] and isinstance(rows[0]["id"], int):
            connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 1000)"))
