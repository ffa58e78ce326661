"""The first tables. Written out in full, so that later changes to the schema leave it as it was."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_REVISION = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables of an empty directory."""
    meta = op.create_table(
        "iam_meta",
        sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
        sa.Column("revision", _REVISION, nullable=False))
    op.bulk_insert(meta, [{"id": 1, "revision": 0}])
    op.create_table(
        "iam_entities",
        *(sa.Column(name, _TEXT, primary_key=True) for name in ("kind", "account", "name")),
        sa.Column("path", _TEXT, nullable=False),
        sa.Column("revision", _REVISION, nullable=False),
        sa.Column("data", _TEXT, nullable=False))
    op.create_table(
        "iam_links",
        *(sa.Column(name, _TEXT, primary_key=True) for name in ("relation", "target", "kind", "account", "name")),
        sa.ForeignKeyConstraint(["kind", "account", "name"],
                                ["iam_entities.kind", "iam_entities.account", "iam_entities.name"],
                                ondelete="CASCADE"))
    op.create_index("iam_links_by_entity", "iam_links", ["kind", "account", "name"])
    op.create_table(
        "iam_changes",
        sa.Column("revision", _REVISION, primary_key=True, autoincrement=False),
        sa.Column("ordinal", sa.Integer, primary_key=True, autoincrement=False),
        *(sa.Column(name, _TEXT, nullable=False) for name in ("at", "who", "operation", "kind", "account", "name")),
        sa.Column("before", _TEXT),
        sa.Column("after", _TEXT))


def downgrade() -> None:
    """Drop them."""
    for name in ("iam_changes", "iam_links", "iam_entities", "iam_meta"):
        op.drop_table(name)
