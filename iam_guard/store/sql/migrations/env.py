"""Run by Alembic: migrates on the connection that is handed over, within its transaction."""

from __future__ import annotations

from alembic import context

from iam_guard.store.sql.schema import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()
