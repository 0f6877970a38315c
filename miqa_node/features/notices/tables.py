"""Which notices by e-mail people want."""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.runtime.store.tables import UtcDateTime, metadata
from miqa_node.runtime.store.tables.column_marks import CODE, DEVICE, STAFF

# Each person's preferences; "rooms" is a JSON list.
notice_preferences = sa.Table(
    "notice_preferences",
    metadata,
    sa.Column("account", sa.String(64), sa.ForeignKey("users.name"), primary_key=True, info=STAFF),
    sa.Column("address", sa.Text, nullable=False, info=STAFF),
    sa.Column("language", sa.String(8), nullable=False, info=CODE),
    sa.Column("rooms", sa.JSON, nullable=False, info=DEVICE),
    sa.Column("digest", sa.Boolean, nullable=False),
    sa.Column("escalation", sa.Boolean, nullable=False),
    sa.Column("machines", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("quiet_from", sa.String(5), nullable=False, info=CODE),
    sa.Column("quiet_until", sa.String(5), nullable=False, info=CODE),
    sa.Column("changed_at", UtcDateTime, nullable=False),
)
