"""Which rows of a table may somebody see? Policies turned into a filter that a query can carry.

    documents = Rows("document/{id}", {"docs:Owner": "owner", "aws:ResourceTag/team": "team"})
    allowed = row_filter(guard, ann, "docs:GetDocument", documents)
    where, parameters = allowed.sql("sqlite")
    connection.execute(f"SELECT * FROM documents WHERE {where} ORDER BY id LIMIT 10", parameters)

A filter never admits a row that asking about that row alone would deny. What cannot be said in a query, such as
a comparison of addresses, makes it admit less, and ``why`` says so.
"""

from iam_guard.rows.row_filter import RowFilter, row_filter
from iam_guard.rows.table import Rows

__all__ = ["RowFilter", "Rows", "row_filter"]
