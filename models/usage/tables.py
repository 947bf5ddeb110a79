"""Usage of tenants by day: counts, which outlive what was counted."""

from sqlalchemy import BigInteger, Column, Date, String, Table

from models.sql.types import metadata

usage = Table(
    "usage",
    metadata,
    # No foreign key: what was used stays used when a tenant is gone.
    Column("tenant_id", String(64), primary_key=True),
    Column("mode", String(4), primary_key=True),
    # UTC.
    Column("day", Date, primary_key=True, index=True),
    # "" for what is counted before there are channels.
    Column("channel", String(16), primary_key=True),
    # "notifications", "recipients", or the state in which a delivery ended.
    Column("measure", String(16), primary_key=True),
    Column("number", BigInteger, nullable=False),
)
