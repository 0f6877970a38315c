"""Views of the worklist that people saved."""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.runtime.store.tables import UtcDateTime, metadata
from miqa_node.runtime.store.tables.column_marks import SITE, STAFF, kept

# Views of the list that people saved. "query" is that of the page's address, without the text of a search, which may
# name a patient. "owner" is empty on a node without accounts.
saved_views = sa.Table(
    "saved_views",
    metadata,
    sa.Column("owner", sa.Text, primary_key=True, info=STAFF),
    sa.Column("name", sa.Text, primary_key=True, info=SITE),
    sa.Column("is_shared", sa.Boolean, nullable=False),
    sa.Column("query", sa.Text, nullable=False, info=kept("without the text of a search, which may name a patient")),
    sa.Column("saved_at", UtcDateTime, nullable=False),
)
