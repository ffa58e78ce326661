"""The directory in a relational database: SQLite for one machine, PostgreSQL for many.

Needs the extra ``iam-guard[directory]``, and ``iam-guard[postgres]`` for PostgreSQL. Nothing outside this folder
imports SQLAlchemy or Alembic.
"""
