"""What is open to operators alone: the whole installation, its tenants and keys, and anybody's page."""

from web.api.operator import overview, tenants, users

__all__ = ["overview", "tenants", "users"]
