"""Brings the schema of a database up to the one that this version reads and writes."""

from __future__ import annotations

from importlib.resources import as_file, files

from sqlalchemy import Connection, inspect, select

from iam_guard.errors import ConfigurationError
from iam_guard.store.sql.schema import HEAD, VERSION_TABLE, version


def is_current(connection: Connection) -> bool:
    """Whether there is nothing to do."""
    return schema_of(connection) == HEAD


def schema_of(connection: Connection) -> str:
    """Name of the last migration; empty for a database without a directory."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return ""
    return connection.scalar(select(version.c.version_num)) or ""


def migrate(connection: Connection, place: str) -> None:
    """Make the tables, or change older ones; within the connection's transaction, with nobody else writing.

    Args:
        connection: In a transaction, which the caller commits.
        place: The store's URL without a password.

    Raises:
        ConfigurationError: the schema is one that this version knows nothing of.
    """
    # Only needed here, and it takes its time to import.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    with as_file(files("iam_guard.store.sql").joinpath("migrations")) as folder:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if (found := schema_of(connection)) not in known | {""}:
            raise ConfigurationError(f"the directory at '{place}' has the schema '{found}' and this version of "
                                     f"iam-guard knows none newer than '{HEAD}': use a newer version of iam-guard")
        command.upgrade(config, "head")
