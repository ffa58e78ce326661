"""The tables, as the newest migration leaves them.

Their names begin with ``iam_`` because the database may be shared with an application. Text is compared by code
points whatever the locale of the server: that is what SQLite does, and what ``COLLATE "C"`` means in PostgreSQL.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKeyConstraint, Index, Integer, MetaData, Table
from sqlalchemy import Text as PlainText

#: Name of the newest migration.
HEAD = "0001"
#: Where Alembic notes which migration was the last.
VERSION_TABLE = "iam_schema"

TEXT = PlainText().with_variant(PlainText(collation="C"), "postgresql")
REVISION = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData()

version = Table(VERSION_TABLE, MetaData(), Column("version_num", PlainText, primary_key=True))

#: One row: what the newest revision is.
meta = Table(
    "iam_meta", metadata,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    Column("revision", REVISION, nullable=False),
)

#: One row for each entity; ``data`` is the JSON of :func:`~iam_guard.directory.entities.to_json`.
entities = Table(
    "iam_entities", metadata,
    Column("kind", TEXT, primary_key=True),
    Column("account", TEXT, primary_key=True),
    Column("name", TEXT, primary_key=True),
    Column("path", TEXT, nullable=False),
    Column("revision", REVISION, nullable=False),
    Column("data", TEXT, nullable=False),
)

#: What each entity refers to, for the way back.
links = Table(
    "iam_links", metadata,
    Column("relation", TEXT, primary_key=True),
    Column("target", TEXT, primary_key=True),
    Column("kind", TEXT, primary_key=True),
    Column("account", TEXT, primary_key=True),
    Column("name", TEXT, primary_key=True),
    ForeignKeyConstraint(["kind", "account", "name"],
                         ["iam_entities.kind", "iam_entities.account", "iam_entities.name"], ondelete="CASCADE"),
    Index("iam_links_by_entity", "kind", "account", "name"),
)

#: What each write did to each entity; no JSON stands for not being there.
changes = Table(
    "iam_changes", metadata,
    Column("revision", REVISION, primary_key=True, autoincrement=False),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("at", TEXT, nullable=False),
    Column("who", TEXT, nullable=False),
    Column("operation", TEXT, nullable=False),
    Column("kind", TEXT, nullable=False),
    Column("account", TEXT, nullable=False),
    Column("name", TEXT, nullable=False),
    Column("before", TEXT),
    Column("after", TEXT),
)
