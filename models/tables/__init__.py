"""The schema, one module per subject. Migrations stand in migrations/."""

from models.tables.base import metadata
from models.tables.catalogue import event_acks, event_types
from models.tables.inbox import alerts, inbox
from models.tables.ledger import attempts, deliveries, notifications
from models.tables.log import events, meta, outbox, rooms, staged_events
from models.tables.people import addresses, api_keys, open_topics, subscriptions, tenants, users

__all__ = [
    "addresses",
    "alerts",
    "api_keys",
    "attempts",
    "deliveries",
    "event_acks",
    "event_types",
    "events",
    "inbox",
    "meta",
    "metadata",
    "notifications",
    "open_topics",
    "outbox",
    "rooms",
    "staged_events",
    "subscriptions",
    "tenants",
    "users",
]
