"""Reader studies: the protocol, the images that were drawn, and the readings."""

from __future__ import annotations

import sqlalchemy as sa

from miqa_node.runtime.store.tables import Digest, UtcDateTime, metadata
from miqa_node.runtime.store.tables.column_marks import CODE, SECRET, SITE, STAFF

# A row never changes but for the time of the draw; "protocol" is the canonical JSON that "protocol_sha256" is of.
reader_studies = sa.Table(
    "reader_studies",
    metadata,
    sa.Column("name", sa.String(40), primary_key=True, info=SITE),
    sa.Column("protocol", sa.Text, nullable=False, info=SITE),
    sa.Column("protocol_sha256", sa.String(64), nullable=False, info=SECRET),
    sa.Column("planned_at", UtcDateTime, nullable=False),
    sa.Column("planned_by", sa.Text, nullable=False, info=STAFF),
    sa.Column("collected_at", UtcDateTime),
    sa.Column("available", sa.Integer),
)

# Verdict, score and reasons as they were when the image was drawn: a later judgement does not enter the study.
reader_study_images = sa.Table(
    "reader_study_images",
    metadata,
    sa.Column("study", sa.String(40), sa.ForeignKey("reader_studies.name"), primary_key=True, info=SITE),
    sa.Column("digest", Digest, sa.ForeignKey("instances.digest"), primary_key=True),
    sa.Column("run", sa.Integer, nullable=False),
    sa.Column("verdict", sa.String(16), nullable=False, info=CODE),
    sa.Column("score", sa.Float),
    sa.Column("reasons", sa.JSON, nullable=False, info=CODE),
)

# One row per reading, never changed. "grade" is usable, limited or unusable; "rating" is 0 to 100, how sure the reader
# is that the image has to be repeated.
reader_study_readings = sa.Table(
    "reader_study_readings",
    metadata,
    sa.Column("study", sa.String(40), primary_key=True, info=SITE),
    sa.Column("digest", Digest, primary_key=True),
    sa.Column("reader", sa.String(64), primary_key=True, info=STAFF),
    sa.Column("arm", sa.String(8), primary_key=True, info=CODE),
    sa.Column("grade", sa.String(8), nullable=False, info=CODE),
    sa.Column("rating", sa.Integer, nullable=False),
    sa.Column("reasons", sa.JSON, nullable=False, info=CODE),
    sa.Column("read_at", UtcDateTime, nullable=False),
    sa.ForeignKeyConstraint(["study", "digest"], ["reader_study_images.study", "reader_study_images.digest"]),
)
