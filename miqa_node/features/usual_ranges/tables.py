"""What is usual on each scanner."""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.runtime.store.tables import Digest, Uid, UtcDateTime, metadata
from miqa_node.runtime.store.tables.column_marks import CODE, DELETED, DEVICE, REFERRED, about, kept

UNUSUAL = sa.text("is_unusual")

# One row per scanner, software, protocol and body part; "baseline" is made of them. "authority" is who assigned the
# Patient IDs, of scanners without serial number. "first_at" and "last_at" are times
# of the scanner's clock. "ranges" is what was made of its series when it had "ranged_series" of them.
usual_baselines = sa.Table(
    "usual_baselines",
    metadata,
    sa.Column("baseline", sa.String(16), primary_key=True, info=CODE),
    sa.Column("modality", sa.String(16), nullable=False, info=CODE),
    *(
        sa.Column(name, sa.Text, nullable=False, info=DEVICE)
        for name in ("station", "device", "serial_number", "software", "protocol", "kernel", "body_part", "view")
    ),
    sa.Column("first_at", sa.DateTime, nullable=False),
    sa.Column("last_at", sa.DateTime, nullable=False),
    sa.Column("series", sa.Integer, nullable=False),
    sa.Column("ranged_series", sa.Integer, nullable=False),
    sa.Column("ranges", sa.JSON, nullable=False, info=CODE),
    sa.Column("authority", sa.Text, nullable=False, server_default="", info=kept("names a hospital, not a patient")),
    sa.Index("ix_usual_baselines_station", "station"),
    info=REFERRED,
)

# One row per measured series, or image that is judged by itself: "subject" is the digest of
# the UIDs of study and series, or of the image.
# "unusual" has what was outside the ranges of the series before it, with the range of then.
usual_series = sa.Table(
    "usual_series",
    metadata,
    sa.Column("subject", Uid, primary_key=True),
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), nullable=False, index=True),
    sa.Column("baseline", sa.String(16), sa.ForeignKey("usual_baselines.baseline"), nullable=False, info=DELETED),
    sa.Column("at", sa.DateTime, nullable=False),
    sa.Column("assessed_at", UtcDateTime, nullable=False),
    sa.Column("numbers", sa.JSON, nullable=False, info=DELETED),
    sa.Column("unusual", sa.JSON, nullable=False, info=DELETED),
    sa.Column("is_unusual", sa.Boolean, nullable=False),
    sa.Index("ix_usual_series_baseline", "baseline", "at"),
    sa.Index("ix_usual_series_unusual", "baseline", "at", sqlite_where=UNUSUAL, postgresql_where=UNUSUAL),
    info=about("digest"),
)
