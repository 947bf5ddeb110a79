"""Migrations run online, on the database of the settings or on the connection they are given."""

from __future__ import annotations

from alembic import context

from config.settings import Settings
from models.schema import metadata
from models.sql.engine import connect

given = context.config.attributes.get("connection")


def run(connection: object) -> None:
    # SQLite cannot alter a table: batch mode makes a new one and copies.
    context.configure(
        connection=connection,  # type: ignore[arg-type]
        target_metadata=metadata,
        render_as_batch=True,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if given is not None:
    run(given)
else:
    with connect(Settings.from_env().database_url).begin() as own:
        run(own)
