"""The schema, one module per subject. Migrations stand in migrations/."""

from models.tables.base import metadata
from models.tables.ledger import attempts, deliveries, notifications
from models.tables.log import events, meta, rooms
from models.tables.people import addresses, api_keys, subscriptions, tenants, users

__all__ = [
    "addresses",
    "api_keys",
    "attempts",
    "deliveries",
    "events",
    "meta",
    "metadata",
    "notifications",
    "rooms",
    "subscriptions",
    "tenants",
    "users",
]
