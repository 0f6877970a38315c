"""What each image shows of its place, of which limits are made."""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.runtime.store.tables import Digest, UtcDateTime, metadata
from miqa_node.runtime.store.tables.column_marks import CODE, DEVICE, VERSION, about

# One row for each of the newest images of a place that shows how it usually looks; "exposure" stands for the images of
# one exposure, "graph" for the model that judged, "label" and "software" for what made it. "degrees" and "flags" are
# what was seen by rules that places learn, "bounds" those of these rules; "always": another rule flags it,
# "is_severe": it would be flagged anywhere.
room_images = sa.Table(
    "room_images",
    metadata,
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), primary_key=True),
    sa.Column("package", sa.Text, nullable=False, info=VERSION),
    *(sa.Column(name, sa.Text, nullable=False, info=DEVICE) for name in ("body_part", "room", "view", "detector")),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("exposure", sa.String(16), nullable=False, info=CODE),
    sa.Column("graph", sa.String(64), nullable=False, info=VERSION),
    sa.Column("label", sa.Text, nullable=False, info=VERSION),
    sa.Column("software", sa.Text, nullable=False, info=DEVICE),
    sa.Column("is_left", sa.Boolean, nullable=False),
    sa.Column("degrees", sa.JSON, nullable=False, info=CODE),
    sa.Column("flags", sa.JSON, nullable=False, info=CODE),
    sa.Column("bounds", sa.JSON, nullable=False, info=CODE),
    sa.Column("always", sa.Boolean, nullable=False),
    sa.Column("is_severe", sa.Boolean, nullable=False),
    sa.Index("ix_room_images_place", "room", "body_part", "view", "at"),
    info=about("digest"),
)
