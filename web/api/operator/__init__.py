"""Endpoints for operators only: the installation, its tenants and keys, and single users."""

from web.api.operator import overview, tenants, users

__all__ = ["overview", "tenants", "users"]
