"""Endpoints for operators only: the installation, its tenants and keys, and single users."""

from web.api.operator import audit, overview, tenants, users

__all__ = ["audit", "overview", "tenants", "users"]
